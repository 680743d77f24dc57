"""Counted data statistics: how many addends real inputs make, from the codes on a program's edges.

A collector is passed to an executor as its observer. For each accumulation step it samples neurons (input sample,
output channel, output position) of every observed batch, counts their (weight code, input code) pairs and keeps only
sums and a histogram, which serialise to JSON; costs are computed from those without the data.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import untrusted
from rapidnn.errors import DataError
from rapidnn.files import atomic_path
from rapidnn.frames import frame
from rapidnn.machine.pairs import PairSummary, count_sampled
from rapidnn.machine.sampling import Counted, NeuronSample, residual_rows, source_edges
from rapidnn.tables.program import CodeSum, Program, WeightedSum

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
_CHUNK = 1 << 22
"""Tap offsets and neurons handled at once."""
_LEAST, _MOST, _SHARE = 64, 1024, 1 / 20_000
"""Neurons sampled of a step by default: so few that counting them costs a few hundredths of running all."""
_MOST_TAPS, _FEWEST = 1 << 17, 16
"""Large neurons differ less from each other: no more taps are counted for a small step, but of 16 neurons at least."""


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
        values, times = np.array(self.addends, np.int64).reshape(-1, 2).T
        return int(values @ times)

    @property
    def mean_addends(self) -> float:
        """Mean of A over the sampled neurons."""
        return self.addends_sum / self.sampled

    @property
    def addends_standard_error(self) -> float:
        """Standard error of :attr:`mean_addends` as the mean of all observed neurons; 0 where all were counted."""
        if self.sampled < 2 or self.sampled == self.observed:
            return 0.0 if self.sampled == self.observed else math.inf
        values, times = np.array(self.addends, np.int64).reshape(-1, 2).T
        variance = float(times @ (values - self.mean_addends) ** 2) / (self.sampled - 1)
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

    def to_frame(self) -> pd.DataFrame:
        """One row a step: its sums, and the mean number of addends."""
        return frame(
            (vars(step) | {"mean_addends": step.mean_addends} for step in self.steps.values()), "step"
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProgramStatistics:
        """Read :meth:`to_json`'s form.

        Raises
        ------
        DataError
            If the form is of another format or a field is missing or foreign.
        """
        if data.get("format") != FORMAT:
            found = untrusted.one_line(repr(data.get("format")))
            raise DataError(f"statistics are of format {found}, not {FORMAT}; collect them again")
        steps = {}
        try:
            for row in data["steps"]:
                step = _step(row)
                steps[step.step] = step
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"statistics are damaged ({untrusted.one_line(error)}); collect them again"
            ) from None
        return cls(steps)

    def save(self, path: str | Path) -> None:
        """Write :meth:`to_json`'s form to a file, atomically.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        try:
            with atomic_path(Path(path)) as temporary:
                temporary.write_text(json.dumps(self.to_json()), "utf-8")
        except OSError as error:
            raise DataError(f"cannot write statistics {str(path)!r}: {error.strerror or error}") from None

    @classmethod
    def load(cls, path: str | Path) -> ProgramStatistics:
        """Read a file that :meth:`save` wrote.

        Raises
        ------
        DataError
            If it cannot be read, or holds something else.
        """
        try:
            data = untrusted.parse_json(untrusted.read_text(Path(path)))
        except untrusted.UnreadableError as error:
            raise DataError(f"cannot read statistics {str(path)!r}: {error}") from None
        if not isinstance(data, dict):
            raise DataError(f"{str(path)!r} does not hold statistics; write them with --save-statistics")
        return cls.from_json(data)


_COUNTS = ("digits_sum", "table_rows_sum", "corrections_sum", "occupied_sum", "taps_sum")
_MOST = 2**62


def _step(row: Mapping[str, Any]) -> StepStatistics:
    """One step's row, checked: whole numbers that are not negative, and as many neurons in the histogram as sampled."""
    name = row["step"]
    if not isinstance(name, str):
        raise TypeError("a step's name is no text")
    addends = tuple((_count(a), _count(n)) for a, n in row["addends"])
    group_taps = tuple(_count(n) for n in row["group_taps_sum"])
    counts = {key: _count(row[key]) for key in ("sampled", "observed", *_COUNTS)}
    if set(row) != {"step", "addends", "group_taps_sum", *counts}:
        raise ValueError("a step has other fields than this format's")
    if not 1 <= counts["sampled"] == sum(n for _, n in addends) or counts["observed"] < counts["sampled"]:
        raise ValueError(f"step {name!r}: its numbers of neurons contradict each other")
    if [a for a, _ in addends] != sorted({a for a, _ in addends}):
        raise ValueError(f"step {name!r}: its histogram does not ascend")
    return StepStatistics(step=name, addends=addends, group_taps_sum=group_taps, **counts)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise ValueError(f"{value!r} is no count")
    return value


