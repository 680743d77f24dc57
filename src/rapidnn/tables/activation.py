"""Activation and encoding tables, the two-step nearest search, and its fused threshold form (SPEC section 1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.functions import function
from rapidnn.tables.products import round_to_int32
from rapidnn.tables.program import ActivationTable, Float64, Int32, UInt8

INT32_MAX = 2**31 - 1
COMPARED = ("identity", "relu", "relu6")
"""Activations done by comparison; every other kind has a table."""

G_BITS = 16
"""Stored precision of a table's results."""


def activation_table(
    kind: str, parameters: tuple[float, ...], acc_scales: Float64, z: Float64 | None
) -> ActivationTable:
    """The stored form of an activation on accumulators with the given scales ``(T,)``.

    ``z`` are the rows' positions, float64 ascending, in real units (:func:`rapidnn.tables.placement.place_rows`); an
    activation that is done by comparison needs none.
    """
    if kind == "relu6":
        return ActivationTable(kind, cap=round_to_int32(6.0 / acc_scales))
    if kind in COMPARED:
        return ActivationTable(kind)
    if z is None:
        raise ValueError(f"a table of {kind} needs the positions of its rows")
    g = function(kind, parameters)(z)
    g_scale = float(np.abs(g).max()) / (2 ** (G_BITS - 1) - 1) or 1.0
    return ActivationTable(
        kind,
        parameters,
        z=round_to_int32(z / acc_scales[:, np.newaxis]),
        g=round_to_int32(g / g_scale),
        g_scale=g_scale,
    )


def encoding_table(activation: ActivationTable, acc_scales: Float64, values: Int32, scale: float) -> Int32:
    """The next codebook in the units of what comes before it: int32 ``(T, u)``, or ``(1, u)`` in units of g."""
    units = acc_scales if activation.g_scale is None else np.array([activation.g_scale])
    return round_to_int32(values * scale / units[:, np.newaxis])


def nearest(rows: Int32, x: NDArray[np.int64]) -> NDArray[np.intp]:
    """NDCAM search: index of the row with the smallest absolute distance to each x, on a tie the lowest index."""
    distance = np.abs(x[..., np.newaxis] - rows.astype(np.int64))
    return np.asarray(distance.argmin(axis=-1))


def fuse(activation: ActivationTable, encoding: Int32, drop: int = 0) -> tuple[Int32, UInt8]:
    """The two-step search as one step function of the accumulator; codes lose their low ``drop`` bits.

    Returns
    -------
    ``thresholds`` int32 ``(T, m)`` ascending, short sets filled up with 2**31 - 1, and ``codes`` uint8 ``(T, m + 1)``;
    code = ``codes[t, #(acc > thresholds[t])]`` equals activation followed by encoding on every int32.
    """
    sets = max(len(encoding), 1 if activation.z is None else len(activation.z))
    pieces = []
    for t in range(sets):
        rows = encoding[t if len(encoding) > 1 else 0]
        if activation.z is not None and activation.g is not None:
            cuts, first = _steps(activation.z[t])
            codes = nearest(rows, activation.g[first].astype(np.int64))
        else:
            cuts, codes = _steps(rows)
            cap = None if activation.cap is None else int(activation.cap[t])
            cuts, codes = _clip(activation.kind, cuts, codes, cap)
        pieces.append(_merge(cuts, codes >> drop))
    longest = max(len(cuts) for cuts, _ in pieces)
    thresholds = np.full((sets, longest), INT32_MAX, np.int32)
    table = np.empty((sets, longest + 1), np.uint8)
    for t, (cuts, codes) in enumerate(pieces):
        thresholds[t, : len(cuts)] = cuts
        table[t, : len(codes)] = codes
        table[t, len(codes) :] = codes[-1]
    return thresholds, table


def _steps(rows: Int32) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Nearest search among ascending rows as (cuts, index of each piece); of equal rows the first is meant."""
    values, first = np.unique(rows.astype(np.int64), return_index=True)
    # acc is nearer to b than to a < b, strictly, exactly if acc > floor((a + b) / 2): a tie goes to the lower row.
    return (values[:-1] + values[1:]) >> 1, first


def _clip(
    kind: str, cuts: NDArray[np.int64], codes: NDArray[np.intp], cap: int | None
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """The step function of max(acc, 0), or of min(max(acc, 0), cap)."""
    if kind == "identity":
        return cuts, codes
    keep = cuts >= 0
    if cap is not None:
        keep &= cuts < cap
    start = int((cuts < 0).sum())
    return cuts[keep], codes[start : start + int(keep.sum()) + 1]


def _merge(cuts: NDArray[np.int64], codes: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Drop cuts between equal codes."""
    change = codes[1:] != codes[:-1]
    return cuts[change], np.concatenate([codes[:1], codes[1:][change]])
