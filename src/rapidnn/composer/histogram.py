"""A histogram over float keys: what calibration and clustering see of millions of values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.composer.pieces import pieces

BINS = 1 << 16
_NON_FINITE_EXPONENT = 0x7F80  # the bfloat16 pattern of infinity; larger magnitudes are NaN


class Histogram:
    """Counts of float32 values per float key, the top 16 bits of the ordered bit pattern.

    Bins are narrow relative to their value (2**-7), so one outlier cannot ruin them. Only integers are added, hence
    merging is exact and independent of order; a bin's mean is exact too (see ``src/native/kernels.h``).
    """

    def __init__(self) -> None:
        self.counts = np.zeros(BINS, np.int64)
        self.low_sums = np.zeros(BINS, np.int64)

    def add(self, x: NDArray[np.float32], threads: int = 1) -> None:
        """Count all values of ``x`` (float32, any shape; streamed, so a memory-mapped array is never copied)."""
        for (piece,) in pieces([x], [np.float32]):
            _native.add_to_histogram(piece, self.counts, self.low_sums, threads)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts to this one."""
        # Only what is occupied: of the thousands of histograms of a deep network most memory stays untouched.
        keys = np.flatnonzero(other.counts)
        self.counts[keys] += other.counts[keys]
        self.low_sums[keys] += other.low_sums[keys]

    @property
    def finite(self) -> bool:
        """Whether every value counted was finite."""
        return finite_keys(self.counts > 0)

    @property
    def total(self) -> int:
        """Number of values counted."""
        return int(self.counts.sum())

    def zero_share(self) -> float:
        """Share of values that are zero (or denormal)."""
        return float(self.counts[BINS // 2 - 1 : BINS // 2 + 1].sum()) / max(1, self.total)

    def points(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The distribution as weighted points: the mean of each occupied bin, ascending, and its count, float64."""
        keys = np.flatnonzero(self.counts)
        counts = self.counts[keys]
        low_edge, high_edge = key_values(keys, 0), key_values(keys, 0xFFFF)
        mean_low = self.low_sums[keys] / counts / 0xFFFF
        means = low_edge + (high_edge - low_edge) * mean_low
        # Both zeros, and denormals, count as zero.
        means[(keys == BINS // 2) | (keys == BINS // 2 - 1)] = 0.0
        values, index = np.unique(means, return_inverse=True)
        weights = np.zeros(len(values))
        np.add.at(weights, index, counts)
        return values, weights


def finite_keys(occupied: NDArray[np.bool_]) -> bool:
    """Whether only keys of finite values are marked: bool ``(65536,)``."""
    middle = BINS // 2  # negative values lie below it, the largest magnitudes at the ends
    return not (
        occupied[: middle - _NON_FINITE_EXPONENT].any() or occupied[middle + _NON_FINITE_EXPONENT :].any()
    )


def key_values(keys: NDArray[np.intp], low: NDArray[np.int64] | int) -> NDArray[np.float64]:
    """The floats with these keys and low 16 bits of the ordered pattern, float64."""
    ordered = (keys.astype(np.uint32) << np.uint32(16)) | np.asarray(low, np.uint32)
    positive = ordered >> np.uint32(31) != 0
    bits = np.where(positive, ordered ^ np.uint32(0x80000000), ~ordered)
    return bits.view(np.float32).astype(np.float64)
