"""Millions of values as a few thousand weighted points, on which clustering is as good as on the values themselves.

Two steps. *Bins*: values are counted by float key (``src/native/kernels.h``), by a finer one where the next formula
asks for it. *Thinning*: neighbouring points become one. Both are judged by how many cells of the codebook to be an
interval will get: for large codebooks the density of optimal cells is proportional to the cube root of the values'
density (Panter and Dite, "Quantization distortion in pulse-count modulation with nonuniform spacing of levels", 1951),
so an interval of width ``d`` and mass ``m`` gets ``e = size * cbrt(d**2 m) / (the sum of all cbrt(d**2 m))`` cells.
An outlier has little mass, hence claims few cells and costs the others nothing.

Only integers are added, so points do not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.composer.histogram import BINS, finite_keys, key_values
from rapidnn.composer.pieces import pieces, thread_count
from rapidnn.errors import ComposeError
from rapidnn.tables.program import Float64

Points = tuple[Float64, Float64]
"""Ascending distinct values and their weights, float64."""

DEFAULT_SIZE = 64

_SORTED = 1 << 15
"""At most so many values are sorted rather than counted in bins."""

_BINS_PER_CELL = 16
_POINTS_PER_CELL = 32
_FEW = 512
_MAX_SLOTS = 1 << 21
"""Bins of one pass: 16 MiB a thread."""

_PASSES = 4
_IMPORTANCE_BITS = 40
_UNUSED = 17
_NOT_FINITE = "weights hold NaN or infinity, which no codebook can stand for"


def weighted_points(
    x: NDArray[np.float32],
    importance: NDArray[np.floating] | None = None,
    *,
    size: int = DEFAULT_SIZE,
    threads: int | None = None,
) -> Points:
    """The values of ``x`` as points for a codebook of at most ``size`` values.

    Parameters
    ----------
    x
        float32 of any shape; streamed, so a memory-mapped array is never copied whole.
    importance
        Non-negative weight of each element's squared error, of the shape of ``x`` (the diagonal of the Hessian, or mean
        squared gradients); default 1 each. Multiples of 2**-40 of the largest count exactly and what is below
        is rounded to them. If all are zero they count as equal.
    size
        The size of the codebook the points are meant for.
    threads
        Default as many as there are processors; the result does not depend on it.

    Returns
    -------
    Ascending distinct values and their weights. Up to 512 distinct values, or 32 for each codebook value, come as
    they are; more are grouped so that the optimal codebook of the groups has at most 1.001 times the error of that of
    the values (tested on normal, long-tailed and narrow distributions).

    Raises
    ------
    ComposeError
        If a value is NaN or infinite, or an importance is negative, NaN, infinite or of another shape.
    """
    weights = None if importance is None else _checked(x, importance)
    if x.size <= _SORTED:
        return thin(_distinct(np.asarray(x, np.float32), weights), size)
    return thin(_binned(x, weights, size, thread_count(threads)), size)


def thin(points: Points, size: int) -> Points:
    """Group neighbouring points until a cell of a codebook of ``size`` values has about 32; zero stays alone."""
    values, weights = points
    if len(values) <= max(_FEW, _POINTS_PER_CELL * size):
        return points
    gaps = np.diff(values)
    width = 0.5 * (np.append(gaps[0], gaps) + np.append(gaps, gaps[-1]))
    claim = np.cbrt(width * width * weights)
    # A lone point beyond a wide gap claims no more than a cell.
    claim = np.minimum(claim, claim.sum() / size)
    total = np.cumsum(claim)
    group = np.floor((total - 0.5 * claim) * (_POINTS_PER_CELL * size / total[-1]))
    starts = np.flatnonzero(np.append(True, (np.diff(group) > 0) | (values[1:] == 0) | (values[:-1] == 0)))
    mass = np.add.reduceat(weights, starts)
    return np.add.reduceat(values * weights, starts) / mass, mass


def _checked(x: NDArray[np.float32], importance: NDArray[np.floating]) -> NDArray[np.floating] | None:
    if importance.shape != x.shape:
        raise ComposeError(f"importance of shape {importance.shape}: expected that of the values, {x.shape}")
    peak = float(importance.max(initial=0.0))
    if not (np.isfinite(peak) and float(importance.min(initial=0.0)) >= 0):
        raise ComposeError("importance: expected finite numbers of at least 0")
    return importance if peak > 0 else None


def _distinct(x: NDArray[np.float32], importance: NDArray[np.floating] | None) -> Points:
    if not np.isfinite(x).all():
        raise ComposeError(_NOT_FINITE)
    values, inverse = np.unique(x, return_inverse=True)
    weights = np.bincount(
        inverse.reshape(-1), None if importance is None else importance.reshape(-1), len(values)
    )
    kept = weights > 0
    return values[kept].astype(np.float64), weights[kept].astype(np.float64)


@dataclass(frozen=True, eq=False)
class _Bins:
    """Key ``k`` owns the slots from ``first[k]``, one for each value of the low 16 bits >> ``shift[k]``.

    A key that does not occur has the shift 17 here and shares the first slot.
    """

    first: NDArray[np.uint32]
    shift: NDArray[np.uint8]
    keys: NDArray[np.intp]
    """The key of every slot."""

    @classmethod
    def of(cls, shift: NDArray[np.uint8]) -> _Bins:
        used = np.flatnonzero(shift < _UNUSED)
        slots = 1 << (16 - shift[used].astype(np.int64))
        first = np.zeros(BINS, np.uint32)
        first[used] = np.cumsum(slots) - slots
        return cls(first, shift, np.repeat(used, slots))

    @property
    def shifts(self) -> NDArray[np.uint8]:
        """``shift`` as the native code takes it."""
        return np.minimum(self.shift, np.uint8(16))


def _binned(
    x: NDArray[np.float32], importance: NDArray[np.floating] | None, size: int, threads: int
) -> Points:
    bins, counts, low_sums = _first_bins(x, size, threads)
    mass, low = counts.astype(np.float64), low_sums.astype(np.float64)
    if importance is not None:
        mass, low = _weigh(x, importance, bins, threads)
    for _ in range(_PASSES - 1):
        shift = _finer(bins, mass, size, exact=importance is None)
        if (shift == bins.shift).all():
            break
        bins = _Bins.of(shift)
        mass, low = _count(x, bins, threads) if importance is None else _weigh(x, importance, bins, threads)
    return _means(bins, mass, low)


def _first_bins(
    x: NDArray[np.float32], size: int, threads: int
) -> tuple[_Bins, NDArray[np.int64], NDArray[np.int64]]:
    """Counts by a key of as many bits as the size is likely to ask for, on the keys that occur."""
    extra = min(max(size // 16, 1).bit_length() - 1, 4)
    counts, low_sums = np.zeros((2, BINS << extra), np.int64)
    for (piece,) in pieces([x], [np.float32]):
        _native.add_to_histogram(piece, counts, low_sums, threads)
    counts, low_sums = counts.reshape(BINS, -1), low_sums.reshape(BINS, -1)
    occupied = np.asarray(counts.any(axis=1), np.bool_)
    if not finite_keys(occupied):
        raise ComposeError(_NOT_FINITE)
    bins = _Bins.of(np.where(occupied, 16 - extra, _UNUSED).astype(np.uint8))
    return bins, counts[occupied].reshape(-1), low_sums[occupied].reshape(-1)


def _count(x: NDArray[np.float32], bins: _Bins, threads: int) -> Points:
    counts, low = np.zeros((2, len(bins.keys)), np.int64)
    for (piece,) in pieces([x], [np.float32]):
        _native.count_fine(piece, bins.first, bins.shifts, counts, low, threads)
    return counts.astype(np.float64), low.astype(np.float64)


def _weigh(x: NDArray[np.float32], importance: NDArray[np.floating], bins: _Bins, threads: int) -> Points:
    exponent = _IMPORTANCE_BITS - int(np.frexp(float(importance.max()))[1])
    words = np.zeros(4 * len(bins.keys), np.uint64)
    for values, weights in pieces([x, importance], [np.float32, np.float64]):
        _native.weigh_fine(values, weights, exponent, bins.first, bins.shifts, words, threads)
    low_word, high_word = words[0::2].astype(np.float64), words[1::2].astype(np.float64)
    mass, low = np.ldexp(low_word + high_word * 2.0**64, -exponent).reshape(-1, 2).T
    return mass, low


def _extent(bins: _Bins, slots: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The least and the greatest low 16 bits of these slots."""
    keys = bins.keys[slots]
    shift = bins.shift[keys].astype(np.int64)
    least = (slots - bins.first[keys].astype(np.int64)) << shift
    return least, least + (1 << shift) - 1


