"""Weighted accumulations: convolution and matrix products."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import affine, expand
from rapidnn.frontends.handlers.windows import read_window
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Add, Conv, Float32, Linear, MatMul, Transpose


@handles("Conv")
def conv(ctx: NodeContext) -> str:
    """Convolution over one to three spatial axes with constant weights."""
    weight = ctx.weight(1)
    bias = ctx.weight(2) if ctx.has(2) else np.zeros(len(weight), np.float32)
    window = read_window(ctx, tuple(weight.shape[2:]))
    groups = ctx.integer("group", 1)
    check_groups(ctx, groups, len(weight))
    if bias.shape != (len(weight),):
        ctx.fail(f"its bias has shape {bias.shape}; ({len(weight)},) is needed")
    return ctx.emit(Conv(weight, bias, window.stride, window.padding, window.dilation, groups), ctx.edge(0))


def check_groups(ctx: NodeContext, groups: int, channels: int) -> None:
    """Refuse a number of groups that the output channels do not divide into."""
    if groups < 1 or channels % groups:
        ctx.fail(f"{channels} output channels do not divide into {groups} groups")


@handles("Gemm", any_layout=True)
def gemm(ctx: NodeContext) -> str:
    """``alpha * x @ B + beta * C`` with constant B; C may be an activation."""
    if ctx.integer("transA", 0):
        ctx.fail("transA is not supported (it would mix the samples of a batch)")
    weight = _matrix(ctx, ctx.weight(1))
    weight = weight if ctx.integer("transB", 0) else weight.T
    _check_last(ctx, 0)
    alpha, beta = np.float32(ctx.number("alpha", 1.0)), np.float32(ctx.number("beta", 1.0))
    bias = np.zeros(len(weight), np.float32)
    constant = ctx.weight(2) if ctx.is_constant(2) else None
    simple = constant is not None and constant.size in (1, len(weight)) and constant.shape[-1:] in (
        (), (1,), (len(weight),)
    )  # fmt: skip
    if constant is not None and simple:
        bias = _vector(constant, len(weight))
    # Multiplying by one would copy the weights for nothing.
    op = Linear(weight if alpha == 1 else weight * alpha, bias if beta == 1 else bias * beta)
    edge = ctx.like(0, ctx.emit(op, ctx.edge(0)))
    if constant is not None and not simple:
        return ctx.like(0, affine(ctx, edge, ctx.layout(0), shift=constant * beta, part="bias"))
    if ctx.has(2) and not ctx.is_constant(2):
        if beta != 1 or ctx.layout(2) != ctx.layout(0) or ctx.shape(2) != ctx.builder.shapes[edge]:
            ctx.fail("an activation as its third operand must have the result's shape and beta 1")
        return ctx.like(0, ctx.emit(Add(), edge, ctx.edge(2), part="sum"))
    return edge


@handles("MatMul", any_layout=True)
def matmul(ctx: NodeContext) -> str:
    """Product with a constant matrix on either side, or of two activations (on the host)."""
    if not ctx.is_constant(0) and not ctx.is_constant(1):
        return _product(ctx)
    if ctx.is_constant(0):
        return _left(ctx)
    weight = _matrix(ctx, ctx.weight(1)).T
    _check_last(ctx, 0)
    return ctx.like(0, ctx.emit(Linear(weight, np.zeros(len(weight), np.float32)), ctx.edge(0)))


def _left(ctx: NodeContext) -> str:
    """``W @ x``: the matrix works on the last axis but one, which changes places with the last."""
    weight = _matrix(ctx, ctx.weight(0))
    rank, layout = len(ctx.shape(1)), ctx.layout(1)
    if rank < 2 or layout.stop > rank - 2 or layout.start > rank - 2:
        ctx.fail("a constant matrix on its left would mix the samples of a batch")
    swap = (*range(rank - 2), rank - 1, rank - 2)
    edge = ctx.emit(Transpose(swap), ctx.edge(1), part="columns")
    edge = ctx.emit(Linear(weight, np.zeros(len(weight), np.float32)), edge)
    return ctx.like(1, ctx.emit(Transpose(swap), edge, part="columns_back"))


def _product(ctx: NodeContext) -> str:
    layout, shapes = ctx.layout(0), (ctx.shape(0), ctx.shape(1))
    rank = len(shapes[0])
    if layout != ctx.layout(1) or len(shapes[1]) != rank:
        ctx.fail(
            f"values of shapes {ctx.full_shape(0)} and {ctx.full_shape(1)} ({ctx.batch} samples) are multiplied, "
            "whose batch axes do not fall together"
        )
    if rank < 2 or layout.stop > rank - 2 or layout.start > rank - 2:
        ctx.fail("the product would mix the samples of a batch")
    leading = tuple(max(n, m) for n, m in zip(shapes[0][:-2], shapes[1][:-2], strict=True))
    left = expand(ctx, ctx.edge(0), (*leading, *shapes[0][-2:]))
    right = expand(ctx, ctx.edge(1), (*leading, *shapes[1][-2:]))
    return ctx.like(0, ctx.emit(MatMul(), left, right))


def _check_last(ctx: NodeContext, index: int) -> None:
    """A matrix on the right works on the last axis, which must not be the batch."""
    layout, rank = ctx.layout(index), len(ctx.shape(index))
    if rank < 1 or layout.start == len(ctx.full_shape(index)) - 1:
        ctx.fail("its matrix would mix the samples of a batch")


def _matrix(ctx: NodeContext, weight: Float32) -> Float32:
    if weight.ndim < 2 or any(n != 1 for n in weight.shape[:-2]):
        ctx.fail(f"its constant must be a matrix, not of shape {weight.shape}")
    return weight.reshape(weight.shape[-2:])


def _vector(bias: Float32, size: int) -> Float32:
    return bias.reshape(-1) if bias.size == size else np.full(size, bias.reshape(-1)[0])