class _Tally:
    """Running sums of one step."""

    def __init__(self, step: Counted) -> None:
        self.step = step
        self.sampled = 0
        self.observed = 0
        self.histogram: Counter[int] = Counter()
        self.sums = np.zeros(5, np.int64)
        self.group_taps: NDArray[np.int64] = np.zeros(0, np.int64)

    def add(self, pairs: PairSummary, table_rows: NDArray[np.int64]) -> None:
        """Count neurons: their pairs, and their addends ``(S,)`` that are a bias, a constant or a residual row."""
        addends = pairs.digits + pairs.corrections + table_rows
        values, times = np.unique(addends, return_counts=True)
        self.histogram.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
        parts = (pairs.digits, table_rows, pairs.corrections, pairs.occupied, pairs.taps)
        self.sums += np.array([part.sum() for part in parts], np.int64)
        self.group_taps = pairs.group_taps if self.sampled == 0 else self.group_taps + pairs.group_taps
        self.sampled += len(addends)

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
        more is counted completely. None takes one in 20,000, at most 1024 and at least 64 (16 where they are large).
    exact
        Count all neurons.
    threads
        Threads that count; the result does not depend on them.
    """

    def __init__(
        self,
        program: Program,
        rng: np.random.Generator,
        neurons_per_step: int | None = None,
        *,
        exact: bool = False,
        threads: int = 1,
    ) -> None:
        if neurons_per_step is not None and neurons_per_step < 1:
            raise DataError(f"neurons_per_step must be at least 1, not {neurons_per_step}")
        self._program = program
        self._rng = rng
        self._per_step = neurons_per_step
        self._exact = exact
        self._threads = threads
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

    def _count(self, tally: _Tally, codes: Mapping[str, NDArray[np.uint8]]) -> None:
        shape = self._program.shapes[tally.step.name]
        batch = len(next(iter(codes.values())))
        total = batch * math.prod(shape)
        tally.observed += total
        wanted = self._per_step or _sample_size(total, _taps(tally.step))
        if self._exact or total <= wanted:
            flat = None
        else:
            flat = np.sort(self._rng.choice(total, wanted, replace=False, shuffle=False))
        chunk = max(1, _CHUNK // _kernel(tally.step))
        for start in range(0, total if flat is None else len(flat), chunk):
            end = start + chunk
            part = np.arange(start, min(end, total)) if flat is None else flat[start:end]
            neurons = NeuronSample.of(part, (batch, *shape))
            pairs = count_sampled(self._program, tally.step, neurons, codes, self._threads)
            tally.add(pairs, residual_rows(self._program, tally.step, neurons, codes))

    @property
    def sources(self) -> frozenset[str]:
        """The code edges it has to see; seeing the accumulations themselves only tells that they are due."""
        return frozenset(self._last_reader)

    def observe_codes(self, codes: Mapping[str, NDArray[np.uint8]]) -> None:
        """Take one batch of all :attr:`sources` at once."""
        for name, tally in self._tallies.items():
            self._count(tally, {source: codes[source] for source in self._sources[name]})

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


def count_neurons(
    program: Program, step: Counted, neurons: NeuronSample, codes: Mapping[str, NDArray[np.uint8]]
) -> StepStatistics:
    """Statistics of chosen neurons, all of them counted."""
    tally = _Tally(step)
    tally.observed = len(neurons)
    pairs = count_sampled(program, step, neurons, codes, 1)
    tally.add(pairs, residual_rows(program, step, neurons, codes))
    return tally.result()


def _sample_size(total: int, taps: int) -> int:
    """Neurons to sample of ``total`` with so many taps each."""
    share = int(total * _SHARE)
    if share > _LEAST:
        return min(_MOST, share)
    return min(_LEAST, max(_FEWEST, _MOST_TAPS // max(1, taps)))


def _taps(step: Counted) -> int:
    return step.taps if isinstance(step, WeightedSum) else _kernel(step)


def _kernel(step: Counted) -> int:
    """Tap offsets of one neuron, to size chunks."""
    window = None if isinstance(step, CodeSum) else step.window
    return 1 if window is None else math.prod(window.kernel)