def _finer(bins: _Bins, mass: Float64, size: int, *, exact: bool) -> NDArray[np.uint8]:
    """Each key's shift at which none of its bins spans more than a sixteenth of a cell."""
    slots = np.flatnonzero(mass)
    keys = bins.keys[slots]
    least, greatest = _extent(bins, slots)
    width = key_values(keys, greatest) - key_values(keys, least)
    if exact:
        width[mass[slots] == 1] = 0.0  # the mean of one value is that value
    claim = np.cbrt(width * width * mass[slots])
    shift = bins.shift.astype(np.int64)
    if not claim.any():
        return bins.shift
    cells = size * np.minimum(claim / claim.sum(), 1.0)
    more = np.zeros(len(slots), np.int64)
    wide = cells * _BINS_PER_CELL > 1
    more[wide] = np.ceil(np.log2(cells[wide] * _BINS_PER_CELL)).astype(np.int64)
    starts = np.flatnonzero(np.append(True, np.diff(keys) > 0))
    shift[keys[starts]] -= np.maximum.reduceat(more, starts)
    shift = np.maximum(shift, 0)
    occupied = keys[starts]
    while int((1 << (16 - shift[occupied])).sum()) > _MAX_SLOTS:
        shift[occupied] = np.maximum(shift[occupied], shift[occupied].min() + 1)
    return shift.astype(np.uint8)


def _means(bins: _Bins, mass: Float64, low: Float64) -> Points:
    slots = np.flatnonzero(mass)
    keys = bins.keys[slots]
    first, last = key_values(keys, 0), key_values(keys, 0xFFFF)
    means = first + (last - first) * (low[slots] / mass[slots] / 0xFFFF)
    means[(keys == BINS // 2) | (keys == BINS // 2 - 1)] = 0.0  # both zeros, and the denormals beside them
    values, inverse = np.unique(means, return_inverse=True)
    return values, np.bincount(inverse, mass[slots], len(values)).astype(np.float64)
