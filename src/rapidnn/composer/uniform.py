"""Uniform quantisation as a choice of codebooks: what the composer's codebooks are measured against.

Every codebook becomes an evenly spaced grid of as many values, placed where its squared error is least: an affine
grid with a clipping range searched and refined, a zero point where zero must be exact. Sets, sizes, biases and tables
stay as they are, so the two differ in nothing but where codebook values lie.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices, LayerChoice, merged
from rapidnn.composer.cluster import WIDE_OPERAND_BITS, encode, weighted_points
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan
from rapidnn.composer.settings import Settings
from rapidnn.composer.weights import WeightCodebooks
from rapidnn.graph import ops
from rapidnn.tables.program import CodeGroup, Float64, Int32

_ENDS = np.concatenate([np.linspace(0, 0.5, 16), 1 - np.geomspace(0.4, 1e-3, 12)])
"""How far each end of the range is drawn in towards the median, at first."""
_REFINED = 12
"""Ranges that are refined."""
_ROUNDS = 40


def uniform_choices(plan: Plan, histograms: Mapping[str, Histogram], settings: Settings) -> Choices:
    """The same codebooks as :func:`rapidnn.composer.choices.choose` makes, each an evenly spaced grid."""
    read: dict[str, list[str]] = {name: [] for name in plan.sampled_edges()}
    layers: dict[str, LayerChoice] = {}
    for step in plan.layers():
        assert step.node is not None
        assert step.source is not None
        assert isinstance(step.node.op, ops.Linear | ops.Conv)
        read[plan.group_of[step.source]].append(step.name)
        books = uniform_weights(step.node.op.weight, settings.weight_size(step.name), settings)
        layers[step.name] = LayerChoice(books, step.node.op.bias.astype(np.float64))
    groups = {}
    for name, edges in plan.sampled_edges().items():
        histogram, size = merged(histograms, edges), settings.input_size(read[name])
        hold = name in plan.holds_zero or histogram.zero_share() * size >= 1
        values, scale, bits = uniform_codebook(
            histogram.points(), size, settings.operand_bits, hold_zero=hold
        )
        zero = np.flatnonzero(values == 0)
        groups[name] = CodeGroup(name, values, scale, bits, int(zero[0]) if len(zero) else None)
    return Choices(groups, layers)


def uniform_weights(weight: NDArray[np.float32], size: int, settings: Settings) -> WeightCodebooks:
    """Evenly spaced weight codebooks and the codes of the nearest values, per layer or per output channel."""
    parts = [weight] if settings.granularity == "layer" else list(weight)
    books = [
        uniform_codebook(weighted_points(np.asarray(part)), size, settings.operand_bits) for part in parts
    ]
    codes = [
        encode(np.asarray(part), values, scale) for part, (values, scale, _) in zip(parts, books, strict=True)
    ]
    longest = max(len(values) for values, _, _ in books)
    return WeightCodebooks(
        np.stack([np.pad(values, (0, longest - len(values)), mode="edge") for values, _, _ in books]),
        np.array([scale for _, scale, _ in books]),
        max(bits for _, _, bits in books),
        codes[0] if settings.granularity == "layer" else np.stack(codes),
    )


def uniform_codebook(
    points: tuple[Float64, Float64], size: int, operand_bits: int, *, hold_zero: bool = False
) -> tuple[Int32, float, int]:
    """The evenly spaced codebook of least squared error: values int32 ascending, scale, operand bits.

    Parameters
    ----------
    points
        Ascending distinct values and their weights, float64.
    size
        Number of values, 1 to 256; fewer only where the operand grid has no more.
    hold_zero
        Whether 0 must be one of the values.
    """
    values, weights = points
    if size == 1 or len(values) == 1:
        center = 0.0 if hold_zero else float(values @ weights / weights.sum())
        return np.array([np.sign(center)], np.int32), abs(center) or 1.0, operand_bits
    fit = _Fit(values, weights, size, hold_zero)
    low, step = fit.best()
    for bits in sorted({operand_bits, WIDE_OPERAND_BITS}):
        found = _on_grid(low, step, size, bits)
        if found is not None:
            return *found, bits
    limit = 2 ** (WIDE_OPERAND_BITS - 1) - 1
    grid = np.clip(np.rint(low / step) + np.arange(size), -limit, limit)
    return np.unique(grid).astype(np.int32), step, WIDE_OPERAND_BITS


def _on_grid(low: float, step: float, size: int, bits: int) -> tuple[Int32, float] | None:
    """The finest operand grid that holds ``low + i * step``; its spacing divides the step, so the values stay even."""
    first, last = (0, 2**bits - 1) if low >= 0 else (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
    for parts in range(max(1, (last - first) // (size - 1)), 0, -1):
        base = round(low / step * parts)
        if first <= base and base + (size - 1) * parts <= last:
            return (base + parts * np.arange(size)).astype(np.int32), step / parts
    return None


class _Fit:
    """Least squares of an evenly spaced grid ``low + i * step`` to weighted points."""

    def __init__(self, values: Float64, weights: Float64, size: int, hold_zero: bool) -> None:
        self.values, self.size, self.hold_zero = values, size, hold_zero
        self.index = np.arange(size)
        self.sums = np.stack(
            [np.concatenate([[0.0], np.cumsum(weights * values**power)]) for power in range(3)]
        )

    def best(self) -> tuple[float, float]:
        """Lowest value and step: the best of a search over clipping ranges, refined."""
        mass = self.sums[0]
        median = self.values[min(int(np.searchsorted(mass[1:], mass[-1] / 2)), len(self.values) - 1)]
        lows = self.values[0] + _ENDS * (median - self.values[0])
        highs = self.values[-1] - _ENDS * (self.values[-1] - median)
        starts = []
        for low in lows:
            for high in highs:
                if high > low:
                    grid = self._zero_point(float(low), float(high - low) / (self.size - 1))
                    starts.append((self.error(*grid), *grid))
        starts.sort()
        return min(self._refine(low, step) for _, low, step in starts[:_REFINED])[1:]

    def error(self, low: float, step: float) -> float:
        """Squared error of the points about the grid's nearest values."""
        mass, first, second = self._cells(low, step)
        real = low + step * self.index
        return float((second - 2 * real * first + real * real * mass).sum())

    def _cells(self, low: float, step: float) -> NDArray[np.float64]:
        """Weight, sum and sum of squares of the points nearest to each value: float64 ``(3, size)``."""
        ends = np.searchsorted(self.values, low + step * (self.index[:-1] + 0.5), side="right")
        return np.diff(self.sums[:, np.concatenate([[0], ends, [len(self.values)]])], axis=1)

    def _zero_point(self, low: float, step: float) -> tuple[float, float]:
        """The grid moved so that one of its values is 0, if one must be."""
        if not self.hold_zero:
            return low, step
        return -min(max(round(-low / step), 0), self.size - 1) * step, step

    def _refine(self, low: float, step: float) -> tuple[float, float, float]:
        """Fit and assign in turn until the error stops falling: (error, low, step)."""
        error = self.error(low, step)
        for _ in range(_ROUNDS):
            fitted = self._fitted(low, step)
            if fitted is None or not (found := self.error(*fitted)) < error:
                break
            (low, step), error = fitted, found
        return error, low, step

    def _fitted(self, low: float, step: float) -> tuple[float, float] | None:
        """The grid of least error for the points' present places on it; None where they do not determine one."""
        mass, first, _ = self._cells(low, step)
        if self.hold_zero:
            place = self.index - round(-low / step)
            square = float(mass @ (place * place))
            scale = float(first @ place) / square if square > 0 else 0.0
            return (float(place[0]) * scale, scale) if scale > 0 else None
        mean = float(mass @ self.index) / float(mass.sum())
        spread = float(mass @ (self.index - mean) ** 2)
        slope = float(first @ (self.index - mean)) / spread if spread > 0 else 0.0
        return (float(first.sum() / mass.sum()) - slope * mean, slope) if slope > 0 else None
