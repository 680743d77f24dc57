"""Sums and products of activations, and arithmetic with constants."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import affine, expand, scaled
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Add, Float32, Multiply


@handles("Add", any_layout=True)
def add(ctx: NodeContext) -> str:
    """Sum of two activations, or of an activation and a constant."""
    variable, constant = _operands(ctx)
    if constant is not None:
        return _placed(ctx, variable, affine(ctx, ctx.edge(variable), ctx.layout(variable), shift=constant))
    left, right = _common(ctx, 0, 1)
    return ctx.like(0, ctx.emit(Add(), left, right))


@handles("Sum", "Mean", any_layout=True)
def add_all(ctx: NodeContext) -> str:
    """Sum or mean of any number of activations and constants."""
    variable = [k for k in range(len(ctx.inputs)) if not ctx.is_constant(k)]
    first = variable[0]
    edge = ctx.edge(first)
    for k in variable[1:]:
        _same_layout(ctx, first, k)
        left, right = _equal(ctx, edge, ctx.edge(k))
        edge = ctx.emit(Add(), left, right, part="" if k == variable[-1] else "partial")
    for k in range(len(ctx.inputs)):
        if ctx.is_constant(k):
            edge = affine(ctx, edge, ctx.layout(first), shift=ctx.weight(k), part="constant")
    if ctx.node.op_type == "Mean":
        edge = scaled(ctx, edge, 1 / len(ctx.inputs), part="mean")
    return _placed(ctx, first, edge)


@handles("Sub", any_layout=True)
def subtract(ctx: NodeContext) -> str:
    """Difference of two activations, or of an activation and a constant."""
    variable, constant = _operands(ctx)
    if constant is None:
        left, right = _common(ctx, 0, 1)
        return ctx.like(0, ctx.emit(Add(), left, scaled(ctx, right, -1.0, part="negated")))
    edge = ctx.edge(variable)
    if variable == 0:
        return _placed(ctx, 0, affine(ctx, edge, ctx.layout(0), shift=-constant))
    if constant.size == 1:
        return _placed(ctx, 1, scaled(ctx, edge, -1.0, float(constant.reshape(()))))
    edge = scaled(ctx, edge, -1.0, part="negated")
    return _placed(ctx, 1, affine(ctx, edge, ctx.layout(1), shift=constant))


@handles("Neg", any_layout=True)
def negate(ctx: NodeContext) -> str:
    """``-x``."""
    return ctx.like(0, scaled(ctx, ctx.edge(0), -1.0))


@handles("Mul", any_layout=True)
def multiply(ctx: NodeContext) -> str:
    """Product of two activations, or of an activation and a constant."""
    variable, constant = _operands(ctx)
    if constant is not None:
        return _placed(ctx, variable, affine(ctx, ctx.edge(variable), ctx.layout(variable), scale=constant))
    _same_layout(ctx, 0, 1)
    return ctx.like(0, ctx.emit(Multiply(), ctx.edge(0), ctx.edge(1)))


@handles("Pow", any_layout=True)
def power(ctx: NodeContext) -> str:
    """The first or second power."""
    exponent = ctx.scalar(1, 1.0)
    if exponent == 1:
        return ctx.edge(0)
    if exponent != 2:
        ctx.fail(f"the power {exponent:g} of activations is not supported; 1 and 2 are")
    return ctx.like(0, ctx.emit(Multiply(), ctx.edge(0), ctx.edge(0)))


@handles("Div", any_layout=True)
def divide(ctx: NodeContext) -> str:
    """Activation divided by a constant."""
    if not ctx.is_constant(1):
        ctx.fail("its divisor depends on the network's input; only division by a constant is supported")
    divisor = ctx.weight(1)
    if not divisor.all():
        ctx.fail(f"its divisor {ctx.constant(1).name!r} holds zeros")
    with np.errstate(over="ignore"):
        inverse = (1 / divisor.astype(np.float64)).astype(np.float32)
    if not np.isfinite(inverse).all():
        ctx.fail(f"its divisor {ctx.constant(1).name!r} is too small to divide by in float32")
    return _placed(ctx, 0, affine(ctx, ctx.edge(0), ctx.layout(0), scale=inverse))


def _operands(ctx: NodeContext) -> tuple[int, Float32 | None]:
    """Which operand is the activation, and the other if it is constant."""
    if len(ctx.inputs) != 2:
        ctx.fail(f"it has {len(ctx.inputs)} inputs; 2 are needed")
    if ctx.is_constant(0):
        return 1, ctx.weight(0)
    return 0, ctx.weight(1) if ctx.is_constant(1) else None


def _placed(ctx: NodeContext, index: int, edge: str) -> str:
    return edge if edge == ctx.edge(index) else ctx.like(index, edge)


def _common(ctx: NodeContext, first: int, second: int) -> tuple[str, str]:
    """Two activations repeated along axes of extent 1 so that their shapes are equal."""
    _same_layout(ctx, first, second)
    return _equal(ctx, ctx.edge(first), ctx.edge(second))


def _equal(ctx: NodeContext, left: str, right: str) -> tuple[str, str]:
    shapes = ctx.builder.shapes[left], ctx.builder.shapes[right]
    if len(shapes[0]) != len(shapes[1]) or any(
        n != m and 1 not in (n, m) for n, m in zip(*shapes, strict=True)
    ):
        ctx.fail(
            f"activations of shapes {shapes[0]} and {shapes[1]} are added; they do not broadcast to each other"
        )
    return expand(ctx, left, shapes[1]), expand(ctx, right, shapes[0])


def _same_layout(ctx: NodeContext, first: int, second: int) -> None:
    shapes = ctx.full_shape(first), ctx.full_shape(second)
    if ctx.layout(first) != ctx.layout(second) or len(shapes[0]) != len(shapes[1]):
        ctx.fail(
            f"values of shapes {shapes[0]} and {shapes[1]} ({ctx.batch} samples) meet, whose batch axes do not "
            "fall together; reshape them to the same axes"
        )
