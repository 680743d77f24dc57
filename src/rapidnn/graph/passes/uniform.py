"""Scales that are one number move up into the weights, or into a part of them (attention's scaling of queries)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.ops import BatchNorm, Conv, Linear, MatMul, Op, Reshape, Slice, Take, Transpose
from rapidnn.graph.passes.rewrite import rebuild

_MOVING = (Reshape, Transpose, Slice, Take)
_MAX_ELEMENTS = 2**22
"""Largest accumulation whose elements are traced."""


@dataclass(frozen=True, eq=False)
class _Target:
    """The accumulation that takes a scale, and the output channels (bool, one each) that it scales."""

    root: Node
    channels: NDArray[np.bool_]


def fold_uniform_scales(graph: Graph) -> Graph:
    """Batch norms of one scale and one shift merged into the accumulation that their values come from.

    Equal up to float32 rounding: operators that only move elements commute with ``s x + t``, and a matrix product
    with a scale of either factor, ``(s a) b = s (a b)``. The accumulation's other readers must not see the scaled
    channels.
    """
    for name in [node.name for node in graph if isinstance(node.op, BatchNorm)]:
        node = graph[name]
        assert isinstance(node.op, BatchNorm)
        if len(np.unique(node.op.scale)) > 1 or len(np.unique(node.op.shift)) > 1:
            continue
        target = _target(graph, node, graph.consumers(), float(node.op.shift[0]))
        if target is not None:
            graph = _folded(graph, node, node.op, target)
    return graph


def _target(graph: Graph, reader: Node, readers: dict[str, list[Node]], shift: float) -> _Target | None:
    """Where a scale of what ``reader`` reads can go, trying the left factor of a product before the right one."""
    edges = reader.inputs if isinstance(reader.op, MatMul) else reader.inputs[:1]
    for edge in edges:
        if isinstance(reader.op, MatMul) and edges[0] == edges[1]:
            return None
        origin = graph[edge]
        while isinstance(origin.op, _MOVING):
            origin = graph[origin.inputs[0]]
        if isinstance(origin.op, MatMul):
            alone = shift == 0 and _only_reader(graph, edge, origin.name, readers)
            found = _target(graph, origin, readers, shift) if alone else None
        else:
            found = _traced(graph, origin, edge, reader, readers)
        if found is not None:
            return found
    return None


def _only_reader(graph: Graph, edge: str, origin: str, readers: dict[str, list[Node]]) -> bool:
    """Whether every edge from ``origin`` down to ``edge`` has one reader and is not the result."""
    while len(readers[edge]) == 1 and edge != graph.output:
        if edge == origin:
            return True
        edge = graph[edge].inputs[0]
    return False


def _traced(
    graph: Graph, root: Node, edge: str, reader: Node, readers: dict[str, list[Node]]
) -> _Target | None:
    """The channels of ``root`` that reach ``reader`` by ``edge``, if they reach nothing else."""
    if not isinstance(root.op, Linear | Conv):
        return None
    shape = graph.shapes[root.name]
    channels = np.arange(len(root.op.bias))
    if int(np.prod(shape)) > _MAX_ELEMENTS:
        return None
    axis = 0 if isinstance(root.op, Conv) else len(shape) - 1
    aligned = channels.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    ours, others = np.zeros(len(channels), bool), np.zeros(len(channels), bool)
    waiting: list[tuple[str, NDArray[Any]]] = [(root.name, np.broadcast_to(aligned, shape))]
    while waiting:
        name, found = waiting.pop()
        if name == graph.output:
            others[found.ravel()] = True
        for node in readers[name]:
            if node is reader and name == edge:
                ours[found.ravel()] = True
            elif isinstance(node.op, _MOVING):
                waiting.append((node.name, _moved(node.op, found)))
            else:
                others[found.ravel()] = True
    return None if (ours & others).any() else _Target(root, ours)


def _moved(op: Op, array: NDArray[Any]) -> NDArray[Any]:
    match op:
        case Reshape():
            return array.reshape(op.shape)
        case Transpose():
            return array.transpose(op.perm)
        case Slice():
            bounds = zip(op.starts, op.stops, op.steps, strict=True)
            return array[tuple(slice(*bound) for bound in bounds)]
        case Take():
            return array.take(op.indices, axis=op.axis)
        case _:
            raise AssertionError(op)


def _folded(graph: Graph, node: Node, norm: BatchNorm, target: _Target) -> Graph:
    op = target.root.op
    assert isinstance(op, Linear | Conv)
    scale = np.where(target.channels, norm.scale[0], np.float32(1)).astype(np.float32)
    shift = np.where(target.channels, norm.shift[0], np.float32(0)).astype(np.float32)
    with np.errstate(over="ignore"):  # the check against the original names a node that overflows
        factors = scale.reshape(-1, *(1,) * (op.weight.ndim - 1))
        weight = op.weight if norm.scale[0] == 1 else op.weight * factors
        bias = (op.bias.astype(np.float64) * scale + shift).astype(np.float32)
    root = replace(target.root, op=replace(op, weight=weight, bias=bias))
    kept = [root if n is target.root else n for n in graph if n is not node]
    return rebuild(kept, graph.output, {node.name: node.inputs[0]})
