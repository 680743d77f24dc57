"""The weights that ``rapidnn bench cluster`` clusters, and the least error they allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.composer.histogram import key_values
from rapidnn.composer.points import thin
from rapidnn.tables.program import Float64

SEED = 0
OUTLIER = 300.0
VGG16 = "vgg16"
WORKLOADS = ("normal", "outlier", VGG16)

_EXACT = 1 << 17
_FINE = 1024
_LLOYD_ROUNDS = 500
_KEY_BITS = 24


def weights(workload: str, points: int) -> Iterator[NDArray[np.float32]]:
    """Tensors to cluster one by one, always the same for the same arguments.

    ``normal`` is one tensor of ``points`` standard normal values; ``outlier`` the same with one value set to 300
    times the greatest magnitude; ``vgg16`` the 16 weight tensors of VGG-16, normal with the variance 2 / fan-in
    (``points`` is not used).
    """
    rng = np.random.default_rng(SEED)
    if workload == VGG16:
        for shape in _vgg16_shapes():
            tensor = rng.standard_normal(shape, dtype=np.float32)
            tensor *= np.float32(np.sqrt(2 / shape[1]))
            yield tensor
        return
    tensor = rng.standard_normal(points, dtype=np.float32)
    if workload == "outlier":
        tensor[points // 3] = OUTLIER * np.abs(tensor).max()
    yield tensor


def vgg16_points() -> int:
    """Number of weights of VGG-16 without biases."""
    return sum(outputs * inputs for outputs, inputs in _vgg16_shapes())


def _vgg16_shapes() -> list[tuple[int, int]]:
    """Outputs and inputs per output: Simonyan and Zisserman 2015, table 1, column D."""
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    convolutions = [(after, 9 * before) for before, after in pairwise(channels)]
    return [*convolutions, (4096, 512 * 7 * 7), (4096, 4096), (1000, 4096)]


@dataclass(frozen=True, eq=False)
class Truth:
    """A tensor's values, ascending, with their counts, to judge centers by.

    Over 131,072 values they are means of bins of 24-bit float keys, whose inner spread (a relative 2**-15) is far
    below any codebook's error.
    """

    values: Float64
    counts: Float64

    @classmethod
    def of(cls, x: NDArray[np.float32]) -> Truth:
        """Count a tensor's values."""
        if x.size <= _EXACT:
            values, counts = np.unique(x, return_counts=True)
            return cls(values.astype(np.float64), counts.astype(np.float64))
        bins, low_sums = np.zeros((2, 1 << _KEY_BITS), np.int64)
        _native.add_to_histogram(x.reshape(-1), bins, low_sums, 1)
        used = np.flatnonzero(bins)
        keys = used >> (_KEY_BITS - 16)
        first, last = key_values(keys, 0), key_values(keys, 0xFFFF)
        counts = bins[used]
        return cls(first + (last - first) * (low_sums[used] / counts / 0xFFFF), counts.astype(np.float64))

    def error(self, centers: Float64) -> float:
        """Sum of squared distances to the nearest of ascending centers."""
        index = np.searchsorted((centers[1:] + centers[:-1]) / 2, self.values)
        return float(self.counts @ (self.values - centers[index]) ** 2)

    def optimum(self, k: int) -> float:
        """The least error of ``k`` centers.

        Exact up to 131,072 distinct values; beyond, the optimum on 32,768 groups of them, improved by Lloyd's iteration
        on all until it stands still.
        """
        if len(self.values) <= _EXACT:
            return float(_native.kmeans(self.values, self.counts, k, False)[2])
        centers = _native.kmeans(*thin((self.values, self.counts), _FINE), k, False)[0]
        mass = np.append(0.0, np.cumsum(self.counts))
        moment = np.append(0.0, np.cumsum(self.counts * self.values))
        cuts: NDArray[np.intp] | None = None
        for _ in range(_LLOYD_ROUNDS):
            inner = np.searchsorted(self.values, (centers[1:] + centers[:-1]) / 2)
            if cuts is not None and (inner == cuts).all():
                break
            cuts = inner
            ends = np.concatenate([[0], inner, [len(self.values)]])
            centers = np.diff(moment[ends]) / np.diff(mass[ends])
        return self.error(centers)
