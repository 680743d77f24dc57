"""A histogram over float keys: what calibration and clustering see of millions of values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native

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

    def add(self, x: NDArray[np.float32]) -> None:
        """Count all values of ``x`` (float32, any shape)."""
        _native.add_to_histogram(np.ascontiguousarray(x, np.float32).reshape(-1), self.counts, self.low_sums)

    def merge(self, other: Histogram) -> None:
        """Add another histogram's counts to this one."""
        self.counts += other.counts
        self.low_sums += other.low_sums

    @property
    def finite(self) -> bool:
        """Whether every value counted was finite."""
        ordered = np.arange(BINS)
        magnitude = np.where(ordered >= BINS // 2, ordered - BINS // 2, BINS // 2 - 1 - ordered)
        return not self.counts[magnitude >= _NON_FINITE_EXPONENT].any()

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
        low_edge, high_edge = _value(keys, 0), _value(keys, 0xFFFF)
        mean_low = self.low_sums[keys] / counts / 0xFFFF
        means = low_edge + (high_edge - low_edge) * mean_low
        # Both zeros, and denormals, count as zero.
        means[(keys == BINS // 2) | (keys == BINS // 2 - 1)] = 0.0
        values, index = np.unique(means, return_inverse=True)
        weights = np.zeros(len(values))
        np.add.at(weights, index, counts)
        return values, weights


def _value(keys: NDArray[np.intp], low: int) -> NDArray[np.float64]:
    ordered = (keys.astype(np.uint32) << np.uint32(16)) | np.uint32(low)
    positive = ordered >> np.uint32(31) != 0
    bits = np.where(positive, ordered ^ np.uint32(0x80000000), ~ordered)
    return bits.view(np.float32).astype(np.float64)
