"""The NOR programmes of a block as words that its sequencer reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rapidnn.machine.micro.block import BlockSetup
from rapidnn.machine.micro.instructions import Across, Instruction, Nor, Reset, Set
from rapidnn.machine.micro.programmes import ZERO

_STEP_ROWS = {"a": 1, "b": 2, "c": 3, "sum": 4, "carry": 5}
_ADD_ROWS = {"a": 1, "b": 2}
_NAMED = 1 << 16
"""Marks one of the rows above; any other row is a number."""
_OPS = {"nor": 1, "shifted": 2, "set": 3, "reset": 4}


@dataclass(frozen=True)
class Microcode:
    """``words`` of ``bits``; ``ends`` of the 3:2 step's three parts and of the final addition."""

    words: tuple[int, ...]
    bits: int
    ends: tuple[int, int, int, int]


def microcode(setup: BlockSetup, row_bits: int) -> Microcode:
    """Both programmes, one instruction a word, in the fields of :class:`_Words`."""
    step, final = setup.compressor, setup.adder
    parts = (step.together, step.in_turn, step.after, final.together)
    rows = setup.bind | {name: _NAMED | number for name, number in _STEP_ROWS.items()}
    added = {name: _NAMED | number for name, number in _ADD_ROWS.items()} | {"sum": setup.sum_row}
    packing = _Words(setup.word_bits, row_bits, setup.first_slot)
    words: list[int] = []
    ends = []
    for part, named in zip(parts, (rows, rows, rows, setup.bind | added), strict=True):
        words += [packing.word(instruction, named) for instruction in part]
        ends.append(len(words))
    return Microcode(tuple(words), packing.bits, (ends[0], ends[1], ends[2], ends[3]))


@dataclass(frozen=True)
class _Words:
    """Fields from the top: operation (3), whole (1), positions, three inputs and the output, rows to set.

    A row field is a row's number, or with a bit more on top the number of a name; rows to set are carry and sum, then
    a bit for each row below the first slot.
    """

    word_bits: int
    row_bits: int
    first_slot: int

    @property
    def bits(self) -> int:
        """Of a word; as ``IW`` in ``rna_block.sv``."""
        return 4 + self.word_bits + 4 * (self.row_bits + 1) + 2 + self.first_slot

    def word(self, instruction: Instruction, rows: Mapping[str, int]) -> int:
        """One instruction with its names bound."""
        inputs: tuple[str, ...] = ()
        out, sets, whole = ZERO, 0, False
        match instruction:
            case Nor():
                op = "shifted" if instruction.shift else "nor"
                inputs, out = instruction.inputs, instruction.out
                whole = instruction.bit is None and instruction.parity == "all"
            case Across():
                op, inputs, out = "shifted", (instruction.row,), instruction.row
            case Set():
                op, sets = "set", self._set_mask(instruction, rows)
            case Reset():
                op, out = "reset", instruction.row
        first, second, third = (rows[name] for name in (*inputs, ZERO, ZERO, ZERO)[:3])
        word = _OPS[op] << 1 | whole
        word = word << self.word_bits | _positions(instruction, self.word_bits)
        for row in (first, second, third, rows[out]):
            named = 1 << self.row_bits if row & _NAMED else 0
            word = word << self.row_bits + 1 | named | row & ~_NAMED
        return word << 2 + self.first_slot | sets

    def _set_mask(self, instruction: Set, rows: Mapping[str, int]) -> int:
        places = {
            _NAMED | _STEP_ROWS["sum"]: self.first_slot,
            _NAMED | _STEP_ROWS["carry"]: self.first_slot + 1,
        }
        places |= {row: row for row in range(self.first_slot)}
        return sum(1 << places[row] for row in {rows[name] for name in instruction.rows})


def _positions(instruction: Instruction, word_bits: int) -> int:
    if instruction.bit is not None:
        return 1 << instruction.bit
    parity = instruction.parity if isinstance(instruction, Nor) else "all"
    start, stride = {"all": (0, 1), "even": (0, 2), "odd": (1, 2)}[parity]
    return sum(1 << k for k in range(start, word_bits, stride))
