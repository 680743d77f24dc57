"""Timing several engines side by side on a machine that is never quiet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

Clock = Callable[[], float]
"""Seconds from any fixed start."""

SAMPLE_S = 0.02
"""One timed sample lasts at least this long: calls are repeated until it does."""


@dataclass(frozen=True)
class Timed:
    """An engine to time: ``call`` runs one batch; an engine slower than ``limit_s`` is timed by one call only."""

    call: Callable[[], object]
    limit_s: float = math.inf


@dataclass(frozen=True)
class Samples:
    """Seconds per call in every sample, and what the first call returned."""

    seconds: list[float]
    result: Any

    @property
    def median_s(self) -> float:
        """Median seconds per call."""
        return median(self.seconds)


def interleaved(
    engines: Mapping[str, Timed],
    rounds: int,
    *,
    clock: Clock = time.perf_counter,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, Samples]:
    """Seconds per call, one sample per engine and round, and each engine's first result.

    Every round runs every engine once, each round starting with another one, so that a disturbance of the machine
    or the warmth of its caches falls on all alike. ``progress`` is called after each round.
    """
    results, first = {}, {}
    for name, engine in engines.items():
        start = clock()
        results[name] = engine.call()
        first[name] = clock() - start
    names = [name for name, engine in engines.items() if first[name] <= engine.limit_s]
    # The first call may have built things lazily; the second tells how many calls fill a sample.
    again = {n: first[n] if first[n] > 10 * SAMPLE_S else _seconds(engines[n].call, 1, clock) for n in names}
    calls = {name: max(1, math.ceil(SAMPLE_S / max(again[name], 1e-9))) for name in names}
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        place = number % max(1, len(names))
        for name in names[place:] + names[:place]:
            if calls[name] > 1:
                engines[name].call()  # short calls are timed with their data in the caches, all of them
            found[name].append(_seconds(engines[name].call, calls[name], clock))
        progress()
    return {name: Samples(found.get(name, [first[name]]), results[name]) for name in engines}


def _seconds(call: Callable[[], object], count: int, clock: Clock) -> float:
    start = clock()
    for _ in range(count):
        call()
    return (clock() - start) / count
