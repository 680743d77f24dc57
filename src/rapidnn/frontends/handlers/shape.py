"""Operators that only give a value another shape or order. ONNX may move the batch; a layout keeps track of it."""

from __future__ import annotations

import math

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Reshape, Transpose


@handles("Reshape", any_layout=True)
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
    return reshaped(ctx, wanted)


@handles("Flatten", any_layout=True)
def flatten(ctx: NodeContext) -> str:
    """Two axes: what is before ``axis``, and the rest."""
    full = ctx.full_shape(0)
    axis = ctx.integer("axis", 1)
    axis += len(full) if axis < 0 else 0
    return reshaped(ctx, [math.prod(full[:axis]), math.prod(full[axis:])])


@handles("Squeeze", any_layout=True)
def squeeze(ctx: NodeContext) -> str:
    """Without the given axes of extent 1, or without all of them but the batch."""
    full = ctx.full_shape(0)
    axes = ctx.integers("axes", 1)
    batch = ctx.layout(0).start
    gone = {a % len(full) for a in axes} if axes else {a for a, n in enumerate(full) if n == 1 and a != batch}
    if any(full[axis] != 1 for axis in gone):
        ctx.fail(f"axes {sorted(gone)} of shape {full} are not all of extent 1")
    return reshaped(ctx, [n for axis, n in enumerate(full) if axis not in gone])


@handles("Unsqueeze", any_layout=True)
def unsqueeze(ctx: NodeContext) -> str:
    """With new axes of extent 1."""
    full = ctx.full_shape(0)
    axes = ctx.integers("axes", 1) or []
    rank = len(full) + len(axes)
    new = {axis % rank for axis in axes}
    if len(new) != len(axes):
        ctx.fail(f"axes {axes} name one axis twice")
    rest = iter(full)
    return reshaped(ctx, [1 if axis in new else next(rest) for axis in range(rank)])


@handles("Transpose", any_layout=True)
def transpose(ctx: NodeContext) -> str:
    """Axes in another order."""
    rank = len(ctx.full_shape(0))
    perm = ctx.integers("perm") or list(range(rank))[::-1]
    if sorted(perm) != list(range(rank)):
        ctx.fail(f"{perm} does not permute the axes of shape {ctx.full_shape(0)}")
    axes, layout = ctx.layout(0).transposed(perm)
    return ctx.placed(ctx.emit(Transpose(axes), ctx.edge(0)), layout)


def reshaped(ctx: NodeContext, full: list[int]) -> str:
    """The first input in the ONNX shape ``full``, which must keep the samples apart."""
    if math.prod(full) != math.prod(ctx.full_shape(0)) or min(full, default=0) < 1:
        ctx.fail(
            f"{ctx.batch} samples of shape {ctx.shape(0)} do not fill shape {tuple(full)}; "
            "if the model was exported for one batch size, its reshapes must not fix another"
        )
    found = ctx.layout(0).reshaped(ctx.shape(0), ctx.batch, full)
    if found is None:
        ctx.fail(f"it turns {ctx.batch} samples into shape {tuple(full)}; the batch must stay an axis")
    sample, layout = found
    return ctx.placed(ctx.emit(Reshape(sample), ctx.edge(0)), layout)
