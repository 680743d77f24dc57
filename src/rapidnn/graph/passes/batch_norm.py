"""Batch normalisation: folded into the accumulation before it, or an accumulation of its own."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.ops import BatchNorm, Conv, Float32, LayerNorm, Linear, Op, Reshape, Slice, Transpose
from rapidnn.graph.passes.rewrite import rebuild, resolve
from rapidnn.graph.shapes import Shape


def fold_batch_norm(graph: Graph) -> Graph:
    """Scales and shifts merged into the convolution, linear layer, layer norm or batch norm before them that
    nothing else reads.

    Equal up to float32 rounding because ``s * (sum w x + b) + t = sum (s w) x + (s b + t)`` per output
    channel. Operators between that only move elements and keep the channel axis recognisable (reshape,
    transpose, slice) may stand in between. A convolution's zero padding is in front of it, so it does not
    matter.
    """
    readers = graph.consumers()
    current = {node.name: node for node in graph}
    alias: dict[str, str] = {}
    for node in graph:
        if not isinstance(node.op, BatchNorm):
            continue
        edge, axis = node.inputs[0], 0
        while edge != graph.output and len(readers[edge]) == 1:
            source = current[resolve(alias, edge)]
            absorbed = _absorb(source.op, node.op, axis, len(graph.shapes[edge]))
            if absorbed is not None:
                current[source.name] = replace(source, op=absorbed)
                del current[node.name]
                alias[node.name] = node.inputs[0]
                break
            before = _axis_before(source, axis, graph)
            if before is None:
                break
            edge, axis = source.inputs[0], before
    return rebuild(current.values(), graph.output, alias)


def lower_batch_norm(graph: Graph) -> Graph:
    """Each remaining batch norm as a weighted accumulation per channel: a depthwise convolution with kernel
    1.

    Equal because such a convolution computes ``scale[c] * x[c] + shift[c]``. Values without one to three
    spatial axes are reshaped around it, which moves nothing.
    """
    nodes: list[Node] = []
    alias: dict[str, str] = {}
    taken = {node.name for node in graph}
    for node in graph:
        inputs = tuple(alias.get(edge, edge) for edge in node.inputs)
        if not isinstance(node.op, BatchNorm):
            nodes.append(replace(node, inputs=inputs))
            continue
        shape = graph.shapes[node.name]
        if 2 <= len(shape) <= 4:
            nodes.append(Node(node.name, _depthwise(node.op, len(shape) - 1), inputs))
            continue
        expand, restore = (_unique(f"{node.name}.{part}", taken) for part in ("expand", "restore"))
        nodes.append(Node(expand, Reshape((shape[0], math.prod(shape[1:]))), inputs))
        nodes.append(Node(node.name, _depthwise(node.op, 1), (expand,)))
        nodes.append(Node(restore, Reshape(shape), (node.name,)))
        alias[node.name] = restore
    return Graph(tuple(nodes), alias.get(graph.output, graph.output))


def _depthwise(op: BatchNorm, rank: int) -> Conv:
    weight = op.scale.reshape(-1, 1, *(1,) * rank)
    ones = (1,) * rank
    return Conv(weight, op.shift, ones, ((0, 0),) * rank, ones, len(op.scale))


def _absorb(source: Op, norm: BatchNorm, axis: int, rank: int) -> Op | None:
    """``source`` with its result's ``axis`` normalised too, None where that is not its channel axis."""
    match source:
        case Conv() if axis == 0:
            return replace(source, weight=_scaled(source.weight, norm), bias=_shifted(source.bias, norm))
        case Linear() if axis == rank - 1:
            return replace(source, weight=_scaled(source.weight, norm), bias=_shifted(source.bias, norm))
        case LayerNorm() if axis == rank - 1 and source.axes == 1:
            return replace(source, scale=_scaled(source.scale, norm), shift=_shifted(source.shift, norm))
        case BatchNorm() if axis == 0:
            return BatchNorm(_scaled(source.scale, norm), _shifted(source.shift, norm))
        case _:
            return None


def _scaled(weight: Float32, norm: BatchNorm) -> Float32:
    # The float32 product of two float32 is the float64 product rounded once: no wider copy of the weights is
    # needed.
    if (norm.scale == 1).all():
        return weight
    with np.errstate(over="ignore"):  # the check against the original names a node that overflows
        return weight * norm.scale.reshape(-1, *(1,) * (weight.ndim - 1))


def _shifted(bias: Float32, norm: BatchNorm) -> Float32:
    exact = bias.astype(np.float64) * norm.scale.astype(np.float64) + norm.shift.astype(np.float64)
    with np.errstate(over="ignore"):
        return exact.astype(np.float32)


def _axis_before(node: Node, axis: int, graph: Graph) -> int | None:
    """The axis of a moving operator's input that ``axis`` of its result is, None if it is not one axis."""
    if not isinstance(node.op, Reshape | Transpose | Slice):
        return None
    before: Shape = graph.shapes[node.inputs[0]]
    after: Shape = graph.shapes[node.name]
    match node.op:
        case Transpose():
            return node.op.perm[axis]
        case Slice():
            return axis if before[axis] == after[axis] else None
        case Reshape():
            if axis == 0 and before[:1] == after[:1]:
                return 0
            if axis == len(after) - 1 and before[-1:] == after[-1:]:
                return len(before) - 1
            return None


def _unique(name: str, taken: set[str]) -> str:
    candidate, count = name, 0
    while candidate in taken:
        count += 1
        candidate = f"{name}_{count}"
    taken.add(candidate)
    return candidate
