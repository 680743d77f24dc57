"""What the host computes, defined to the bit: softmax, layer normalisation, products of two activations.

Inputs are float32, everything between is float64 with one rounding per operation, sums run in index order, and exp
and log are the polynomials below; only the result is rounded to float32. So every IEEE machine gives the same bits,
whatever its library's exp does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.tables.program import HostOp

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_LOG2_E = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238  # ln 2 to 33 bits, so that k * _LN2_HIGH is exact for |k| < 2**20
_LN2_LOW = 1.9082149292705877e-10
_EXP_TERMS = 14
_LOG_TERMS = 20


def run_host(op: HostOp, inputs: list[Float32]) -> Float32:
    """One host operator on a batch, axis 0 the batch: float32 in, float32 out."""
    match op:
        case ops.Softmax():
            return softmax(inputs[0].astype(np.float64), op.axis + 1, log=op.log).astype(np.float32)
        case ops.LayerNorm():
            return _layer_norm(op, inputs[0].astype(np.float64)).astype(np.float32)
        case ops.MatMul():
            return _matmul(inputs[0].astype(np.float64), inputs[1].astype(np.float64)).astype(np.float32)
        case _:
            return shape_op(op, inputs[0])


def shape_op(op: ops.Reshape | ops.Transpose | ops.Slice | ops.Take, x: NDArray[Any]) -> NDArray[Any]:
    """Move the values of a batch: reshape, transpose, slice, take."""
    match op:
        case ops.Reshape():
            return x.reshape(len(x), *op.shape)
        case ops.Transpose():
            return x.transpose(0, *(axis + 1 for axis in op.perm))
        case ops.Slice():
            bounds = zip(op.starts, op.stops, op.steps, strict=True)
            return x[(slice(None), *(slice(*bound) for bound in bounds))]
        case ops.Take():
            return np.take(x, np.array(op.indices, np.intp), axis=op.axis + 1)


def softmax(x: Float64, axis: int, *, log: bool) -> Float64:
    """``exp(x - max) / sum``, or its logarithm ``x - max - log(sum)``."""
    shifted = x - x.max(axis=axis, keepdims=True)
    powers = exp(shifted)
    total = _sum(powers, axis)
    return shifted - _log(total) if log else powers / total


def exp(x: Float64) -> Float64:
    """e**x for x <= 0: x = k ln 2 + r, then the Taylor series of e**r in Horner's form; below -700 it is 0."""
    clipped = np.maximum(x, -700.0)
    k = np.rint(clipped * _LOG2_E)
    r = (clipped - k * _LN2_HIGH) - k * _LN2_LOW
    result = np.ones_like(r)
    for n in range(_EXP_TERMS, 0, -1):
        result = 1.0 + result * (r / n)
    return np.where(x < -700.0, 0.0, np.ldexp(result, k.astype(np.int32)))


def _log(x: Float64) -> Float64:
    """ln x for x > 0: x = m 2**k with m near 1, and ln m = 2 artanh((m - 1) / (m + 1)) as a series."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    exponent = exponent - small
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square, total = s * s, np.zeros_like(s)
    for n in range(2 * _LOG_TERMS + 1, 0, -2):
        total = total * square + 1.0 / n
    return exponent * _LN2_HIGH + (exponent * _LN2_LOW + 2.0 * s * total)


def _sum(x: Float64, axis: int) -> Float64:
    """Sum in index order, the axis kept."""
    return np.asarray(np.take(np.cumsum(x, axis=axis), [-1], axis=axis))


def _layer_norm(op: ops.LayerNorm, x: Float64) -> Float64:
    flat = x.reshape(*x.shape[: x.ndim - op.axes], -1)
    count = flat.shape[-1]
    centred = flat - _sum(flat, -1) / count
    variance = _sum(centred * centred, -1) / count
    normal = (centred / np.sqrt(variance + op.epsilon)).reshape(x.shape)
    return np.asarray(normal * op.scale.astype(np.float64) + op.shift.astype(np.float64))


def _matmul(a: Float64, b: Float64) -> Float64:
    total = np.zeros((*a.shape[:-1], b.shape[-1]))
    for k in range(a.shape[-1]):
        total += a[..., :, k, np.newaxis] * b[..., np.newaxis, k, :]
    return total
