"""Tree codebooks: nested codebooks in which dropping low bits of a code leaves a coarser one (SPEC section 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.composer.cluster import SNAP_TOLERANCE, WIDE_OPERAND_BITS, SnappedCodebook, midpoints
from rapidnn.composer.points import Points
from rapidnn.errors import ComposeError
from rapidnn.tables.program import Float64, Int32

MAX_DEPTH = 8
_SCALES = 129


@dataclass(frozen=True, eq=False)
class TreeCodebook:
    """``levels[L - 1]`` is the codebook of level L, with exactly 2**L values; the last one holds the leaves.

    The code of level L is the leaf's code >> (depth - L), and the leaf is the nearest one. A level's ``sse`` is the
    weighted squared error of the points read that way, its ``optimal_sse`` that of the best flat codebook of as many
    values, before snapping.
    """

    levels: tuple[SnappedCodebook, ...]

    @property
    def depth(self) -> int:
        """Number of levels: the leaves' codes have so many bits."""
        return len(self.levels)

    @property
    def leaves(self) -> SnappedCodebook:
        """The deepest level, which is searched."""
        return self.levels[-1]


def tree_codebook(
    points: Points,
    depth: int,
    operand_bits: int,
    *,
    optimal_level: int | None = None,
    hold_zero: bool = False,
) -> TreeCodebook:
    """The tree of 2**depth leaves that is optimal at one level.

    At that level the cells are those of the best flat codebook. Above, neighbours are joined in pairs, as codes demand;
    below, each cell is split in two, the best way each time. The leaves on both sides of a border between cells
    are moved, as little as their masses weigh, until their midpoint is the border, so that the search among leaves
    finds the cells again. Values are the means of the points whose nearest leaf lies below them.

    Where there are fewer distinct points than leaves, the tree keeps its size: a leaf without points gets a value
    between its neighbours' (or a grid step above the last), so that codebooks ascend strictly.

    Parameters
    ----------
    points
        Ascending distinct values and their weights, float64 (:func:`~rapidnn.composer.points.weighted_points`).
    depth
        1 to 8.
    operand_bits
        8 or 16, for all levels; each has its own scale. At 8, 16 is taken if the snap costs a level more than 1.05 of
        its error (SPEC section 2), or the grid has fewer steps than the leaves need.
    optimal_level
        1 to ``depth``, the default.
    hold_zero
        Whether the exact value 0 must be in every level: then the ancestors of the leaf 0 are 0 too.

    Raises
    ------
    ComposeError
        If depth or level is out of range.
    """
    level = depth if optimal_level is None else optimal_level
    if not 1 <= depth <= MAX_DEPTH:
        raise ComposeError(f"tree depth {depth}: expected 1 to {MAX_DEPTH}")
    if not 1 <= level <= depth:
        raise ComposeError(f"optimal_level={level}: expected 1 to the tree's depth, {depth}")
    optima = [_native.kmeans(*points, 2**d, hold_zero)[2] for d in range(1, depth + 1)]
    cells = _Cells.optimal(points, level, hold_zero)
    leaves = cells
    for _ in range(level, depth):
        leaves = leaves.split(points)
    values = leaves.filled()
    if level < depth:
        values = _meet_borders(values, leaves, cells.filled(), points[1])
    narrow = _snap_levels(points, values, leaves.zero, operand_bits, optima)
    if narrow is not None:
        return narrow
    wide = _snap_levels(points, values, leaves.zero, WIDE_OPERAND_BITS, optima)
    assert wide is not None
    return wide


@dataclass(frozen=True, eq=False)
class _Cells:
    """Cell c has the points from ``ends[c - 1]`` to ``ends[c]`` and the mean ``centers[c]``, NaN where it has none.

    ``zero`` is the cell whose value is held at zero, or None.
    """

    centers: Float64
    ends: NDArray[np.int64]
    zero: int | None

    @classmethod
    def optimal(cls, points: Points, level: int, hold_zero: bool) -> _Cells:
        """The best flat codebook, spread over 2**level cells where there are fewer points."""
        found, found_ends, _ = _native.kmeans(*points, 2**level, hold_zero)
        places = np.arange(len(found)) * 2**level // len(found)
        centers = np.full(2**level, np.nan)
        centers[places] = found
        ends = found_ends[np.searchsorted(places, np.arange(2**level), side="right") - 1]
        return cls(centers, ends, int(np.flatnonzero(centers == 0)[0]) if hold_zero else None)

    def split(self, points: Points) -> _Cells:
        """Each cell in two, with the least error; a cell of one point in itself and an empty one."""
        values, weights = points
        centers = np.full(2 * len(self.centers), np.nan)
        ends = np.repeat(self.ends, 2)
        zero = None
        for cell, end in enumerate(self.ends.tolist()):
            start = 0 if cell == 0 else int(self.ends[cell - 1])
            held = cell == self.zero
            if start == end:
                centers[2 * cell] = 0.0 if held else np.nan
                found = centers[2 * cell : 2 * cell + 1]
            else:
                found, parts, _ = _native.kmeans(values[start:end], weights[start:end], 2, held)
                centers[2 * cell : 2 * cell + len(found)] = found
                ends[2 * cell] = start + int(parts[0])
            if held:
                zero = 2 * cell + int(np.flatnonzero(found == 0)[0])
        return _Cells(centers, ends, zero)

    def filled(self) -> Float64:
        """Centers with values between their neighbours' for cells without points."""
        real = np.flatnonzero(~np.isnan(self.centers))
        return np.interp(np.arange(len(self.centers)), real, self.centers[real])


