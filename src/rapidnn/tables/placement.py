"""Where an activation table has its rows: by slope (the paper), evenly, or optimally for a measured distribution."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.functions import function, saturation
from rapidnn.tables.program import Float64

Placement = Literal["nonuniform", "even", "optimal"]
PLACEMENTS: tuple[str, ...] = get_args(Placement)
MOST_OPTIMAL_ROWS = 512
"""Time grows with rows x candidates**2; more rows than these gain nothing over the others' placement."""

_GRID = 1 << 16
_CANDIDATES = 512


def place_rows(
    placement: Placement,
    kind: str,
    parameters: tuple[float, ...],
    points: Float64,
    weights: Float64,
    rows: int,
) -> Float64:
    """Row positions z in real units, ascending, float64: ``(rows,)``, or one where the function does not change.

    Parameters
    ----------
    points, weights
        The measured distribution of the function's input: values ascending and their counts, ``(M,)`` each.
    """
    low, high = float(points[0]), float(points[-1])
    if placement == "even":
        return even_rows(kind, parameters, low, high, rows)
    if placement == "nonuniform":
        return nonuniform_rows(kind, parameters, low, high, rows)
    return optimal_rows(kind, parameters, points, weights, rows)


def nonuniform_rows(kind: str, parameters: tuple[float, ...], low: float, high: float, rows: int) -> Float64:
    """Rows for inputs in [low, high], dense where the slope is large (RAPIDNN's placement).

    Each row stands for an equal share of the function's total variation over the interval, without the part on which
    the function is flat: float64 ``(rows,)`` ascending, real units. A constant interval gives one row.
    """
    low, high = _active(kind, parameters, low, high)
    if not low < high:
        return np.array([low])
    z = np.linspace(low, high, _GRID + 1)
    variation = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(function(kind, parameters)(z))))])
    share = (np.arange(rows) + 0.5) / rows * variation[-1]
    return np.asarray(np.interp(share, variation, z))


def even_rows(kind: str, parameters: tuple[float, ...], low: float, high: float, rows: int) -> Float64:
    """Rows at equal distances over the part of [low, high] on which the function changes, each in its cell's middle."""
    low, high = _active(kind, parameters, low, high)
    if not low < high:
        return np.array([low])
    return np.asarray(low + (high - low) * (np.arange(rows) + 0.5) / rows)


def optimal_rows(
    kind: str, parameters: tuple[float, ...], points: Float64, weights: Float64, rows: int
) -> Float64:
    """Rows of the least mean squared error under a measured distribution, among candidates.

    Candidates are the rows of both other placements and quantiles of the distribution, so it is never worse than
    either. A nearest search splits between neighbouring rows halfway, hence the error is a sum over neighbours, and
    dynamic programming finds its least.
    """
    given = [
        place(kind, parameters, float(points[0]), float(points[-1]), rows)
        for place in (nonuniform_rows, even_rows)
    ]
    share = np.cumsum(weights) / np.sum(weights)
    quantiles = np.interp((np.arange(_CANDIDATES) + 0.5) / _CANDIDATES, share, points)
    inside = np.clip(quantiles, *_active(kind, parameters, float(points[0]), float(points[-1])))
    candidates = np.unique(np.concatenate([*given, inside]))
    if len(candidates) <= rows:
        return candidates
    apply = function(kind, parameters)
    cost, first, last = _neighbour_costs(apply, candidates, points, weights)
    return np.asarray(candidates[_cheapest_path(cost, first, last, rows)])


def placement_error(
    kind: str, parameters: tuple[float, ...], z: Float64, points: Float64, weights: Float64
) -> float:
    """Root mean square of g(nearest row) - g(x) over the distribution, in units of the function's value."""
    apply = function(kind, parameters)
    nearest = np.searchsorted((z[:-1] + z[1:]) / 2, points, side="left")
    gap = apply(z[nearest]) - apply(points)
    return float(np.sqrt(np.average(gap**2, weights=weights)))


def _active(kind: str, parameters: tuple[float, ...], low: float, high: float) -> tuple[float, float]:
    """The part of [low, high] on which the function is not flat; where there is none, a point."""
    flat_low, flat_high = saturation(kind, parameters)
    return min(max(low, flat_low), flat_high), max(min(high, flat_high), flat_low)


def _neighbour_costs(
    apply: Callable[[Float64], Float64], candidates: Float64, points: Float64, weights: Float64
) -> tuple[Float64, Float64, Float64]:
    """Squared error between neighbouring rows ``(C, C)``, before a first row ``(C,)`` and behind a last ``(C,)``."""
    g, value = apply(candidates), apply(points)
    sums = [np.concatenate([[0.0], np.cumsum(weights * value**power)]) for power in (0, 1, 2)]

    def error(row: NDArray[np.intp], start: NDArray[np.intp], end: NDArray[np.intp]) -> Float64:
        zeroth, first, second = (total[end] - total[start] for total in sums)
        return np.asarray(np.maximum(0.0, second - 2 * g[row] * first + g[row] ** 2 * zeroth))

    at = np.searchsorted(points, candidates)
    left, right = np.triu_indices(len(candidates), 1)
    middle = np.searchsorted(points, (candidates[left] + candidates[right]) / 2, side="right")
    cost = np.full((len(candidates),) * 2, np.inf)
    cost[left, right] = error(left, at[left], middle) + error(right, middle, at[right])
    rows = np.arange(len(candidates))
    return cost, error(rows, np.zeros_like(at), at), error(rows, at, np.full_like(at, len(points)))


def _cheapest_path(cost: Float64, first: Float64, last: Float64, rows: int) -> NDArray[np.intp]:
    """The ``rows`` ascending candidates whose costs add up to the least."""
    total = first
    back = np.empty((rows - 1, len(first)), np.intp)
    for row in range(rows - 1):
        through = total[:, np.newaxis] + cost
        back[row] = through.argmin(axis=0)
        total = through[back[row], np.arange(len(first))]
    path = [int(np.argmin(total + last))]
    for row in range(rows - 2, -1, -1):
        path.append(int(back[row, path[-1]]))
    return np.array(path[::-1], np.intp)
