"""Activations, sums, and arithmetic with per-channel constants."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Activation, ActivationKind, Add, BatchNorm, Float32, Transpose

_KINDS: dict[str, ActivationKind] = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}


@handles(*_KINDS)
def activation(ctx: NodeContext) -> str:
    """An activation without parameters."""
    return ctx.emit(Activation(_KINDS[ctx.node.op_type]), ctx.edge(0))


@handles("Clip")
def clip(ctx: NodeContext) -> str:
    """Clipping to (0, 6) or (0, infinity)."""
    low = ctx.number("min", ctx.scalar(1, -np.inf))
    high = ctx.number("max", ctx.scalar(2, np.inf))
    if low == 0 and high == 6:
        return ctx.emit(Activation("relu6"), ctx.edge(0))
    if low == 0 and high >= float(np.finfo(np.float32).max):
        return ctx.emit(Activation("relu"), ctx.edge(0))
    return ctx.fail(f"clipping to ({low:g}, {high:g}) is not supported; (0, 6) and (0, inf) are")


@handles("Identity", "Dropout", "Cast", "CastLike")
def nothing(ctx: NodeContext) -> str:
    """Operators that change nothing in evaluation mode."""
    if ctx.node.op_type == "Cast" and ctx.integer("to", 1) != 1:
        ctx.fail("a cast of activations to another type than float32 is not supported")
    if ctx.node.op_type == "CastLike" and ctx.is_constant(1) and ctx.constant(1).array.dtype != np.float32:
        ctx.fail("a cast of activations to another type than float32 is not supported")
    if ctx.node.op_type == "Dropout" and ctx.scalar(2, 0.0) and ctx.scalar(1, 0.5):
        ctx.fail("it is in training mode; export the network in evaluation mode")
    return ctx.edge(0)


@handles("Add")
def add(ctx: NodeContext) -> str:
    """Sum of two activations of equal shape, or of an activation and a constant."""
    if ctx.is_constant(0) or ctx.is_constant(1):
        variable, constant = (1, 0) if ctx.is_constant(0) else (0, 1)
        return _affine(ctx, variable, None, ctx.weight(constant))
    if ctx.shape(0) != ctx.shape(1):
        ctx.fail(
            f"activations of shapes {ctx.shape(0)} and {ctx.shape(1)} are added; equal shapes are supported"
        )
    return ctx.emit(Add(), ctx.edge(0), ctx.edge(1))


@handles("Sub")
def subtract(ctx: NodeContext) -> str:
    """Activation minus constant, or constant minus activation."""
    if ctx.is_constant(0):
        return _affine(ctx, 1, np.array(-1, np.float32), ctx.weight(0))
    return _affine(ctx, 0, None, -_constant_operand(ctx))


@handles("Mul")
def multiply(ctx: NodeContext) -> str:
    """Activation times constant."""
    if ctx.is_constant(0):
        return _affine(ctx, 1, ctx.weight(0), None)
    return _affine(ctx, 0, _constant_operand(ctx), None)


@handles("Div")
def divide(ctx: NodeContext) -> str:
    """Activation divided by a constant."""
    divisor = _constant_operand(ctx)
    if not divisor.all():
        ctx.fail(f"its divisor {ctx.constant(1).name!r} holds zeros")
    return _affine(ctx, 0, (1 / divisor.astype(np.float64)).astype(np.float32), None)


def _constant_operand(ctx: NodeContext) -> Float32:
    if not ctx.is_constant(1):
        ctx.fail("its second operand must be constant; two activations can only be added")
    return ctx.weight(1)


def _affine(ctx: NodeContext, variable: int, scale: Float32 | None, shift: Float32 | None) -> str:
    """``scale * x + shift``, one of which may vary along one axis of a sample, as a batch normalisation."""
    edge, full = ctx.edge(variable), ctx.full_shape(variable)
    axis = 0
    for array in (scale, shift):
        if array is not None and array.size > 1:
            axis = _varying_axis(ctx, array, full)
    count = full[axis + 1]
    vectors = [
        np.broadcast_to(np.float32(default) if array is None else array.reshape(-1), (count,)).copy()
        for array, default in ((scale, 1), (shift, 0))
    ]
    op = BatchNorm(vectors[0], vectors[1])
    if axis == 0:
        return ctx.emit(op, edge)
    rank = len(full) - 1
    forth = (axis, *(i for i in range(rank) if i != axis))
    back = tuple(int(i) for i in np.argsort(forth))
    moved = ctx.emit(Transpose(forth), edge, part="channels_first")
    return ctx.emit(Transpose(back), ctx.emit(op, moved), part="channels_back")


def _varying_axis(ctx: NodeContext, array: Float32, full: tuple[int, ...]) -> int:
    """The one axis of a sample along which a constant varies."""
    aligned = (1,) * (len(full) - array.ndim) + array.shape
    varying = [axis for axis, n in enumerate(aligned) if n != 1]
    fits = len(aligned) == len(full) and all(n in (1, m) for n, m in zip(aligned, full, strict=True))
    if not fits or len(varying) != 1 or varying[0] == 0:
        ctx.fail(
            f"a constant of shape {array.shape} meets samples of shape {full[1:]}; "
            "one number, or one per index of one axis, is supported"
        )
    return varying[0] - 1
