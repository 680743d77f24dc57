"""Activation functions that are not done by comparison, as exact float64 functions of one variable.

Formulas are those of the ONNX operators of the same names (``hard_swish``: Howard et al., "Searching for MobileNetV3",
2019; ``gelu`` and ``gelu_tanh``: Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016; ``silu``: the same paper).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Function = Callable[[Float64], Float64]

FLAT = 2.0**-16
"""How close to its asymptote a function counts as flat: one step of 16 stored bits."""

PARAMETERS = {
    "sigmoid": 0,
    "tanh": 0,
    "leaky_relu": 1,
    "elu": 1,
    "hard_sigmoid": 2,
    "hard_swish": 0,
    "gelu": 0,
    "gelu_tanh": 0,
    "silu": 0,
    "clip": 2,
}
"""The kinds that have a function here, and how many parameters each takes."""

_ERFC = np.vectorize(math.erfc, otypes=[np.float64])


def function(kind: str, parameters: tuple[float, ...] = ()) -> Function:
    """The function of a kind with these parameters: float64 of any shape to float64 of the same shape.

    ============== ========================================================= ===================
    kind           f(x)                                                      parameters
    ============== ========================================================= ===================
    sigmoid        1 / (1 + exp(-x))
    tanh           tanh(x)
    leaky_relu     x for x >= 0, else alpha x                                alpha
    elu            x for x >= 0, else alpha (exp(x) - 1)                     alpha
    hard_sigmoid   min(1, max(0, alpha x + beta))                            alpha, beta
    hard_swish     x min(1, max(0, x / 6 + 1 / 2))
    gelu           x (1 + erf(x / sqrt 2)) / 2
    gelu_tanh      x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2
    silu           x / (1 + exp(-x))
    clip           min(high, max(low, x))                                    low, high
    ============== ========================================================= ===================

    Raises
    ------
    ValueError
        If the kind has no function here or takes another number of parameters.
    """
    _check(kind, parameters)
    match kind:
        case "leaky_relu":
            (alpha,) = parameters
            return lambda x: np.where(x >= 0, x, alpha * x)
        case "elu":
            (alpha,) = parameters
            return lambda x: np.where(x >= 0, x, alpha * np.expm1(np.minimum(x, 0.0)))
        case "hard_sigmoid":
            alpha, beta = parameters
            return lambda x: np.clip(alpha * x + beta, 0.0, 1.0)
        case "clip":
            low, high = parameters
            return lambda x: np.minimum(np.maximum(x, low), high)
        case _:
            return _PLAIN[kind]


def saturation(kind: str, parameters: tuple[float, ...] = ()) -> tuple[float, float]:
    """``(low, high)``: left of ``low`` and right of ``high`` the function is flat.

    Flat means within 2**-16 of its asymptote there, in units of its range where that is bounded (the side's own
    amplitude for ``elu``), else absolutely. A side on which it is never flat (linear: ``leaky_relu``, the right of
    ``elu``, ``hard_swish``, ``gelu``, ``silu``) is infinite. The places for ``gelu``, ``gelu_tanh`` and ``silu``
    are found by bisection on their monotone tails.

    Raises
    ------
    ValueError
        As :func:`function`.
    """
    _check(kind, parameters)
    steps = -math.log(FLAT)
    match kind:
        case "sigmoid":  # 1 - f(x) < exp(-x)
            return -steps, steps
        case "tanh":  # 1 - f(x) < 2 exp(-2 x), the range is 2
            return -steps / 2, steps / 2
        case "leaky_relu":
            return (0.0 if parameters[0] == 0 else -math.inf), math.inf
        case "elu":  # f(x) + alpha = alpha exp(x)
            return (0.0 if parameters[0] == 0 else -steps), math.inf
        case "hard_sigmoid":
            alpha, beta = parameters
            if alpha == 0:
                return 0.0, 0.0
            return min(-beta / alpha, (1 - beta) / alpha), max(-beta / alpha, (1 - beta) / alpha)
        case "hard_swish":
            return -3.0, math.inf
        case "clip":
            return parameters[0], max(parameters)
        case _:
            return _left_tail(_PLAIN[kind]), math.inf


def _check(kind: str, parameters: tuple[float, ...]) -> None:
    if kind not in PARAMETERS:
        raise ValueError(f"activation {kind!r} has no function; known are {', '.join(PARAMETERS)}")
    if len(parameters) != PARAMETERS[kind]:
        raise ValueError(f"activation {kind!r} takes {PARAMETERS[kind]} parameters, not {len(parameters)}")


def _sigmoid(x: Float64) -> Float64:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def _hard_swish(x: Float64) -> Float64:
    return x * np.clip(x / 6 + 0.5, 0.0, 1.0)


def _gelu(x: Float64) -> Float64:
    # 1 + erf(t) = erfc(-t), which keeps its digits in the left tail.
    return np.asarray(0.5 * x * _ERFC(-np.asarray(x) / math.sqrt(2)))


def _gelu_tanh(x: Float64) -> Float64:
    # (1 + tanh t) / 2 is the sigmoid of 2 t, which keeps its digits in the left tail.
    return x * _sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _silu(x: Float64) -> Float64:
    return x * _sigmoid(x)


_PLAIN: dict[str, Function] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "hard_swish": _hard_swish,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
}


def _left_tail(f: Function) -> float:
    """Where the left tail of a function with the asymptote 0 there reaches 2**-16 (its minimum lies right of -2)."""
    far, near = -64.0, -2.0
    for _ in range(60):
        middle = (far + near) / 2
        if abs(float(f(np.array(middle)))) < FLAT:
            far = middle
        else:
            near = middle
    return far
