"""Activations, and operators that change nothing."""

from __future__ import annotations

import math

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import affine, scaled
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Activation, ActivationKind, Add

_PLAIN: dict[str, ActivationKind] = {
    "Relu": "relu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "HardSwish": "hard_swish",
}
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
"""Defaults of ONNX Selu."""

_HIGHEST = float(np.finfo(np.float32).max)


@handles(*_PLAIN, any_layout=True)
def activation(ctx: NodeContext) -> str:
    """An activation without parameters."""
    return ctx.like(0, ctx.emit(Activation(_PLAIN[ctx.node.op_type]), ctx.edge(0)))


@handles("LeakyRelu", any_layout=True)
def leaky_relu(ctx: NodeContext) -> str:
    """``x``, or ``alpha x`` where that is negative."""
    return ctx.like(0, _leaky(ctx, ctx.number("alpha", 0.01)))


@handles("Elu", any_layout=True)
def elu(ctx: NodeContext) -> str:
    """``x``, or ``alpha (exp(x) - 1)`` where x is negative."""
    return ctx.like(0, ctx.emit(Activation("elu", (_finite(ctx, "alpha", 1.0),)), ctx.edge(0)))


@handles("Selu", any_layout=True)
def selu(ctx: NodeContext) -> str:
    """Elu times gamma."""
    edge = ctx.emit(Activation("elu", (_finite(ctx, "alpha", _SELU_ALPHA),)), ctx.edge(0), part="elu")
    return ctx.like(0, scaled(ctx, edge, _finite(ctx, "gamma", _SELU_GAMMA)))


@handles("Celu", any_layout=True)
def celu(ctx: NodeContext) -> str:
    """``max(0, x) + min(0, alpha (exp(x / alpha) - 1))`` is ``alpha elu(x / alpha)``."""
    alpha = _finite(ctx, "alpha", 1.0)
    if alpha <= 0:
        ctx.fail(f"alpha {alpha:g} is not supported; it must be positive")
    edge = scaled(ctx, ctx.edge(0), 1 / alpha, part="scale")
    edge = ctx.emit(Activation("elu", (1.0,)), edge)
    return ctx.like(0, scaled(ctx, edge, alpha, part="rescale"))


@handles("HardSigmoid", any_layout=True)
def hard_sigmoid(ctx: NodeContext) -> str:
    """``clip(alpha x + beta, 0, 1)``."""
    parameters = (_finite(ctx, "alpha", 0.2), _finite(ctx, "beta", 0.5))
    return ctx.like(0, ctx.emit(Activation("hard_sigmoid", parameters), ctx.edge(0)))


@handles("Gelu", any_layout=True)
def gelu(ctx: NodeContext) -> str:
    """``x (1 + erf(x / sqrt 2)) / 2``, or its approximation by tanh."""
    approximate = ctx.text("approximate", "none")
    if approximate not in ("none", "tanh"):
        ctx.fail(f"approximate {approximate!r} is not known; 'none' and 'tanh' are")
    kind: ActivationKind = "gelu" if approximate == "none" else "gelu_tanh"
    return ctx.like(0, ctx.emit(Activation(kind), ctx.edge(0)))


@handles("Swish", any_layout=True)
def swish(ctx: NodeContext) -> str:
    """``x sigmoid(alpha x)`` is ``silu(alpha x) / alpha``."""
    alpha = _finite(ctx, "alpha", 1.0)
    if alpha == 0:
        return ctx.like(0, scaled(ctx, ctx.edge(0), 0.5))
    edge = ctx.edge(0) if alpha == 1 else scaled(ctx, ctx.edge(0), alpha, part="scale")
    edge = ctx.emit(Activation("silu"), edge)
    return ctx.like(0, edge if alpha == 1 else scaled(ctx, edge, 1 / alpha, part="rescale"))


@handles("PRelu")
def prelu(ctx: NodeContext) -> str:
    """One slope: a leaky relu. One slope per channel: ``relu(x) - slope relu(-x)``."""
    slope = ctx.weight(1)
    if (slope == slope.reshape(-1)[:1]).all():
        return _leaky(ctx, float(slope.reshape(-1)[0]))
    right = ctx.emit(Activation("relu"), ctx.edge(0), part="positive")
    left = scaled(ctx, ctx.edge(0), -1.0, part="negated")
    left = ctx.emit(Activation("relu"), left, part="negative")
    left = affine(ctx, left, ctx.layout(0), scale=-slope, part="slopes")
    return ctx.emit(Add(), right, left)


