"""Product tables as a few byte dot products and a small residual that is looked up.

A composed table is a rounded outer product, so integers of one byte come close to it: P[i, j] = sum over r of
a[r, i] * b[r, j] + e[i, j], exactly, with e of a few units. Dot products of bytes are many times faster than
look-ups, and small residuals can be summed in 8 bits for many taps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.splitting import leading_pair
from rapidnn.tables.program import Int32, UInt8

MAX_RANKS = 8
_SCALES = 40
_ROUNDS = 2
_LOOK_UP, _WIDEN, _DOT, _FAR_DOT = 1.0, 1.75, 0.12, 0.4
"""Cycles for 64 products on AVX-512 with AMX: a look-up with its addition, a widening, one rank of a dot product (twice
what the tiles take), and one whose weights come from beyond a core's cache.
"""

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Split:
    """``weights`` int64 ``(R, w)`` within int8; ``inputs`` int64 ``(R, u)``, each row in the range of a byte;
    ``least`` int64 ``(u,)`` belongs to every weight; ``residual`` uint8 ``(u, w)``, at most ``peak``; ``cost`` an
    estimate of cycles for 64 products.
    """

    weights: NDArray[np.int64]
    inputs: NDArray[np.int64]
    least: NDArray[np.int64]
    residual: UInt8
    peak: int
    cost: float

    @property
    def segment(self) -> int:
        """How many residuals may be added in 8 bits."""
        return 255 // max(1, self.peak)


def split_products(products: NDArray[np.integer], *, large: bool = False) -> Split | None:
    """The cheapest split of a product table ``(w, u)``; None where no residual fits a byte (tables without structure).

    The residual's least value for each input code is taken out of it. ``large`` says that the layer's
    weights exceed a core's cache, so that ranks cost more.
    """
    table = products.astype(np.int64)
    rest = table.astype(np.float64)
    weights: list[NDArray[np.int64]] = []
    inputs: list[NDArray[np.int64]] = []
    best: tuple[float, Split] | None = None
    for rank in range(1, MAX_RANKS + 1):
        a, b = _nearest_outer(rest)
        weights.append(a)
        inputs.append(b)
        rest = rest - np.outer(a, b)
        least = rest.min(axis=0).astype(np.int64)
        left = rest.astype(np.int64) - least
        peak = int(left.max())
        if peak > 255 or max(0, least.max()) - min(0, least.min()) > 255:
            continue
        cost = _LOOK_UP + _WIDEN / (255 // max(1, peak)) + (_FAR_DOT if large else _DOT) * rank
        if best is None or cost < best[0]:
            found = Split(np.stack(weights), np.stack(inputs), least, left.T.astype(np.uint8), peak, cost)
            best = cost, found
    if best is None:
        return None
    split = best[1]
    # Everything above is rounding; this is what makes it exact.
    whole = split.weights.T @ split.inputs + split.least + split.residual.T
    return split if np.array_equal(whole, table) else None


def _nearest_outer(rest: Float64) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Byte vectors whose outer product leaves the smallest range in each column, among several scales."""
    left, right = leading_pair(rest)
    if not right.any():
        return np.zeros(len(left), np.int64), np.zeros(len(right), np.int64)
    if abs(right.min()) > abs(right.max()):
        left, right = -left, -right
    limit = 255 if right.min() >= 0 else 127
    low, high = float(np.abs(right).max()) / limit, 127 / max(float(np.abs(left).max()), 1e-300)
    if low >= high:  # the product is too large for two bytes: the next rank takes what is left
        low = high = float(np.sqrt(low * high))
    best: tuple[float, NDArray[np.int64], NDArray[np.int64]] | None = None
    for scale in np.geomspace(max(low, 1e-12), max(high, 1e-12), _SCALES if low < high else 1):
        a = np.clip(np.rint(left * scale), -127, 127)
        b = np.clip(np.rint(right / scale), -127 if limit == 127 else 0, limit)
        for _ in range(_ROUNDS):
            peak = float(np.ptp(rest - np.outer(a, b), axis=0).max())
            if best is None or peak < best[0]:
                best = peak, a.astype(np.int64), b.astype(np.int64)
            if not a.any() or not b.any():
                break
            b = np.clip(np.rint(a @ rest / (a @ a)), -127 if limit == 127 else 0, limit)
            if b.any():
                a = np.clip(np.rint(rest @ b / (b @ b)), -127, 127)
    assert best is not None
    return best[1], best[2]


def residual_table(split: Split) -> UInt8:
    """The residual as the kernels look it up: uint8 ``(u, 64)``."""
    u, w = split.residual.shape
    table = np.zeros((u, 64), np.uint8)
    table[:, :w] = split.residual
    return table


def offsets(split: Split) -> Int32:
    """What makes bytes of each rank's input values: 0 where none is negative, else the least one's magnitude."""
    return np.asarray(np.maximum(0, -split.inputs.min(axis=1)), np.int32)
