"""Searches in a block's associative memories, and max pooling by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapidnn.machine.layers import Pool
from rapidnn.machine.records import Hardware


@dataclass(frozen=True)
class Search:
    """Cycles, energy and key bits compared."""

    cycles: float
    energy_pj: float
    bits: float

    def __add__(self, other: Search) -> Search:
        return Search(self.cycles + other.cycles, self.energy_pj + other.energy_pj, self.bits + other.bits)


def search(hardware: Hardware, rows: int, key_bits: int) -> Search:
    """Nearest of ``rows`` rows to a key.

    ``digital``: a binary search over the rows - 1 sorted midpoints, ceil(log2 rows) levels of one small SRAM read and
    one comparison each (FACTS 8.5, "sorted midpoints, digital"). ``cam``: the FeFET CAM's exact search repeated for
    each stage of ``cam_stage_bits`` (FACTS 7.4), an assumption of the description; each stage compares its own bits.
    """
    am = hardware.am
    if am.search.value == "digital":
        levels = (rows - 1).bit_length()
        read = am.sram_read_pj_16b.value * key_bits / 16
        energy = levels * (am.comparator_pj.value + read)
        return Search(levels * am.cycles_per_level.value, energy, levels * key_bits)
    stages = math.ceil(key_bits / am.cam_stage_bits.value)
    cycles = math.ceil(stages * am.cam_ns.value / hardware.rna.cycle_ns.value)
    return Search(cycles, stages * am.cam_pj.value * rows / 64 * key_bits / 32, rows * key_bits)


def pool_search(hardware: Hardware, pool: Pool) -> Search:
    """Maximum of a window's codes: each code is read from the buffer, compared, and the largest one written back.

    ``digital`` compares the codes one after another; ``cam`` writes them into the CAM's rows and searches once.
    """
    am, buffer = hardware.am, hardware.buffer
    moved = (pool.taps * buffer.read_pj_32b.value + buffer.write_pj_32b.value) / 32 * pool.bits
    bits = (pool.taps + 1) * pool.bits
    if am.search.value == "digital":
        return Search(pool.taps, moved + (pool.taps - 1) * am.comparator_pj.value, bits)
    found = search(hardware, pool.taps, max(1, pool.bits))
    loaded = pool.taps * pool.bits * hardware.crossbar.write_pj_32b.value / 32
    return Search(pool.taps + found.cycles, moved + loaded + found.energy_pj, bits + found.bits)