def _meet_borders(values: Float64, leaves: _Cells, cells: Float64, weights: Float64) -> Float64:
    """Move the leaves beside each border between cells until their midpoint is the midpoint of the cells' values."""
    values = values.copy()
    mass = np.diff(np.append(0.0, np.cumsum(weights))[leaves.ends], prepend=0.0)
    each = len(values) // len(cells)
    for border in range(each, len(values), each):
        below, above = border - 1, border
        middle = 0.5 * (cells[border // each - 1] + cells[border // each])
        missing = 2 * middle - values[below] - values[above]
        total = mass[below] + mass[above]
        share = 0.5 if total == 0 else mass[above] / total
        if leaves.zero in (below, above):
            share = 0.0 if leaves.zero == below else 1.0
        moved_below, moved_above = values[below] + missing * share, values[above] + missing * (1 - share)
        beyond = values[above + 1] if above + 1 < len(values) else np.inf
        if values[below - 1] < moved_below < moved_above < beyond:
            values[below], values[above] = moved_below, moved_above
    return values


def _snap_levels(
    points: Points, leaves: Float64, zero: int | None, bits: int, optima: list[float]
) -> TreeCodebook | None:
    """All levels on grids of so many bits; None if the grid is too coarse and a finer one is to be had."""
    x, weights = points
    depth = len(optima)
    resolution = 1e-12 * float(weights @ (x * x))
    levels: list[SnappedCodebook] = []
    codes = np.searchsorted((leaves[1:] + leaves[:-1]) / 2, x)
    means = leaves
    for level in range(depth, 0, -1):
        at = codes >> (depth - level)
        held = None if zero is None else zero >> (depth - level)
        if level < depth:
            means = _means(x, weights, at, 2**level, held, levels[-1])
        plain = float(weights @ (x - means[at]) ** 2)
        snapped = _snap(means, np.bincount(at, weights, 2**level).astype(np.float64), held, bits)
        if snapped is None:
            return None
        values, scale = snapped
        if level == depth:
            codes = at = np.searchsorted(midpoints(values, scale), x)
        error = float(weights @ (x - values[at] * scale) ** 2)
        if bits < WIDE_OPERAND_BITS and error > SNAP_TOLERANCE * plain + resolution:
            return None
        levels.append(SnappedCodebook(values, scale, bits, error, optima[level - 1]))
    return TreeCodebook(tuple(reversed(levels)))


def _means(
    x: Float64, weights: Float64, at: NDArray[np.intp], size: int, held: int | None, below: SnappedCodebook
) -> Float64:
    """Mean of each cell's points; of its two values below where it has none."""
    mass, moment = np.bincount(at, weights, size), np.bincount(at, weights * x, size)
    means: Float64 = below.values.reshape(-1, 2).mean(axis=1) * below.scale
    means[mass > 0] = moment[mass > 0] / mass[mass > 0]
    if held is not None:
        means[held] = 0.0
    return means


def _snap(means: Float64, mass: Float64, zero: int | None, bits: int) -> tuple[Int32, float] | None:
    """Strictly ascending grid values near the means, and the scale with the least error; None if there is no room."""
    negatives = int((means < 0).sum()) if zero is None else zero
    signed = negatives > 0
    low, high = (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    size = len(means)
    if size > high - low + 1 or (zero is not None and (zero > -low or size - 1 - zero > high)):
        return None
    peak = float(np.abs(means).max()) or 1.0
    scales = peak / np.linspace(high / 2, high + 1, _SCALES)
    grid = np.rint(means / scales[:, np.newaxis])
    place = np.arange(size)
    if zero is None:
        grid = np.clip(_ascend(grid, place), low + place, high - (size - 1 - place))
    else:
        place = place - zero
        grid[:, zero:] = np.clip(
            _ascend(grid[:, zero:], place[zero:]), place[zero:], high - (size - 1 - zero - place[zero:])
        )
        falling, away = -grid[:, zero::-1], -place[zero::-1]
        grid[:, zero::-1] = -np.clip(_ascend(falling, away), away, -low - (zero - away))
        grid[:, zero] = 0
    added = ((grid * scales[:, np.newaxis] - means) ** 2) @ mass
    best = int(added.argmin())
    return grid[best].astype(np.int32), float(scales[best])


def _ascend(grid: Float64, place: NDArray[np.intp]) -> Float64:
    """Raise values, row by row, by no more than makes them ascend strictly."""
    raised: Float64 = np.maximum.accumulate(grid - place, axis=1) + place
    return raised
