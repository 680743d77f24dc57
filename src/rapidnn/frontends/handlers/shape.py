"""Operators that only move elements. ONNX counts the batch as axis 0; here it must stay alone there."""

from __future__ import annotations

import math

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Pad, Reshape, Slice, Transpose


@handles("Reshape")
def reshape(ctx: NodeContext) -> str:
    """Another shape; 0 keeps an extent and -1 is what is left."""
    full, wanted = ctx.full_shape(0), ctx.integers("shape", 1) or []
    if not ctx.integer("allowzero", 0):
        if any(n == 0 and axis >= len(full) for axis, n in enumerate(wanted)):
            ctx.fail(f"shape {wanted} keeps an axis that its input of shape {full} does not have")
        wanted = [full[axis] if n == 0 else n for axis, n in enumerate(wanted)]
    if wanted.count(-1) == 1:
        known = -math.prod(wanted)
        if known and math.prod(full) % known == 0:
            wanted = [math.prod(full) // known if n == -1 else n for n in wanted]
    return _reshape(ctx, wanted)


@handles("Flatten")
def flatten(ctx: NodeContext) -> str:
    """Two axes: what is before ``axis``, and the rest."""
    full = ctx.full_shape(0)
    axis = ctx.integer("axis", 1)
    axis += len(full) if axis < 0 else 0
    return _reshape(ctx, [math.prod(full[:axis]), math.prod(full[axis:])])


@handles("Squeeze")
def squeeze(ctx: NodeContext) -> str:
    """Without the given axes of extent 1, or without all of them."""
    full = ctx.full_shape(0)
    axes = ctx.integers("axes", 1)
    gone = {a % len(full) for a in axes} if axes else {a for a, n in enumerate(full) if n == 1 and a > 0}
    if any(full[axis] != 1 for axis in gone):
        ctx.fail(f"axes {sorted(gone)} of shape {full} are not all of extent 1")
    return _reshape(ctx, [n for axis, n in enumerate(full) if axis not in gone])


@handles("Unsqueeze")
def unsqueeze(ctx: NodeContext) -> str:
    """With new axes of extent 1."""
    full = ctx.full_shape(0)
    axes = ctx.integers("axes", 1) or []
    rank = len(full) + len(axes)
    new = {axis % rank for axis in axes}
    rest = iter(full)
    return _reshape(ctx, [1 if axis in new else next(rest) for axis in range(rank)])


@handles("Transpose")
def transpose(ctx: NodeContext) -> str:
    """Axes in another order, the batch first."""
    rank = len(ctx.full_shape(0))
    perm = ctx.integers("perm") or list(range(rank))[::-1]
    if perm[0] != 0:
        ctx.fail(f"permutation {perm} moves the batch axis; it must stay first")
    return ctx.emit(Transpose(tuple(axis - 1 for axis in perm[1:])), ctx.edge(0))


@handles("Slice")
def slice_axes(ctx: NodeContext) -> str:
    """A range of each axis, with positive steps."""
    full = ctx.full_shape(0)
    starts, stops = ctx.integers("starts", 1) or [], ctx.integers("ends", 2) or []
    axes = ctx.integers("axes", 3) or list(range(len(starts)))
    steps = ctx.integers("steps", 4) or [1] * len(starts)
    ranges = [(0, n, 1) for n in full]
    for start, stop, axis, step in zip(starts, stops, axes, steps, strict=True):
        if step < 1:
            ctx.fail(f"step {step} is not supported; steps must be positive")
        ranges[axis % len(full)] = slice(start, stop, step).indices(full[axis])
    if len(range(*ranges[0])) != full[0]:
        ctx.fail("it slices the batch axis")
    first, last, stride = zip(*ranges[1:], strict=True)
    return ctx.emit(Slice(first, last, stride), ctx.edge(0))


@handles("Pad")
def pad(ctx: NodeContext) -> str:
    """Zeros around."""
    rank = len(ctx.full_shape(0))
    if ctx.text("mode", "constant") != "constant" or ctx.number("value", ctx.scalar(2, 0.0)) != 0:
        ctx.fail("only padding with the constant 0 is supported")
    amounts = ctx.integers("pads", 1) or []
    axes = [axis % rank for axis in ctx.integers("axes", 3) or range(rank)]
    if min(amounts, default=0) < 0:
        ctx.fail(f"negative padding {amounts} is not supported")
    if len(amounts) != 2 * len(axes):
        ctx.fail(f"{len(amounts)} amounts of padding are given for {len(axes)} axes")
    pairs = [(0, 0)] * rank
    for axis, before, after in zip(axes, amounts[: len(axes)], amounts[len(axes) :], strict=True):
        pairs[axis] = (before, after)
    if pairs[0] != (0, 0):
        ctx.fail("it pads the batch axis")
    return ctx.emit(Pad(tuple(pairs[1:])), ctx.edge(0))


@handles("Concat")
def concat(ctx: NodeContext) -> str:
    """One activation between constant zeros, as zero padding (ResNet's shortcut without parameters)."""
    variable = [k for k in range(len(ctx.inputs)) if not ctx.is_constant(k)]
    if len(variable) != 1:
        ctx.fail("activations are joined; only an activation with constant zeros is supported")
    rank = len(ctx.full_shape(variable[0]))
    axis = ctx.integer("axis", 0) % rank
    extents = []
    for k in range(len(ctx.inputs)):
        if k == variable[0]:
            continue
        array = ctx.constant(k).array
        if np.any(array):
            ctx.fail(
                f"constant {ctx.constant(k).name!r} is not zero; only zeros can be joined to an activation"
            )
        extents.append((k < variable[0], array.shape[axis]))
    if axis == 0:
        ctx.fail("it joins along the batch axis")
    before, after = (sum(n for first, n in extents if first is side) for side in (True, False))
    pairs = tuple((before, after) if a == axis else (0, 0) for a in range(1, rank))
    return ctx.emit(Pad(pairs), ctx.edge(variable[0]))


def _reshape(ctx: NodeContext, full: list[int]) -> str:
    if math.prod(full) != math.prod(ctx.full_shape(0)):
        ctx.fail(
            f"{ctx.batch} samples of shape {ctx.shape(0)} do not fill shape {tuple(full)}; "
            "if the model was exported for one batch size, its reshapes must not fix another"
        )
    if not full or full[0] != ctx.batch:
        ctx.fail(f"it turns {ctx.batch} samples into shape {tuple(full)}; the batch must stay the first axis")
    return ctx.emit(Reshape(tuple(full[1:])), ctx.edge(0))
