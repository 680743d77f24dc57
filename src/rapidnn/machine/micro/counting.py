"""Delivery and counting, executed (SPEC section 3, step 1): codes meet their weight codes, counters count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import HardwareError
from rapidnn.machine.micro.reduction import Mark
from rapidnn.machine.records import Hardware


@dataclass
class Counted:
    """``counts`` int64 ``(w, u)``; ``delivered`` codes of all streams, ``weight_reads`` of codes (gather: addresses),
    ``local_writes`` and ``local_reads`` of the local buffer, ``increments`` and ``counters_read`` of counters."""

    counts: NDArray[np.int64]
    cycles: int = 0
    delivered: int = 0
    weight_reads: int = 0
    local_writes: int = 0
    local_reads: int = 0
    increments: int = 0
    counters_read: int = 0


@dataclass
class Taps:
    """The inputs of a neuron that are not padding, in order: int64 ``(K',)`` each.

    ``counted`` is whether the neuron has counters at all, which are read even if all its inputs are padding.
    """

    weight: NDArray[np.int64]
    code: NDArray[np.int64]
    weights: int = 1
    inputs: int = 1
    has_weights: bool = True
    counted: bool = True

    def pairs(self) -> Sequence[tuple[int, int]]:
        """(weight code, input code) of each."""
        return list(zip(self.weight.tolist(), self.code.tolist(), strict=True))


@dataclass
class _Counters:
    """The counters that are resident at once, by pair."""

    width_bits: int
    values: dict[tuple[int, int], int] = field(default_factory=dict)

    def increment(self, pair: tuple[int, int]) -> None:
        self.values[pair] += 1
        if self.values[pair] >> self.width_bits:
            raise HardwareError(
                f"counter {pair} counts above {2**self.width_bits - 1}; raise counters.width_bits"
            )


def count(taps: Taps, hardware: Hardware, mark: Mark) -> Counted:
    """Bring a neuron's codes to its counters in the hardware's mode of delivery.

    Raises
    ------
    HardwareError
        If a count does not fit a counter.
    """
    found = Counted(np.zeros((taps.weights, taps.inputs), np.int64))
    if not taps.counted:
        return found
    if hardware.delivery.mode.value == "broadcast":
        _broadcast(taps, hardware, found, mark)
    else:
        _gather(taps, hardware, found, mark)
    return found


def _broadcast(taps: Taps, hardware: Hardware, found: Counted, mark: Mark) -> None:
    """One stream of codes for each set of resident counters, ``width`` codes a cycle; each takes its weight code."""
    width, resident = hardware.delivery.width.value, hardware.counters.resident.value
    every = [(i, j) for i in range(taps.weights) for j in range(taps.inputs)]
    stream = taps.pairs()
    for start in range(0, len(every), resident):
        counters = _Counters(
            hardware.counters.width_bits.value, dict.fromkeys(every[start : start + resident], 0)
        )
        for beat in range(0, len(stream), width):
            codes = stream[beat : beat + width]
            found.cycles += 1
            found.delivered += len(codes)
            found.weight_reads += len(codes) * taps.has_weights
            hits = 0
            for pair in codes:
                if pair in counters.values:
                    counters.increment(pair)
                    hits += 1
            found.increments += hits
            mark("deliver", f"{_shown(codes)}: {hits} counted", 1)
        _read_out(counters, found)


def _gather(taps: Taps, hardware: Hardware, found: Counted, mark: Mark) -> None:
    """Weight groups count in parallel, as many as there are sets of u counters, each with a port of the local buffer.

    The buffer is double: while one neuron's codes are counted, ``fill_width`` codes a cycle of the next one's (as many)
    arrive, so delivery lasts as long as the longer of the two. Groups are taken largest first.
    """
    fill, resident = hardware.delivery.fill_width.value, hardware.counters.resident.value
    groups: dict[int, list[tuple[int, int]]] = {i: [] for i in range(taps.weights)}
    for pair in taps.pairs():
        groups[pair[0]].append(pair)
    order = sorted(groups, key=lambda i: -len(groups[i]))
    ports = max(1, min(taps.weights, resident // taps.inputs))
    arriving = len(taps.code)
    found.local_writes = found.delivered = arriving
    for first in range(0, taps.inputs, resident):
        codes = range(first, min(first + resident, taps.inputs))
        for turn in range(0, len(order), ports):
            served = [groups[i] for i in order[turn : turn + ports]]
            counters = _Counters(
                hardware.counters.width_bits.value,
                {(i, j): 0 for i in order[turn : turn + ports] for j in codes},
            )
            for beat in range(max(map(len, served))):
                pairs = [group[beat] for group in served if beat < len(group)]
                arriving = max(0, arriving - fill)
                found.cycles += 1
                found.weight_reads += len(pairs) * taps.has_weights
                found.local_reads += len(pairs)
                hits = [pair for pair in pairs if pair in counters.values]
                for pair in hits:
                    counters.increment(pair)
                found.increments += len(hits)
                mark("deliver", f"{_shown(pairs)}: {len(hits)} counted", 1)
            _read_out(counters, found)
    while arriving > 0:
        arriving -= fill
        found.cycles += 1
        mark("deliver", "the local buffer fills", 1)


def _read_out(counters: _Counters, found: Counted) -> None:
    for (i, j), n in counters.values.items():
        found.counts[i, j] = n
        found.counters_read += 1


def _shown(pairs: Sequence[tuple[int, int]]) -> str:
    """``(weight code, input code)`` of what arrives in one cycle."""
    shown = " ".join(f"({i},{j})" for i, j in pairs[:8])
    return shown if len(pairs) <= 8 else f"{shown} and {len(pairs) - 8} more"
