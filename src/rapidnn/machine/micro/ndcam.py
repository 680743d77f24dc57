"""The associative memories of a block, executed: nearest absolute distance, ties to the lowest row (SPEC section 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from rapidnn.machine.records import Hardware


@dataclass(frozen=True)
class Found:
    """The row, cycles, bits of rows and midpoints compared, and what was compared, stage by stage."""

    row: int
    cycles: int
    bits: int
    stages: tuple[str, ...]


def search(hardware: Hardware, rows: Sequence[int], key: int, key_bits: int) -> Found:
    """The row nearest to ``key``; rows ascend, and equal ones may follow each other."""
    if hardware.am.search.value == "digital":
        return digital(rows, key, key_bits, hardware.am.cycles_per_level.value)
    found = staged(rows, key, key_bits, hardware.am.cam_stage_bits.value)
    cycles = math.ceil(len(found.stages) * hardware.am.cam_ns.value / hardware.rna.cycle_ns.value)
    return Found(found.row, cycles, found.bits, found.stages)


def digital(rows: Sequence[int], key: int, key_bits: int, cycles_per_level: int) -> Found:
    """Binary search over the midpoints between rows, ``ceil(log2 rows)`` comparisons.

    A key belongs above a midpoint if it is above its floor: on a tie the lower row wins. Equal rows share a place.
    """
    values = sorted(set(rows))
    first = [list(rows).index(value) for value in values]
    levels = (len(rows) - 1).bit_length()
    middles = [(a + b) >> 1 for a, b in pairwise(values)]
    place, stages = 0, []
    for level in reversed(range(levels)):
        at = place + (1 << level) - 1
        above = at < len(middles) and key > middles[at]
        shown = f"> {middles[at]}" if at < len(middles) else "> end"
        stages.append(f"{key} {shown}: {'yes' if above else 'no'}")
        place += above << level
    return Found(first[place], levels * cycles_per_level, levels * key_bits, tuple(stages))


def staged(rows: Sequence[int], key: int, key_bits: int, stage_bits: int) -> Found:
    """Search in stages of ``stage_bits`` bits from the most significant one.

    After a stage the difference of what was seen of row and key, in units of the last bit seen, bounds the distance: it
    lies within one unit. So only rows at the least difference or one above it go on, and the last stage decides.
    """
    stages = math.ceil(key_bits / stage_bits)
    left = key_bits
    alive = list(range(len(rows)))
    difference: dict[int, int] = {}
    shown = []
    for _ in range(stages):
        left = max(0, left - stage_bits)
        difference = {m: abs((rows[m] >> left) - (key >> left)) for m in alive}
        least = min(difference.values())
        alive = [m for m in alive if difference[m] <= least + (left > 0)]
        shown.append(f"{key_bits - left} of {key_bits} bits: rows {', '.join(map(str, alive))}")
    return Found(alive[0], stages, len(rows) * key_bits, tuple(shown))


@dataclass(frozen=True)
class Pooled:
    """The largest code of a window, and the cycles, as :func:`rapidnn.machine.readout.pool_search` charges them."""

    code: int
    cycles: int


def pool(hardware: Hardware, codes: Sequence[int], bits: int) -> Pooled:
    """Max pooling: codes are compared one after another, or written into the CAM's rows and searched for the largest.

    The search's key is the largest number of ``bits`` bits: the nearest row is then the largest.
    """
    if hardware.am.search.value == "digital":
        best = 0
        for code in codes:
            best = max(best, code)
        return Pooled(best, len(codes))
    found = search(hardware, codes, (1 << bits) - 1, bits)
    return Pooled(codes[found.row], len(codes) + found.cycles)
