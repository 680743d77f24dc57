"""Operators that change nothing go, and successive ones of a kind become one."""

from __future__ import annotations

from dataclasses import replace

from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.ops import (
    Activation,
    AddConstant,
    AvgPool,
    Concat,
    Conv,
    MaxPool,
    Op,
    Pad,
    Pairs,
    Reshape,
    Slice,
    Take,
    Transpose,
    ZeroStuff,
)
from rapidnn.graph.passes.rewrite import rebuild, resolve
from rapidnn.graph.shapes import Shape

_KEPT_BY: dict[str, tuple[str, ...]] = {
    "relu": ("relu", "relu6", "sigmoid", "hard_sigmoid"),
    "relu6": ("relu6", "sigmoid", "hard_sigmoid"),
}
"""For an activation those whose results it leaves as they are: they lie in [0, 6]."""


def drop_noops(graph: Graph) -> Graph:
    """Without operators that change nothing; runs of reshapes, transposes, slices, takes, paddings or constant
    terms become one each.

    Equal because all but the last only move elements: a reshape keeps the order of the elements, so the last of a run
    decides; permutations, index ranges, indices and paddings compose, zero padding of the spatial axes also with that
    of a convolution. Constants add up (to float32 rounding). A pool with windows of one element is a slice. A clip at
    zero (and six) leaves values that are there already; relu then relu6 is relu6 as min(max(max(x, 0), 0), 6) is.
    """
    kept: dict[str, Node] = {}
    alias: dict[str, str] = {}
    for node in graph:
        if not node.inputs:
            kept[node.name] = node
            continue
        source = resolve(alias, node.inputs[0])
        op = _as_slice(node.op, graph.shapes[source])
        while (merged := _merge(kept[source].op, op)) is not None:
            op, source = merged, kept[source].inputs[0]
        single = isinstance(op, Concat) and len(node.inputs) == 1
        if single or _is_noop(op, graph.shapes[source], kept[source].op):
            alias[node.name] = source
        else:
            others = tuple(resolve(alias, edge) for edge in node.inputs[1:])
            kept[node.name] = replace(node, op=op, inputs=(source, *others))
    return rebuild(kept.values(), graph.output, alias)


def _as_slice(op: Op, shape: Shape) -> Op:
    if not isinstance(op, MaxPool | AvgPool) or set(op.kernel) != {1} or any(max(p) for p in op.padding):
        return op
    return Slice((0,) * len(shape), shape, (1, *op.stride))


def _merge(first: Op, second: Op) -> Op | None:
    """One operator that does ``first`` and then ``second``, if there is one."""
    match first, second:
        case Reshape(), Reshape():
            return second
        case Transpose(), Transpose():
            return Transpose(tuple(first.perm[axis] for axis in second.perm))
        case Pad(), Pad():
            return Pad(_summed(first.pads, second.pads))
        case Slice(), Slice():
            return _merge_slices(first, second)
        case AddConstant(), AddConstant():
            return AddConstant(first.value + second.value)
        case Take(), Take() if first.axis == second.axis:
            return Take(first.axis, tuple(first.indices[i] for i in second.indices))
        case Pad(), Conv() if first.pads[0] == (0, 0):
            return replace(second, padding=_summed(first.pads[1:], second.padding))
        case Activation(kind="relu"), Activation(kind="relu6"):
            return second
        case _:
            return None


def _summed(first: Pairs, second: Pairs) -> Pairs:
    return tuple((a[0] + b[0], a[1] + b[1]) for a, b in zip(first, second, strict=True))


def _merge_slices(first: Slice, second: Slice) -> Slice:
    starts, stops, steps = [], [], []
    for axis, step in enumerate(first.steps):
        inner = range(first.starts[axis], first.stops[axis], step)
        both = inner[second.starts[axis] : second.stops[axis] : second.steps[axis]]
        starts.append(both.start)
        stops.append(both[-1] + 1)
        steps.append(both.step)
    return Slice(tuple(starts), tuple(stops), tuple(steps))


def _is_noop(op: Op, shape: Shape, source: Op) -> bool:
    match op:
        case Reshape():
            return op.shape == shape
        case Transpose():
            # Axes of extent 1 may change places among the others: only the order of the rest matters.
            moved = [axis for axis in op.perm if shape[axis] > 1]
            return moved == sorted(moved) and tuple(shape[axis] for axis in op.perm) == shape
        case Pad():
            return not any(max(pair) for pair in op.pads)
        case Slice():
            return all(
                len(range(n)[a:b:s]) == n
                for a, b, s, n in zip(op.starts, op.stops, op.steps, shape, strict=True)
            )
        case Take():
            return op.indices == tuple(range(shape[op.axis]))
        case ZeroStuff():
            return all(step == 1 or n == 1 for step, n in zip(op.stride, shape[1:], strict=True))
        case AddConstant():
            return not op.value.any()
        case Activation():
            return isinstance(source, Activation) and source.kind in _KEPT_BY.get(op.kind, ())
        case _:
            return False
