"""Operators that pick or repeat elements along axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from rapidnn.frontends.builder import MAX_ELEMENTS
from rapidnn.frontends.context import NodeContext, SequenceValue
from rapidnn.frontends.handlers.affine import expand as expanded
from rapidnn.frontends.handlers.affine import take
from rapidnn.frontends.layout import BATCH_FIRST
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Reshape, Slice


@handles("Slice", any_layout=True)
def slice_axes(ctx: NodeContext) -> str:
    """A range of each axis; a negative step takes the elements backwards."""
    full, layout = ctx.full_shape(0), ctx.layout(0)
    starts, stops = ctx.integers("starts", 1) or [], ctx.integers("ends", 2) or []
    axes = ctx.integers("axes", 3) or list(range(len(starts)))
    steps = ctx.integers("steps", 4) or [1] * len(starts)
    edge, shape = ctx.edge(0), ctx.shape(0)
    ranges = [(0, n, 1) for n in shape]
    backwards: list[tuple[int, range]] = []
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        if step == 0:
            ctx.fail("its step is 0")
        extent = full[axis % len(full)]
        picked = range(*slice(start, stop, step).indices(extent))
        sample = layout.sample_axis(axis % len(full))
        if picked == range(extent):
            continue
        if sample is None:
            ctx.fail("it slices the batch axis")
        if not picked:
            ctx.fail(f"it leaves nothing of axis {axis} of shape {full}")
        if step > 0:
            ranges[sample] = (picked[0], picked[-1] + 1, step)
        else:
            backwards.append((sample, picked))
    first, last, stride = zip(*ranges, strict=True)
    edge = ctx.emit(Slice(first, last, stride), edge, part="forward" if backwards else "")
    for axis, picked in backwards:
        edge = take(ctx, edge, axis, list(picked))
    return ctx.like(0, edge)


@handles("Split", any_layout=True)
def split(ctx: NodeContext) -> list[str]:
    """Consecutive pieces of an axis."""
    axis = ctx.axis(0, ctx.integer("axis", 0))
    extent = ctx.shape(0)[axis]
    lengths = ctx.integers("split", 1)
    if lengths is None:
        count = ctx.integer("num_outputs", len(ctx.node.outputs))
        if count != len(ctx.node.outputs):
            ctx.fail(f"it has {len(ctx.node.outputs)} outputs, but num_outputs is {count}")
        lengths = _chunks(extent, -(-extent // count))
    if len(lengths) != len(ctx.node.outputs):
        ctx.fail(f"{len(lengths)} pieces do not fit {len(ctx.node.outputs)} outputs")
    return _pieces(ctx, axis, lengths)


@handles("SplitToSequence", any_layout=True)
def split_to_sequence(ctx: NodeContext) -> SequenceValue:
    """Consecutive pieces of an axis (PyTorch's chunk)."""
    axis = ctx.axis(0, ctx.integer("axis", 0))
    extent = ctx.shape(0)[axis]
    if not ctx.has(1):
        lengths, keep = [1] * extent, bool(ctx.integer("keepdims", 1))
    else:
        given, keep = ctx.constant(1).array, True
        lengths = _chunks(extent, int(given)) if given.ndim == 0 else [int(n) for n in given]
    edges = _pieces(ctx, axis, lengths)
    if not keep:
        edges = [_without(ctx, edge, axis) for edge in edges]
    return SequenceValue(tuple(edges))


@handles("SequenceConstruct", any_layout=True)
def sequence(ctx: NodeContext) -> SequenceValue:
    """Activations as a sequence."""
    return SequenceValue(tuple(ctx.edge(k) for k in range(len(ctx.inputs))))


@handles("SequenceAt", any_layout=True)
def sequence_at(ctx: NodeContext) -> str:
    """One element of a sequence."""
    edges, index = ctx.sequence(0).edges, int(ctx.scalar(1, 0))
    if not -len(edges) <= index < len(edges):
        ctx.fail(f"element {index} of a sequence of {len(edges)} is read")
    return edges[index]


@handles("Gather", any_layout=True)
def gather(ctx: NodeContext) -> str:
    """Elements at constant indices of an axis, whose place the axes of the indices take."""
    if ctx.is_constant(0):
        ctx.fail(
            "its indices depend on the network's input (an embedding); feed the network the embedded values"
        )
    axis = ctx.axis(0, ctx.integer("axis", 0))
    extent = ctx.shape(0)[axis]
    array = ctx.constant(1).array
    if array.dtype.kind not in "iu" or array.size > MAX_ELEMENTS:
        ctx.fail(
            f"its indices are {array.dtype} of shape {array.shape}; a moderate number of integers is needed"
        )
    indices = [int(i) for i in array.reshape(-1)]
    if any(not -extent <= i < extent for i in indices):
        ctx.fail(f"an index lies outside of its axis of {extent}")
    if not indices:
        ctx.fail("it takes nothing")
    edge = take(ctx, ctx.edge(0), axis, [i % extent for i in indices])
    if array.ndim == 1:
        return ctx.like(0, edge)
    return _reaxed(ctx, edge, axis, array.shape)


@handles("Expand", any_layout=True)
def expand(ctx: NodeContext) -> str:
    """Axes of extent 1 repeated."""
    full, layout = ctx.full_shape(0), ctx.layout(0)
    wanted = ctx.integers("shape", 1) or []
    if len(wanted) > len(full):
        ctx.fail(f"it gives a value of shape {full} more axes ({wanted}), which would move the batch")
    wanted = [1] * (len(full) - len(wanted)) + wanted
    target = list(ctx.shape(0))
    for axis, (n, m) in enumerate(zip(full, wanted, strict=True)):
        sample = layout.sample_axis(axis)
        if m in (1, n):
            continue
        if sample is None or n != 1:
            ctx.fail(f"shape {full} does not broadcast to {tuple(wanted)} without mixing samples")
        target[sample] = m
    _check_size(ctx, target)
    return ctx.like(0, expanded(ctx, ctx.edge(0), tuple(target)))


@handles("Tile", any_layout=True)
def tile(ctx: NodeContext) -> str:
    """Axes repeated as a whole."""
    full, layout = ctx.full_shape(0), ctx.layout(0)
    repeats = ctx.integers("repeats", 1) or []
    if len(repeats) != len(full):
        ctx.fail(f"{len(repeats)} repeats are given for the {len(full)} axes of shape {full}")
    edge, shape = ctx.edge(0), ctx.shape(0)
    _check_size(ctx, [*shape, *repeats])
    for axis, count in enumerate(repeats):
        sample = layout.sample_axis(axis)
        if count == 1:
            continue
        if sample is None or count < 1:
            ctx.fail(f"repeats {repeats} repeat the batch or nothing")
        edge = take(ctx, edge, sample, list(range(shape[sample])) * count)
    return ctx.like(0, edge)


def _chunks(extent: int, length: int) -> list[int]:
    if length < 1:
        return []
    return [min(length, extent - start) for start in range(0, extent, length)]


def _pieces(ctx: NodeContext, axis: int, lengths: Sequence[int]) -> list[str]:
    extent = ctx.shape(0)[axis]
    if sum(lengths) != extent or min(lengths, default=0) < 1:
        ctx.fail(f"pieces of {list(lengths)} do not make up an axis of {extent}")
    ends = np.cumsum(lengths).tolist()
    edges = []
    for length, end in zip(lengths, ends, strict=True):
        edge = take(ctx, ctx.edge(0), axis, list(range(end - length, end)))
        edges.append(ctx.like(0, edge))
    return edges


def _without(ctx: NodeContext, edge: str, axis: int) -> str:
    return _reaxed(ctx, edge, axis, ())


def _reaxed(ctx: NodeContext, edge: str, axis: int, axes: tuple[int, ...]) -> str:
    """``edge`` with the axes ``axes`` in the place of one; the layout of the first input moves with them."""
    shape, layout = ctx.builder.shapes[edge], ctx.layout(0)
    edge = ctx.emit(Reshape((*shape[:axis], *axes, *shape[axis + 1 :])), edge, part="axes")
    if axis < layout.start:
        more = len(axes) - 1
        layout = type(layout)(layout.start + more, layout.place + more, layout.stop + more)
    return edge if layout == BATCH_FIRST else ctx.placed(edge, layout)


def _check_size(ctx: NodeContext, extents: Sequence[int]) -> None:
    if math.prod(max(1, abs(n)) for n in extents) > MAX_ELEMENTS:
        ctx.fail(f"extents {list(extents)} make more than {MAX_ELEMENTS} elements a sample")
