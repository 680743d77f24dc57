"""Pooling, and means over axes as average pooling."""

from __future__ import annotations

import math
from collections.abc import Callable

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import scaled
from rapidnn.frontends.handlers.windows import read_window
from rapidnn.frontends.layout import BATCH_FIRST, Layout
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import AvgPool, MaxPool, Op, Reshape, Transpose


@handles("MaxPool")
def max_pool(ctx: NodeContext) -> str:
    """Maximum over windows."""
    kernel = _kernel(ctx)
    window = read_window(ctx, kernel)
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, window.dilation, strict=True)]
    if any(max(pads) >= extent for pads, extent in zip(window.padding, extents, strict=True)):
        ctx.fail(f"padding {window.padding} leaves windows of {kernel} without any input")
    op = MaxPool(kernel, window.stride, window.padding, window.dilation, _ceil(ctx))
    return ctx.emit(op, ctx.edge(0))


@handles("AveragePool")
def average_pool(ctx: NodeContext) -> str:
    """Mean over windows."""
    kernel = _kernel(ctx)
    window = read_window(ctx, kernel)
    if any(d != 1 for d in window.dilation):
        ctx.fail(f"dilations {window.dilation} are not supported")
    if any(max(pads) >= k for pads, k in zip(window.padding, kernel, strict=True)):
        ctx.fail(f"padding {window.padding} leaves windows of {kernel} without any input")
    counted = bool(ctx.integer("count_include_pad", 0))
    return ctx.emit(AvgPool(kernel, window.stride, window.padding, _ceil(ctx), counted), ctx.edge(0))


@handles("GlobalAveragePool")
def global_average_pool(ctx: NodeContext) -> str:
    """Mean over all spatial axes, which stay with extent 1."""
    return _reduce(ctx, ctx.edge(0), tuple(range(1, len(ctx.shape(0)))), _whole_mean, keep=True)


@handles("GlobalMaxPool")
def global_max_pool(ctx: NodeContext) -> str:
    """Maximum over all spatial axes, which stay with extent 1."""
    return _reduce(ctx, ctx.edge(0), tuple(range(1, len(ctx.shape(0)))), _whole_max, keep=True)


@handles("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", any_layout=True)
def reduce_axes(ctx: NodeContext) -> str:
    """Mean, sum, maximum or minimum (the negated maximum of -x) over axes of a sample."""
    given = ctx.integers("axes", 1)
    if not given:
        if ctx.integer("noop_with_empty_axes", 0):
            return ctx.edge(0)
        ctx.fail("a reduction over all axes would mix the samples of a batch")
    axes = tuple(sorted({ctx.axis(0, axis) for axis in given}))
    kind, keep = ctx.node.op_type, bool(ctx.integer("keepdims", 1))
    layout = ctx.layout(0)
    if not keep:
        if any(layout.start <= axis < layout.stop for axis in axes):
            ctx.fail("it drops an axis that is merged with the batch")
        gone = sum(axis < layout.start for axis in axes)
        layout = Layout(layout.start - gone, layout.place - gone, layout.stop - gone)
    edge = ctx.edge(0) if kind != "ReduceMin" else scaled(ctx, ctx.edge(0), -1.0, part="negated")
    edge = _reduce(
        ctx, edge, axes, _whole_max if kind in ("ReduceMax", "ReduceMin") else _whole_mean, keep=keep
    )
    if kind == "ReduceMin":
        edge = scaled(ctx, edge, -1.0, part="minimum")
    if kind == "ReduceSum":
        edge = scaled(ctx, edge, float(math.prod(ctx.shape(0)[axis] for axis in axes)), part="sum")
    return edge if layout == BATCH_FIRST else ctx.placed(edge, layout)


def _whole_mean(kernel: tuple[int, ...]) -> Op:
    return AvgPool(kernel, kernel, ((0, 0),) * len(kernel), False, False)


def _whole_max(kernel: tuple[int, ...]) -> Op:
    return MaxPool(kernel, kernel, ((0, 0),) * len(kernel), (1,) * len(kernel), False)


def _reduce(
    ctx: NodeContext, edge: str, axes: tuple[int, ...], pool: Callable[[tuple[int, ...]], Op], *, keep: bool
) -> str:
    """A pool over sample axes: the others are gathered in one channel axis, one window covers the rest."""
    shape = ctx.builder.shapes[edge]
    if not axes:
        return edge
    rest = tuple(axis for axis in range(len(shape)) if axis not in axes)
    result = tuple(1 if axis in axes else n for axis, n in enumerate(shape) if keep or axis not in axes)
    kernel = tuple(shape[axis] for axis in axes)
    if rest != (0,) or len(kernel) > 3:
        kernel = (math.prod(kernel),)
        edge = ctx.emit(Transpose((*rest, *axes)), edge, part="channels_first")
        edge = ctx.emit(Reshape((math.prod(shape[axis] for axis in rest), *kernel)), edge, part="window")
    edge = ctx.emit(pool(kernel), edge)
    if ctx.builder.shapes[edge] == result:
        return edge
    return ctx.emit(Reshape(result), edge, part="reshape")


def _kernel(ctx: NodeContext) -> tuple[int, ...]:
    kernel = ctx.integers("kernel_shape")
    if not kernel:
        ctx.fail("kernel_shape is missing")
    return tuple(kernel)


def _ceil(ctx: NodeContext) -> bool:
    # With auto_pad the output's extent is fixed by the rule, whatever ceil_mode says.
    return bool(ctx.integer("ceil_mode", 0)) and ctx.text("auto_pad", "NOTSET") == "NOTSET"
