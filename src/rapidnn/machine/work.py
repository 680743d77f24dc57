"""What one 3:2 step and one final addition take: counted on their programmes, or as a description states them.

A name that a programme is written for (``rapidnn.machine.micro.programmes``) takes what that list of instructions
takes; a description may also state the cycles and cells of a programme that only it knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rapidnn.machine.micro.programmes import ADDERS, COMPRESSORS, adder, compressor
from rapidnn.machine.records import Hardware

CONSTANT_ROWS = 2
"""Working rows beside scratch and addends: the constant zeros, and the final sum's."""


@dataclass(frozen=True)
class Work:
    """Cycles, NOR outputs and initialised cells of one 3:2 step (``step_``) and one final addition (``add_``).

    ``step_cycles`` serve all lanes of a round, ``lane_cycles`` come on top for each; cells are those of one lane.
    ``scratch_rows`` hold intermediate results, of the larger of the two.
    """

    step_cycles: int
    lane_cycles: int
    step_nor: int
    step_init: int
    add_cycles: int
    add_nor: int
    add_init: int
    scratch_rows: int


def block_work(hardware: Hardware, word_bits: int) -> Work:
    """The work of a description's programmes on words of ``word_bits``."""
    rna = hardware.rna
    names = rna.compressor.value, rna.adder.value
    if names[0] in COMPRESSORS and names[1] in ADDERS:
        return _counted(*names, word_bits, rna.shift_interconnect.value)
    return _work(hardware, word_bits)


@lru_cache(maxsize=256)
def _counted(step: str, add: str, n: int, shift: bool) -> Work:
    first, last = _counted_step(step, n, shift), _counted_final(add, n, shift)
    return Work(*first[:4], *last[:3], max(first[4], last[3]))


def _work(hardware: Hardware, word_bits: int) -> Work:
    shift = hardware.rna.shift_interconnect.value
    step_cycles, lane_cycles, step_nor, step_init, step_rows = _step(hardware, word_bits, shift)
    add_cycles, add_nor, add_init, add_rows = _final(hardware, word_bits, shift)
    rows = max(step_rows, add_rows)
    return Work(step_cycles, lane_cycles, step_nor, step_init, add_cycles, add_nor, add_init, rows)


def _step(hardware: Hardware, n: int, shift: bool) -> tuple[int, int, int, int, int]:
    name = hardware.rna.compressor.value
    if name in COMPRESSORS:
        return _counted_step(name, n, shift)
    stated = hardware.compressor
    nor, init = stated.nor_outputs_per_bit.value * n, stated.init_writes_per_bit.value * n
    copies = 0 if shift else n
    lane_cycles = 0 if shift else n + 1  # one cycle per bit column and an initialisation
    return stated.cycles.value, lane_cycles, nor + copies, init + copies, stated.scratch_rows.value


def _final(hardware: Hardware, n: int, shift: bool) -> tuple[int, int, int, int]:
    name = hardware.rna.adder.value
    if name in ADDERS:
        return _counted_final(name, n, shift)
    stated = hardware.adder
    cycles = stated.cycles_per_bit.value * n + stated.cycles_fixed.value
    copies = 0 if shift else 2 * (n - 1)  # the carry's inverse and a gate along the row
    nor, init = stated.nor_outputs_per_bit.value * n, stated.init_writes_per_bit.value * n
    return cycles + copies, nor + copies, init + copies, stated.nor_outputs_per_bit.value


@lru_cache(maxsize=256)
def _counted_step(name: str, n: int, shift: bool) -> tuple[int, int, int, int, int]:
    found = compressor(name, n, shift)
    return found.cycles, found.cycles_per_lane, found.nor_outputs, found.init_writes, len(found.scratch)


@lru_cache(maxsize=256)
def _counted_final(name: str, n: int, shift: bool) -> tuple[int, int, int, int]:
    found = adder(name, n, shift)
    return found.cycles, found.nor_outputs, found.init_writes, len(found.scratch)
