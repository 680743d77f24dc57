"""A block as a neuron finds it: lanes, rows, and the programmes it runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rapidnn.errors import HardwareError
from rapidnn.machine.layers import Layer
from rapidnn.machine.micro.programmes import ZERO, Programme, adder, compressor
from rapidnn.machine.passes import rows_per_lane
from rapidnn.machine.records import Hardware
from rapidnn.machine.reduction import addends_in, slot_rows


@dataclass(frozen=True)
class BlockSetup:
    """``lanes`` words of ``word_bits`` side by side; ``at_once`` addends at most stand in it.

    Row 0 holds constant zeros; the scratch rows of both programmes follow, shared, then the final sum's row, then the
    slots.
    """

    word_bits: int
    lanes: int
    compressor: Programme
    adder: Programme
    slots: int
    at_once: int

    @cached_property
    def bind(self) -> dict[str, int]:
        """Rows of the scratch names; those of the two programmes lie over each other."""
        rows = {ZERO: 0}
        for programme in (self.compressor, self.adder):
            names = [name for name in programme.scratch if name not in rows]
            taken = {rows[name] for name in programme.scratch if name in rows}
            there = [row for row in range(1, 1 + len(programme.scratch)) if row not in taken]
            rows |= dict(zip(names, there, strict=False))
        return rows

    @cached_property
    def sum_row(self) -> int:
        """The row of the final sum."""
        return 1 + scratch_rows(self.compressor, self.adder)

    @property
    def first_slot(self) -> int:
        """The first row that addends take."""
        return self.sum_row + 1

    @property
    def rows(self) -> int:
        """Rows in all."""
        return self.first_slot + self.slots


def scratch_rows(step: Programme, final: Programme) -> int:
    """Rows of intermediate results: the two programmes do not run at once."""
    return max(len(step.scratch), len(final.scratch))


def programmes(hardware: Hardware, word_bits: int) -> tuple[Programme, Programme]:
    """The 3:2 step and the final addition that a description names.

    Raises
    ------
    HardwareError
        If one has no programme of that name, or needs a gate that the cell does not have.
    """
    shift = hardware.rna.shift_interconnect.value
    step = compressor(hardware.rna.compressor.value, word_bits, shift)
    final = adder(hardware.rna.adder.value, word_bits, shift)
    for programme in (step, final):
        missing = [gate for gate in programme.gates if gate not in hardware.cell.gates.value]
        if missing:
            raise HardwareError(
                f"programme {programme.name!r} needs the gate {missing[0]}, which the cell does not support "
                f"(cell.gates: {', '.join(hardware.cell.gates.value)})"
            )
    return step, final


def block_setup(hardware: Hardware, layer: Layer) -> BlockSetup:
    """The block of a layer's neurons.

    Raises
    ------
    HardwareError
        As :func:`programmes`, if a word is wider than the crossbar, and if too few rows are left for addends.
    """
    lanes = hardware.lanes(layer.word_bits) if layer.counted else 1
    if lanes < 1:
        raise HardwareError(
            f"layer {layer.name!r} adds words of {layer.word_bits} bits, the crossbar has "
            f"{hardware.rna.columns.value} columns; raise rna.columns"
        )
    step, final = programmes(hardware, layer.word_bits)
    rows = rows_per_lane(layer, hardware) if layer.counted else 0
    if layer.counted and addends_in(rows, lanes) < min(3, layer.most_addends):
        raise HardwareError(
            f"layer {layer.name!r}: {rows} rows of a block are left for addends, a 3:2 step takes "
            f"{slot_rows(3, lanes)}; raise rna.rows or rna.addend_rows"
        )
    return BlockSetup(layer.word_bits, lanes, step, final, rows, addends_in(rows, lanes))
