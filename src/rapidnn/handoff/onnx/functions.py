"""Real activation functions in ONNX operators; :mod:`rapidnn.tables.functions` has the formulas."""

from __future__ import annotations

import math

import numpy as np

from rapidnn.handoff.onnx.builder import Builder
from rapidnn.handoff.onnx.moves import scalar
from rapidnn.tables.program import ActivationTable

_OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_swish": "HardSwish"}
_WITH_ALPHA = {"leaky_relu": "LeakyRelu", "elu": "Elu"}


def activation(build: Builder, table: ActivationTable, x: str) -> str:
    """The activation of the float32 value ``x``."""
    kind, parameters = table.kind, table.parameters
    if kind == "identity":
        return x
    if kind in _OPERATORS:
        return build.node(_OPERATORS[kind], x)
    if kind in _WITH_ALPHA:
        return build.node(_WITH_ALPHA[kind], x, alpha=float(parameters[0]))
    if kind == "hard_sigmoid":
        return build.node("HardSigmoid", x, alpha=float(parameters[0]), beta=float(parameters[1]))
    if kind in ("relu6", "clip"):
        low, high = (0.0, 6.0) if kind == "relu6" else parameters
        return build.node("Clip", x, _number(build, low), _number(build, high))
    if kind == "silu":
        return build.node("Mul", x, build.node("Sigmoid", x))
    return _gelu(build, x, tanh=kind == "gelu_tanh")


def _gelu(build: Builder, x: str, *, tanh: bool) -> str:
    if tanh:
        cube = build.node("Mul", build.node("Mul", x, x), x)
        inner = build.node("Add", x, build.node("Mul", cube, _number(build, 0.044715)))
        bent = build.node("Tanh", build.node("Mul", inner, _number(build, math.sqrt(2 / math.pi))))
    else:
        bent = build.node("Erf", build.node("Mul", x, _number(build, math.sqrt(0.5))))
    half = build.node("Mul", x, _number(build, 0.5))
    return build.node("Mul", half, build.node("Add", bent, _number(build, 1.0)))


def _number(build: Builder, value: float) -> str:
    return build.constant(scalar(value, np.float32))
