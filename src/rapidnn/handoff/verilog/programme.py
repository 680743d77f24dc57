"""The NOR programmes of a block as words that its sequencer reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rapidnn.machine.micro.block import BlockSetup
from rapidnn.machine.micro.instructions import Across, Instruction, Nor, Reset, Set
from rapidnn.machine.micro.programmes import ZERO

_STEP_ROWS = {"a": 1, "b": 2, "c": 3, "sum": 4, "carry": 5}
_ADD_ROWS = {"a": 1, "b": 2}
_NAMED = 1 << 8
"""A row field is a row's number, or with this bit one of the rows above."""
_OPS = {"nor": 1, "shifted": 2, "set": 3, "reset": 4}


@dataclass(frozen=True)
class Microcode:
    """``words`` of ``bits``; ``ends`` of the 3:2 step's three parts and of the final addition."""

    words: tuple[int, ...]
    bits: int
    ends: tuple[int, int, int, int]


def microcode(setup: BlockSetup) -> Microcode:
    """Both programmes, one instruction a word: operation, whole, positions, three inputs, output, rows to set."""
    step, final = setup.compressor, setup.adder
    parts = (step.together, step.in_turn, step.after, final.together)
    rows = {name: _NAMED | number for name, number in _STEP_ROWS.items()}
    add_rows = {name: _NAMED | number for name, number in _ADD_ROWS.items()} | {"sum": setup.sum_row}
    words: list[int] = []
    ends = []
    for part, named in zip(parts, (rows, rows, rows, add_rows), strict=True):
        words += [_word(i, setup.bind | named, setup.word_bits) for i in part]
        ends.append(len(words))
    return Microcode(tuple(words), 78 + setup.word_bits, (ends[0], ends[1], ends[2], ends[3]))


def _word(instruction: Instruction, rows: Mapping[str, int], word_bits: int) -> int:
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
            op, sets = "set", _set_mask(instruction, rows)
        case Reset():
            op, out = "reset", instruction.row
    first, second, third = (rows[name] for name in (*inputs, ZERO, ZERO, ZERO)[:3])
    word = _OPS[op] << 1 | whole
    word = word << word_bits | _positions(instruction, word_bits)
    for field in (first, second, third, rows[out]):
        word = word << 9 | field
    return word << 38 | sets


def _set_mask(instruction: Set, rows: Mapping[str, int]) -> int:
    mask = 0
    for name in instruction.rows:
        row = rows[name]
        mask |= 1 << (32 + (row & 7)) if row & _NAMED else 1 << row
    return mask


def _positions(instruction: Instruction, word_bits: int) -> int:
    if instruction.bit is not None:
        return 1 << instruction.bit
    parity = instruction.parity if isinstance(instruction, Nor) else "all"
    start, stride = {"all": (0, 1), "even": (0, 2), "odd": (1, 2)}[parity]
    return sum(1 << k for k in range(start, word_bits, stride))
