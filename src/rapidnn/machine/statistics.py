"""Counted data statistics: how many addends real inputs make, from the codes on a program's edges.

A collector is passed to an executor as its observer. For each accumulation step it samples neurons (input sample,
output channel, output position) of every observed batch, counts their (weight code, input code) pairs and keeps only
sums and a histogram, which serialise to JSON; costs are computed from those without the data.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.machine.digits import digit_counts
from rapidnn.machine.sampling import Counted, NeuronSample, residual_rows, sample_pairs, source_edges
from rapidnn.tables.program import CodeSum, PooledSum, Program, WeightedSum

FORMAT = 1
_PAIRS_PER_CHUNK = 1 << 21


@dataclass(frozen=True)
class StepStatistics:
    """Sums over the sampled neurons of one accumulation step.

    ``addends`` is the histogram of A, ``(A, neurons)`` pairs ascending; the ``*_sum`` fields are totals over
    ``sampled`` neurons: digits of counts of non-zero products, addends that are a bias, a constant or a residual row,
    neurons with an addend of summed +1s, occupied counters of non-zero products, and taps that read the input and not
    its padding.
    ``group_taps_sum[r]`` is the total of each neuron's r-th largest number of taps with one weight code.
    """

    step: str
    sampled: int
    observed: int
    addends: tuple[tuple[int, int], ...]
    digits_sum: int
    table_rows_sum: int
    corrections_sum: int
    occupied_sum: int
    taps_sum: int
    group_taps_sum: tuple[int, ...]

    @property
    def addends_sum(self) -> int:
        """Total number of addends of the sampled neurons."""
        return sum(a * n for a, n in self.addends)

    @property
    def mean_addends(self) -> float:
        """Mean of A over the sampled neurons."""
        return self.addends_sum / self.sampled

    @property
    def addends_standard_error(self) -> float:
        """Standard error of :attr:`mean_addends` as the mean of all observed neurons; 0 where all were counted."""
        if self.sampled < 2 or self.sampled == self.observed:
            return 0.0 if self.sampled == self.observed else math.inf
        mean = self.mean_addends
        variance = sum(n * (a - mean) ** 2 for a, n in self.addends) / (self.sampled - 1)
        return math.sqrt(variance / self.sampled * (1 - self.sampled / self.observed))


@dataclass(frozen=True)
class ProgramStatistics:
    """Statistics of every accumulation step of a program, by the step's name."""

    steps: Mapping[str, StepStatistics]

    def to_json(self) -> dict[str, Any]:
        """A JSON-able form; :meth:`from_json` reads it back."""
        rows = [{**vars(s), "addends": [list(pair) for pair in s.addends]} for s in self.steps.values()]
        return {
            "format": FORMAT,
            "steps": [{**row, "group_taps_sum": list(row["group_taps_sum"])} for row in rows],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProgramStatistics:
        """Read :meth:`to_json`'s form.

        Raises
        ------
        DataError
            If the form is of another format or a field is missing or foreign.
        """
        if data.get("format") != FORMAT:
            raise DataError(
                f"statistics are of format {data.get('format')!r}, not {FORMAT}; collect them again"
            )
        steps = {}
        try:
            for row in data["steps"]:
                addends = tuple((int(a), int(n)) for a, n in row["addends"])
                group_taps = tuple(int(n) for n in row["group_taps_sum"])
                step = StepStatistics(**{**row, "addends": addends, "group_taps_sum": group_taps})
                steps[step.step] = step
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"statistics are damaged ({error}); collect them again") from None
        return cls(steps)


