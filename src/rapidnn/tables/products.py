"""Product tables, their shift, and the bound that makes any order of summation safe (SPEC section 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ComposeError
from rapidnn.tables.program import Float64, Int32, UInt8

ACCUMULATOR_LIMIT = 2**31
"""Sums stay below this magnitude, so that they fit int32 in any order."""

_MAX_SHIFT = 62
_CODES_PER_CHUNK = 1 << 24


def round_half_even(x: NDArray[np.float64]) -> NDArray[np.int64]:
    """``rhe`` of SPEC section 1, on float64 values of magnitude below 2**63."""
    return np.rint(x).astype(np.int64)


def round_to_int32(x: NDArray[np.float64]) -> Int32:
    """``rhe`` clipped to int32: for table rows that may lie outside the accumulator's range."""
    limit = float(ACCUMULATOR_LIMIT - 1)
    return np.rint(np.clip(x, -limit, limit)).astype(np.int32)


def product_limit(product_bits: int) -> int:
    """Largest magnitude a product may have: tables are signed and symmetric."""
    return int(2 ** (product_bits - 1)) - 1


def product_table(values: Int32, inputs: Int32, shift: int, product_bits: int) -> NDArray[np.int16] | Int32:
    """``P[g, i, j] = saturate(rhe(values[g, i] * inputs[j] / 2**shift))``.

    Parameters
    ----------
    values
        int32 ``(G, w)``: weight codebooks.
    inputs
        int32 ``(u,)``: the input codebook.

    Returns
    -------
    int16 (``product_bits`` <= 16) or int32 array ``(G, w, u)``.
    """
    limit = product_limit(product_bits)
    exact = values.astype(np.int64)[:, :, np.newaxis] * inputs.astype(np.int64)
    # Operands have at most 16 bits, so exact and its quotient by a power of two are exact in float64.
    rounded = np.clip(np.rint(exact / float(2**shift)), -limit, limit)
    return rounded.astype(np.int16) if product_bits <= 16 else rounded.astype(np.int32)


def neuron_bounds(products: NDArray[np.integer], weight_codes: UInt8) -> NDArray[np.int64]:
    """Per output channel the sum over its inputs of ``max_j abs(P[c_k, j])``: int64 ``(O,)``."""
    row_max = np.abs(products.astype(np.int64)).max(axis=2)
    flat = weight_codes.reshape(len(weight_codes), -1)
    bounds = np.empty(len(flat), np.int64)
    chunk = max(1, _CODES_PER_CHUNK // max(1, flat.shape[1]))
    for start in range(0, len(flat), chunk):
        codes = flat[start : start + chunk]
        rows = row_max[start : start + chunk] if len(row_max) > 1 else row_max
        bounds[start : start + chunk] = _row_sums(rows, codes)
    return bounds


def _row_sums(row_max: NDArray[np.int64], codes: UInt8) -> NDArray[np.int64]:
    if len(row_max) == 1:
        return np.asarray(row_max[0][codes].sum(axis=1))
    return np.asarray(np.take_along_axis(row_max, codes.astype(np.intp), axis=1).sum(axis=1))


class ShiftChoice:
    """The least shift for which products fit and no neuron's sum can leave int32, with everything that follows.

    Parameters
    ----------
    values, scales
        Weight codebooks int32 ``(G, w)`` and their float64 scales ``(G,)``.
    inputs, input_scale
        The input codebook int32 ``(u,)`` and its scale.
    weight_codes
        uint8 ``(O, ...)``.
    bias
        float64 ``(O,)``, real values.
    residuals
        ``(values, scale)`` of each code group that enters through a one-row table.

    Raises
    ------
    ComposeError
        If no shift bounds the sums; the message names the layer.
    """

    def __init__(
        self,
        name: str,
        values: Int32,
        scales: Float64,
        inputs: Int32,
        input_scale: float,
        weight_codes: UInt8,
        bias: Float64,
        product_bits: int,
        residuals: tuple[tuple[Int32, float], ...] = (),
    ) -> None:
        peak = int(np.abs(values).max()) * int(np.abs(inputs).max())
        for shift in range(_MAX_SHIFT):
            if np.rint(peak / 2.0**shift) > product_limit(product_bits):
                continue
            self.shift = shift
            self.acc_scales: Float64 = scales * input_scale * 2.0**shift
            self.products = product_table(values, inputs, shift, product_bits)
            quotients = [v * s / self.acc_scales[:, np.newaxis] for v, s in residuals]
            bias_quotient = bias / self.acc_scales
            if max(np.abs(q).max() for q in [bias_quotient, *quotients]) >= ACCUMULATOR_LIMIT:
                continue
            self.rows = tuple(round_half_even(q) for q in quotients)
            self.bias = round_half_even(bias_quotient)
            totals = neuron_bounds(self.products, weight_codes) + np.abs(self.bias)
            for row in self.rows:
                totals = totals + np.abs(row).max(axis=1)
            self.bound = int(totals.max())
            if self.bound < ACCUMULATOR_LIMIT:
                return
        raise ComposeError(
            f"layer {name!r}: no shift keeps its sums below 2**31 (its bias or a residual input is too large for "
            f"its weights); use fewer product_bits or rescale the layer"
        )
