"""Scales and shifts by constants, and bringing values to a common shape."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.layout import Layout
from rapidnn.graph.ops import AddConstant, BatchNorm, Float32, Reshape, Slice, Take, Transpose
from rapidnn.graph.shapes import Shape


def scaled(ctx: NodeContext, edge: str, scale: float, shift: float = 0.0, part: str = "") -> str:
    """``scale * x + shift`` with numbers."""
    if scale == 1 and shift == 0:
        return edge
    factor, term = np.array([scale], np.float32), np.array([shift], np.float32)
    return _normalised(ctx, edge, [], factor, term, part)


def affine(
    ctx: NodeContext,
    edge: str,
    layout: Layout,
    *,
    scale: Float32 | None = None,
    shift: Float32 | None = None,
    part: str = "",
) -> str:
    """``scale * x + shift`` with arrays that broadcast as ONNX does.

    A scale varies along at most one axis of a sample (a batch normalisation); a shift that varies along more is
    an ``AddConstant``.
    """
    full = layout.full_shape(ctx.builder.shapes[edge], ctx.batch)
    if scale is not None:
        scale = per_sample(ctx, scale, full, layout)
        edge, scale = expand(ctx, edge, scale.shape), _narrowed(scale)
        axes = _varying(scale)
        if len(axes) > 1:
            ctx.fail(
                f"a constant factor of shape {scale.shape} varies along several axes of samples of shape "
                f"{ctx.builder.shapes[edge]}; one number, or one per index of one axis, is supported"
            )
        edge = _normalised(ctx, edge, axes, scale, None, part)
    if shift is not None:
        shift = per_sample(ctx, shift, full, layout)
        edge, shift = expand(ctx, edge, shift.shape), _narrowed(shift)
        axes = _varying(shift)
        if len(axes) > 1:
            edge = ctx.emit(AddConstant(shift), edge, part=part)
        else:
            edge = _normalised(ctx, edge, axes, None, shift, part)
    return edge


def per_sample(ctx: NodeContext, array: Float32, full: tuple[int, ...], layout: Layout) -> Float32:
    """A constant aligned with the axes of one sample: of the sample's rank, extents 1 where it does not vary."""
    while array.ndim > len(full) and array.shape[0] == 1:
        array = array[0]
    aligned = (
        array.reshape((1,) * (len(full) - array.ndim) + array.shape) if array.ndim <= len(full) else None
    )
    if aligned is None:
        ctx.fail(f"a constant of shape {array.shape} meets a value of shape {full}; it has more axes")
    batch = layout.start
    if aligned.shape[batch] != 1:
        first = aligned.take([0], axis=batch)
        if not (aligned == first).all():
            ctx.fail(f"a constant of shape {array.shape} varies along the batch of a value of shape {full}")
        aligned = first
    fits = all(1 in (n, m) or n == m for n, m in zip(aligned.shape, full, strict=True))
    if not fits:
        shape = (*full[:batch], *full[batch + 1 :])
        ctx.fail(
            f"a constant of shape {array.shape} meets samples of shape {shape}; it does not broadcast to them"
        )
    # An axis merged with the batch is one number wide here, whatever it is made of.
    shape = (*aligned.shape[:batch], *(1,) * layout.width, *aligned.shape[batch + 1 :])
    return aligned.reshape(shape)


def expand(ctx: NodeContext, edge: str, shape: Shape) -> str:
    """The edge with axes of extent 1 repeated to those of ``shape`` (of equal rank)."""
    for axis, (n, m) in enumerate(zip(ctx.builder.shapes[edge], shape, strict=True)):
        if n == 1 and m > 1:
            edge = take(ctx, edge, axis, [0] * m, part="expand")
        elif m not in (1, n):
            ctx.fail(f"shape {ctx.builder.shapes[edge]} does not broadcast to {shape}")
    return edge


def take(ctx: NodeContext, edge: str, axis: int, indices: list[int], part: str = "") -> str:
    """The edge at these indices of an axis: nothing, a slice, or a take."""
    shape = ctx.builder.shapes[edge]
    if indices == list(range(shape[axis])):
        return edge
    steps = set(np.diff(indices).tolist()) if indices else {0}
    if indices and (len(indices) == 1 or (len(steps) == 1 and min(steps) > 0)):
        starts, stops, strides = [0] * len(shape), list(shape), [1] * len(shape)
        starts[axis], stops[axis], strides[axis] = indices[0], indices[-1] + 1, max(1, *steps, 1)
        return ctx.emit(Slice(tuple(starts), tuple(stops), tuple(strides)), edge, part=part)
    return ctx.emit(Take(axis, tuple(indices)), edge, part=part)


_SCAN = 2**24
"""Largest constant that is searched for axes along which it does not vary."""


def _narrowed(array: Float32) -> Float32:
    """Extent 1 where all values along an axis are the same."""
    for axis, extent in enumerate(array.shape):
        if extent > 1 and array.size <= _SCAN:
            first = array.take([0], axis=axis)
            array = first if (array == first).all() else array
    return array


def _varying(aligned: Float32) -> list[int]:
    return [axis for axis, n in enumerate(aligned.shape) if n > 1]


def _normalised(
    ctx: NodeContext, edge: str, axes: list[int], scale: Float32 | None, shift: Float32 | None, part: str
) -> str:
    """A scale or shift along one axis, which is brought to the front and back."""
    shape = ctx.builder.shapes[edge]
    if not shape:  # one number a sample
        edge = _normalised(ctx, ctx.emit(Reshape((1,)), edge, part="axis"), axes, scale, shift, part)
        return ctx.emit(Reshape(()), edge, part="number")
    axis = axes[0] if axes else 0
    vectors = [
        np.broadcast_to(np.float32(default) if array is None else array.reshape(-1), (shape[axis],)).copy()
        for array, default in ((scale, 1), (shift, 0))
    ]
    op = BatchNorm(vectors[0], vectors[1])
    if axis == 0:
        return ctx.emit(op, edge, part=part)
    forth = (axis, *(i for i in range(len(shape)) if i != axis))
    back = tuple(int(i) for i in np.argsort(forth))
    moved = ctx.emit(Transpose(forth), edge, part="channels_first")
    return ctx.emit(Transpose(back), ctx.emit(op, moved, part=part), part="channels_back")