class _Tally:
    """Running sums of one step."""

    def __init__(self, step: Counted) -> None:
        self.step = step
        self.sampled = 0
        self.observed = 0
        self.histogram: Counter[int] = Counter()
        self.sums = np.zeros(5, np.int64)
        self.group_taps: NDArray[np.int64] = np.zeros(0, np.int64)

    def add(
        self, counts: NDArray[np.int64], nonzero: NDArray[np.bool_], table_rows: NDArray[np.int64]
    ) -> None:
        """Count neurons: pair counts ``(S, w, u)``, where products are non-zero, bias and residual addends ``(S,)``."""
        digits, negative = digit_counts(counts)
        digits_of = (digits * nonzero).sum(axis=(1, 2))
        correction = (negative & nonzero).any(axis=(1, 2))
        occupied = ((counts > 0) & nonzero).sum(axis=(1, 2))
        group_taps = -np.sort(-counts.sum(axis=2), axis=1)
        addends = digits_of + correction + table_rows
        values, times = np.unique(addends, return_counts=True)
        self.histogram.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
        parts = (digits_of, table_rows, correction, occupied, counts)
        self.sums += np.array([part.sum() for part in parts], np.int64)
        grown = group_taps.sum(axis=0)
        self.group_taps = grown if self.sampled == 0 else self.group_taps + grown
        self.sampled += len(counts)

    def result(self) -> StepStatistics:
        """The sums as a frozen record."""
        digits, table_rows, corrections, occupied, taps = (int(value) for value in self.sums)
        return StepStatistics(
            step=self.step.name,
            sampled=self.sampled,
            observed=self.observed,
            addends=tuple(sorted(self.histogram.items())),
            digits_sum=digits,
            table_rows_sum=table_rows,
            corrections_sum=corrections,
            occupied_sum=occupied,
            taps_sum=taps,
            group_taps_sum=tuple(int(n) for n in self.group_taps),
        )


class StatisticsCollector:
    """Observer of a program's run that counts what its accumulations would cost.

    Parameters
    ----------
    program
        The composed network that runs.
    rng
        Picks the sampled neurons.
    neurons_per_step
        Neurons sampled of each accumulation step in every observed batch, without replacement; a batch that has no
        more is counted completely.
    """

    def __init__(self, program: Program, rng: np.random.Generator, neurons_per_step: int = 256) -> None:
        if neurons_per_step < 1:
            raise DataError(f"neurons_per_step must be at least 1, not {neurons_per_step}")
        self._program = program
        self._rng = rng
        self._per_step = neurons_per_step
        self._tallies: dict[str, _Tally] = {}
        self._last_reader: dict[str, str] = {}
        for step, sources in source_edges(program):
            self._tallies[step.name] = _Tally(step)
            self._last_reader.update(dict.fromkeys(sources, step.name))
        self._sources = {step.name: sources for step, sources in source_edges(program)}
        self._codes: dict[str, NDArray[np.uint8]] = {}

    def observe(self, edge: str, values: NDArray[Any]) -> None:
        """Take one batch ``(N, *shape)`` of an edge; edges of a batch come in the program's order."""
        if edge in self._last_reader:
            self._codes[edge] = values
        if edge not in self._tallies:
            return
        sources = self._sources[edge]
        missing = [name for name in sources if name not in self._codes]
        if missing:
            raise DataError(
                f"edge {edge!r} was observed before its source {missing[0]!r}; observe edges in order"
            )
        self._count(self._tallies[edge], {name: self._codes[name] for name in sources})
        for name in sources:
            if self._last_reader[name] == edge:
                self._codes.pop(name, None)

    def _count(self, tally: _Tally, codes: dict[str, NDArray[np.uint8]]) -> None:
        shape = self._program.shapes[tally.step.name]
        batch = len(next(iter(codes.values())))
        total = batch * math.prod(shape)
        tally.observed += total
        if total <= self._per_step:
            flat = np.arange(total)
        else:
            flat = np.sort(self._rng.choice(total, self._per_step, replace=False, shuffle=False))
        weights, inputs, taps = _pair_extent(self._program, tally.step)
        chunk = max(1, _PAIRS_PER_CHUNK // max(taps, weights * inputs, 1))
        for start in range(0, len(flat), chunk):
            neurons = NeuronSample.of(flat[start : start + chunk], (batch, *shape))
            counts, nonzero = sample_pairs(self._program, tally.step, neurons, codes)
            tally.add(counts, nonzero, residual_rows(self._program, tally.step, neurons, codes))

    def result(self) -> ProgramStatistics:
        """What has been counted so far.

        Raises
        ------
        DataError
            If some step was never observed.
        """
        for name, tally in self._tallies.items():
            if tally.sampled == 0:
                raise DataError(
                    f"no batch of step {name!r} was observed; run the program on some inputs first"
                )
        return ProgramStatistics({name: tally.result() for name, tally in self._tallies.items()})


def _pair_extent(program: Program, step: Counted) -> tuple[int, int, int]:
    """w, u and K of a step, to size its chunks; a sum of codes alone has no pairs."""
    match step:
        case CodeSum():
            return 1, 1, len(step.terms)
        case WeightedSum():
            return step.values.shape[1], program.group_of[step.source].size, step.taps
        case PooledSum():
            return 1, len(step.row), math.prod(step.window.kernel)
