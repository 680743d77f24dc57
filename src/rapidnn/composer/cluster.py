"""Codebooks: optimal 1-D clustering and the snap of its centers to a fixed-point grid (SPEC section 2, step 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.composer.pieces import pieces, spread, thread_count
from rapidnn.composer.points import Points, weighted_points
from rapidnn.tables.program import Float64, Int32, UInt8

__all__ = [
    "SnappedCodebook",
    "cluster",
    "cluster_all",
    "encode",
    "exact_thresholds",
    "midpoints",
    "weighted_points",
]

WIDE_OPERAND_BITS = 16
SNAP_TOLERANCE = 1.05
"""A codebook whose snapped error exceeds this multiple of the unsnapped one gets 16-bit operands."""

_SCALE_CANDIDATES = 64


@dataclass(frozen=True, eq=False)
class SnappedCodebook:
    """``values`` int32 ``(n,)`` strictly ascending on a ``bits`` grid, real value = value x ``scale``.

    ``sse`` is the weighted squared error of the clustered points about the snapped values, ``optimal_sse`` about the
    unsnapped optimum.
    """

    values: Int32
    scale: float
    bits: int
    sse: float
    optimal_sse: float


def cluster(points: Points, size: int, operand_bits: int, *, hold_zero: bool = False) -> SnappedCodebook:
    """The codebook of at most ``size`` values with the least squared error, on the operand grid.

    This is :func:`cluster_all` for one set of :func:`~rapidnn.composer.points.weighted_points`.
    """
    return cluster_all([points], size, operand_bits, hold_zero=hold_zero)[0]


def cluster_all(
    sets: list[Points], size: int, operand_bits: int, *, hold_zero: bool = False, threads: int | None = None
) -> list[SnappedCodebook]:
    """One codebook for each set of points, all on grids of the same width.

    Parameters
    ----------
    sets
        Ascending distinct values and their weights, float64.
    size
        At most this many values, 1 to 256; fewer where points are fewer or values fall together on the grid.
    operand_bits
        8 or 16. At 8, a snapped error (summed over the sets) above 1.05 of the unsnapped one is answered with 16.
    hold_zero
        Whether the exact value 0 must be one of the values.
    threads
        Default as many as there are processors; the result does not depend on it.
    """
    optima = spread(lambda points: _native.kmeans(*points, size, hold_zero), sets, threads)
    masses = [
        np.diff(np.concatenate([[0.0], np.cumsum(weights)])[ends], prepend=0.0)
        for (_, ends, _), (_, weights) in zip(optima, sets, strict=True)
    ]

    def snap(bits: int) -> list[SnappedCodebook]:
        return [on_grid(centers, m, sse, bits) for (centers, _, sse), m in zip(optima, masses, strict=True)]

    books = snap(operand_bits)
    # Below the resolution of the sums themselves an error is none.
    resolution = 1e-12 * sum(float(weights @ (values * values)) for values, weights in sets)
    tolerated = SNAP_TOLERANCE * sum(sse for _, _, sse in optima) + resolution
    if operand_bits < WIDE_OPERAND_BITS and sum(book.sse for book in books) > tolerated:
        books = snap(WIDE_OPERAND_BITS)
    return books


def on_grid(centers: Float64, mass: Float64, optimal: float, bits: int) -> SnappedCodebook:
    """Round centers to a grid whose scale has the least error; unsigned where no center is negative.

    Scales from the exact fit of the largest center down to half of it are tried (a coarser grid never fits better than
    both its halves); the largest center may be clipped to the grid's end by at most one step.
    """
    low, high = (0, 2**bits - 1) if centers[0] >= 0 else (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
    peak = float(np.abs(centers).max())
    if peak == 0.0:
        return SnappedCodebook(np.zeros(1, np.int32), 1.0, bits, optimal, optimal)
    scales = peak / np.linspace(high / 2, high + 1, _SCALE_CANDIDATES * 2 + 1)
    grid = np.clip(np.rint(centers / scales[:, np.newaxis]), low, high)
    added = ((grid * scales[:, np.newaxis] - centers) ** 2) @ mass
    best = int(added.argmin())
    values = np.unique(grid[best]).astype(np.int32)
    return SnappedCodebook(values, float(scales[best]), bits, optimal + float(added[best]), optimal)


def midpoints(values: Int32, scale: float) -> Float64:
    """Real midpoints between neighbours of a codebook, float64."""
    wide = values.astype(np.float64)
    return np.asarray((wide[:-1] + wide[1:]) * (0.5 * scale))


def encode(x: NDArray[np.float32], values: Int32, scale: float, *, threads: int | None = None) -> UInt8:
    """Code of the nearest codebook value for each element, on a tie the lower: uint8 of the same shape.

    ``x`` is compared with the midpoints rounded to float32; NaN takes the last code. It is streamed: a memory-mapped
    array is never copied whole. The result does not depend on the number of threads.
    """
    mids = midpoints(values, scale).astype(np.float32)
    codes = np.empty(x.shape, np.uint8)
    for piece, target in pieces([x, codes], [np.float32, np.uint8], write_last=True):
        _native.encode(piece, mids, target, thread_count(threads))
    return codes


def exact_thresholds(values: Int32, scale: float) -> NDArray[np.float32]:
    """For each midpoint the largest float32 not above it, so that ``x > threshold`` equals ``x > midpoint`` exactly.

    The midpoint ``(a + b) * scale / 2`` is compared in exact rational arithmetic (SPEC section 1, first layer).
    """
    from fractions import Fraction

    result = []
    for a, b in zip(values[:-1].tolist(), values[1:].tolist(), strict=True):
        exact = Fraction(scale) * (a + b) / 2
        limit = float(np.finfo(np.float32).max)
        candidate = np.float32(min(max(float(exact), -limit), limit))
        while Fraction(float(candidate)) > exact and candidate > -limit:
            candidate = np.nextafter(candidate, np.float32(-np.inf))
        result.append(candidate)
    return np.array(result, np.float32)
