"""Weighted accumulations: convolution, matrix products, batch normalisation."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.windows import read_window
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import BatchNorm, Conv, Float32, Linear


@handles("Conv")
def conv(ctx: NodeContext) -> str:
    """Convolution over one to three spatial axes with constant weights."""
    weight = ctx.weight(1)
    bias = ctx.weight(2) if ctx.has(2) else np.zeros(len(weight), np.float32)
    window = read_window(ctx, tuple(weight.shape[2:]))
    op = Conv(weight, bias, window.stride, window.padding, window.dilation, ctx.integer("group", 1))
    return ctx.emit(op, ctx.edge(0))


@handles("Gemm")
def gemm(ctx: NodeContext) -> str:
    """``alpha * x @ B + beta * C`` with constant B and C."""
    if ctx.integer("transA", 0):
        ctx.fail("transA is not supported (it would mix the samples of a batch)")
    weight = ctx.weight(1) if ctx.integer("transB", 0) else ctx.weight(1).T
    bias = np.zeros(len(weight), np.float32)
    if ctx.has(2):
        bias = _vector(ctx, ctx.weight(2), len(weight))
    alpha, beta = np.float32(ctx.number("alpha", 1.0)), np.float32(ctx.number("beta", 1.0))
    # Multiplying by one would copy the weights for nothing.
    return ctx.emit(
        Linear(weight if alpha == 1 else weight * alpha, bias if beta == 1 else bias * beta), ctx.edge(0)
    )


@handles("MatMul")
def matmul(ctx: NodeContext) -> str:
    """Product with a constant matrix on the right, over the last axis."""
    if ctx.is_constant(0):
        ctx.fail("a constant on the left is not supported; write the layer as x @ W")
    weight = ctx.weight(1)
    if weight.ndim < 2 or any(n != 1 for n in weight.shape[:-2]):
        ctx.fail(f"its constant must be a matrix, not of shape {weight.shape}")
    weight = weight.reshape(weight.shape[-2:]).T
    return ctx.emit(Linear(weight, np.zeros(len(weight), np.float32)), ctx.edge(0))


@handles("BatchNormalization")
def batch_norm(ctx: NodeContext) -> str:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, stored statistics, as scale and shift."""
    if ctx.integer("training_mode", 0):
        ctx.fail("it is in training mode; export the network in evaluation mode")
    gamma, beta, mean, variance = (ctx.weight(i).astype(np.float64) for i in range(1, 5))
    if variance.min(initial=0.0) < 0:
        ctx.fail(f"tensor {ctx.constant(4).name!r} holds a negative variance")
    scale = gamma / np.sqrt(variance + ctx.number("epsilon", 1e-5))
    return ctx.emit(
        BatchNorm(scale.astype(np.float32), (beta - mean * scale).astype(np.float32)), ctx.edge(0)
    )


def _vector(ctx: NodeContext, bias: Float32, size: int) -> Float32:
    if bias.size not in (1, size) or any(n != 1 for n in bias.shape[:-1]):
        ctx.fail(f"its bias must be a vector of {size}, not of shape {bias.shape}")
    return bias.reshape(-1) if bias.size == size else np.full(size, bias.reshape(-1)[0])
