"""Normalisations by constants (machine) and by a sample's own statistics (host), and softmax."""

from __future__ import annotations

import math

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import affine
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import BatchNorm, Float32, LayerNorm, Reshape, Softmax, Transpose


@handles("BatchNormalization")
def batch_norm(ctx: NodeContext) -> str:
    """``(x - mean) / sqrt(variance + epsilon) * gamma + beta``, stored statistics, as scale and shift."""
    if ctx.integer("training_mode", 0):
        ctx.fail("it is in training mode; export the network in evaluation mode")
    gamma, beta, mean, variance = (ctx.weight(i).astype(np.float64) for i in range(1, 5))
    if variance.min(initial=0.0) < 0:
        ctx.fail(f"tensor {ctx.constant(4).name!r} holds a negative variance")
    deviation = np.sqrt(variance + ctx.number("epsilon", 1e-5))
    if not deviation.all():
        ctx.fail(f"tensor {ctx.constant(4).name!r} holds a variance of 0 and epsilon is 0")
    scale = gamma / deviation
    return ctx.emit(
        BatchNorm(scale.astype(np.float32), (beta - mean * scale).astype(np.float32)), ctx.edge(0)
    )


@handles("Softmax", "LogSoftmax", any_layout=True)
def softmax(ctx: NodeContext) -> str:
    """Softmax over one axis; up to operator set 12 over all axes from ``axis`` on."""
    log = ctx.node.op_type == "LogSoftmax"
    rank = len(ctx.full_shape(0))
    axis = ctx.integer("axis", 1 if ctx.opset < 13 else -1)
    sample, shape = ctx.axis(0, axis), ctx.shape(0)
    if ctx.opset >= 13 or axis % rank == rank - 1:
        return ctx.like(0, ctx.emit(Softmax(sample, log), ctx.edge(0)))
    if sample < ctx.layout(0).stop:
        ctx.fail("it normalises over the batch")
    flat = ctx.emit(Reshape((*shape[:sample], math.prod(shape[sample:]))), ctx.edge(0), part="flat")
    return ctx.like(0, ctx.emit(Reshape(shape), ctx.emit(Softmax(sample, log), flat), part="unflat"))


@handles("LayerNormalization", any_layout=True)
def layer_norm(ctx: NodeContext) -> str:
    """Normalisation over the last axes, or over the ``axes`` of a found pattern."""
    if ctx.integer("stash_type", 1) != 1:
        ctx.fail("only a computation in float32 (stash_type 1) is supported")
    rank = len(ctx.full_shape(0))
    axes = ctx.integers("axes")
    if axes is None:
        first = ctx.integer("axis", -1)
        axes = list(range(first % rank, rank))
    samples = sorted({ctx.axis(0, axis) for axis in axes})
    shape = ctx.shape(0)
    extents = tuple(shape[axis] for axis in samples)
    scale = _spread(ctx, 1, extents) if ctx.has(1) else np.ones(extents, np.float32)
    shift = _spread(ctx, 2, extents) if ctx.has(2) else np.zeros(extents, np.float32)
    op = LayerNorm(len(samples), scale, shift, _epsilon(ctx))
    forth = (*(a for a in range(len(shape)) if a not in samples), *samples)
    if forth == tuple(range(len(shape))):
        return ctx.like(0, ctx.emit(op, ctx.edge(0)))
    back = tuple(int(a) for a in np.argsort(forth))
    moved = ctx.emit(op, ctx.emit(Transpose(forth), ctx.edge(0), part="axes_last"))
    return ctx.like(0, ctx.emit(Transpose(back), moved, part="axes_back"))


@handles("InstanceNormalization")
def instance_norm(ctx: NodeContext) -> str:
    """Every channel by its own statistics in space, then scale and shift per channel."""
    return _grouped_norm(ctx, ctx.shape(0)[0])


@handles("GroupNormalization")
def group_norm(ctx: NodeContext) -> str:
    """Every group of channels by its own statistics, then scale and shift (per group before operator set 21)."""
    groups = ctx.integer("num_groups", 0)
    if groups < 1 or ctx.shape(0)[0] % groups:
        ctx.fail(f"{ctx.shape(0)[0]} channels do not divide into {groups} groups")
    return _grouped_norm(ctx, groups)


def _grouped_norm(ctx: NodeContext, groups: int) -> str:
    shape = ctx.shape(0)
    if len(shape) < 2:
        ctx.fail(f"samples of shape {shape} have no axis in space to normalise over")
    size = math.prod(shape) // groups
    grouped = ctx.emit(Reshape((groups, size)), ctx.edge(0), part="groups")
    ones, zeros = np.ones(size, np.float32), np.zeros(size, np.float32)
    edge = ctx.emit(LayerNorm(1, ones, zeros, _epsilon(ctx)), grouped)
    edge = ctx.emit(Reshape(shape), edge, part="ungrouped")
    column = (shape[0], *(1,) * (len(shape) - 1))
    scale, shift = (
        np.repeat(vector, shape[0] // len(vector)).reshape(column)
        for vector in (ctx.weight(1).reshape(-1), ctx.weight(2).reshape(-1))
    )
    return affine(ctx, edge, ctx.layout(0), scale=scale, shift=shift, part="affine")


def _spread(ctx: NodeContext, index: int, extents: tuple[int, ...]) -> Float32:
    array = ctx.weight(index)
    while array.ndim > len(extents) and array.shape[0] == 1:
        array = array[0]
    try:
        return np.ascontiguousarray(np.broadcast_to(array, extents))
    except ValueError:
        return ctx.fail(f"a constant of shape {array.shape} does not fit the normalised axes {extents}")


def _epsilon(ctx: NodeContext) -> float:
    epsilon = ctx.number("epsilon", 1e-5)
    if not (math.isfinite(epsilon) and epsilon >= 0):
        ctx.fail(f"epsilon is {epsilon}")
    return epsilon