@handles("Clip", any_layout=True)
def clip(ctx: NodeContext) -> str:
    """``min(high, max(low, x))``; a bound may be absent."""
    low = ctx.number("min", ctx.scalar(1, -np.inf))
    high = ctx.number("max", ctx.scalar(2, np.inf))
    return ctx.like(0, clipped(ctx, low, high))


@handles("Min", "Max", any_layout=True)
def bound(ctx: NodeContext) -> str:
    """The smaller or larger of an activation and one number."""
    variable = [k for k in range(len(ctx.inputs)) if not ctx.is_constant(k)]
    if variable == [0] or (variable == [1] and len(ctx.inputs) == 2):
        numbers = [ctx.scalar(k, 0.0) for k in range(len(ctx.inputs)) if k not in variable]
        low = max(numbers, default=-np.inf) if ctx.node.op_type == "Max" else -np.inf
        high = min(numbers, default=np.inf) if ctx.node.op_type == "Min" else np.inf
        return ctx.like(variable[0], clipped(ctx, low, high, variable[0]))
    return ctx.fail(
        "the larger or smaller of several activations has no table; one activation and numbers are supported"
    )


@handles("Abs", any_layout=True)
def absolute(ctx: NodeContext) -> str:
    """``relu(x) + relu(-x)``."""
    right = ctx.emit(Activation("relu"), ctx.edge(0), part="positive")
    left = scaled(ctx, ctx.edge(0), -1.0, part="negated")
    left = ctx.emit(Activation("relu"), left, part="negative")
    return ctx.like(0, ctx.emit(Add(), right, left))


@handles("Identity", "Dropout", "Cast", "CastLike", any_layout=True)
def nothing(ctx: NodeContext) -> str:
    """Operators that change nothing in evaluation mode."""
    if ctx.node.op_type == "Cast" and ctx.integer("to", 1) != 1:
        ctx.fail("a cast of activations to another type than float32 is not supported")
    if ctx.node.op_type == "CastLike" and ctx.is_constant(1) and ctx.constant(1).array.dtype != np.float32:
        ctx.fail("a cast of activations to another type than float32 is not supported")
    if ctx.node.op_type == "Dropout" and ctx.scalar(2, 0.0) and ctx.scalar(1, 0.5):
        ctx.fail("it is in training mode; export the network in evaluation mode")
    return ctx.edge(0)


def clipped(ctx: NodeContext, low: float, high: float, index: int = 0) -> str:
    """An input clipped: by comparison where a relu can do it, else as an activation of its own."""
    edge = ctx.edge(index)
    if math.isnan(low) or math.isnan(high):
        ctx.fail("a bound is NaN")
    bottom, top = low > -_HIGHEST, high < _HIGHEST
    if low == 0 and high == 6:
        return ctx.emit(Activation("relu6"), edge)
    if low == 0 and not top:
        return ctx.emit(Activation("relu"), edge)
    if bottom and top:
        return ctx.emit(Activation("clip", (low, high)), edge)
    if bottom:  # max(x, low) = relu(x - low) + low
        edge = ctx.emit(Activation("relu"), scaled(ctx, edge, 1.0, -low, part="shift"))
        return scaled(ctx, edge, 1.0, low, part="unshift")
    if top:  # min(x, high) = high - relu(high - x)
        edge = ctx.emit(Activation("relu"), scaled(ctx, edge, -1.0, high, part="shift"))
        return scaled(ctx, edge, -1.0, high, part="unshift")
    return edge


def _leaky(ctx: NodeContext, alpha: float) -> str:
    if not math.isfinite(alpha):
        ctx.fail(f"its slope is {alpha}")
    kind: ActivationKind = "leaky_relu" if alpha else "relu"
    return ctx.emit(Activation(kind, (alpha,) if alpha else ()), ctx.edge(0))


def _finite(ctx: NodeContext, name: str, default: float) -> float:
    value = ctx.number(name, default)
    if not math.isfinite(value):
        ctx.fail(f"its attribute {name} is {value}")
    return value
