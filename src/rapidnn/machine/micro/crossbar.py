"""The crossbar as a bit matrix, and the interpreter that runs programmes on it cycle by cycle.

A row is one Python integer: bit ``lane * N + k`` is position k of the word in that lane. A set of lanes is an integer
with the lowest bit of each of its lanes set, so that masks of columns are products and shifts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.micro.instructions import Across, Instruction, Nor, Reset, Set
from rapidnn.machine.micro.programmes import Programme

Watcher = Callable[[str, tuple[int, ...], tuple[int, ...], int, int], None]
"""Called for every cycle that touches the crossbar: operation, rows read, rows written, columns (a mask), switched."""


@dataclass
class Counts:
    """What has been executed. Cells are counted once for each time they are evaluated or written."""

    cycles: int = 0
    nor_outputs: int = 0
    init_writes: int = 0
    word_writes: int = 0
    switched_on: int = 0
    switched_off: int = 0


@dataclass
class Crossbar:
    """``rows`` x (``lanes`` x ``word_bits``) cells.

    ``cells`` is one integer per row; what it holds at the start is arbitrary. ``counts`` and, for wear, every write's
    columns by row are kept.
    """

    rows: int
    lanes: int
    word_bits: int
    watcher: Watcher | None = None
    cells: list[int] = field(default_factory=list)
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self.cells = self.cells or [0] * self.rows
        self._word = (1 << self.word_bits) - 1
        self._parity = {
            "all": self._word,
            "even": sum(1 << k for k in range(0, self.word_bits, 2)),
            "odd": sum(1 << k for k in range(1, self.word_bits, 2)),
        }
        self._written: list[list[int]] = [[] for _ in range(self.rows)]

    def lanes_mask(self, lanes: Iterable[int]) -> int:
        """A set of lanes: the lowest column of each."""
        return sum(1 << lane * self.word_bits for lane in lanes)

    def read(self, row: int, lane: int) -> int:
        """The word of a row in a lane; the caller counts its cycles."""
        if self.watcher:
            self.watcher("read", (row,), (), self._word << lane * self.word_bits, 0)
        return self.cells[row] >> lane * self.word_bits & self._word

    def write(self, row: int, lane: int, word: int) -> None:
        """A conventional write of one word, whatever the cells held; the caller counts its cycles."""
        at = lane * self.word_bits
        columns = self._word << at
        self.counts.word_writes += self.word_bits
        self._put("write", (), row, (word & self._word) << at, columns)

    def run(self, programme: Programme, bind: Mapping[str, int], lanes: int) -> None:
        """Run a programme in a set of lanes, its row names bound to rows."""
        for instruction in programme.together:
            self.step(instruction, bind, lanes)
        if programme.in_turn:
            rest = lanes
            while rest:
                one = rest & -rest
                for gate in programme.in_turn:
                    self.step(gate, bind, one)
                rest ^= one
        for instruction in programme.after:
            self.step(instruction, bind, lanes)

    def step(self, instruction: Instruction, bind: Mapping[str, int], lanes: int) -> None:
        """Run one instruction: one cycle."""
        self.counts.cycles += 1
        match instruction:
            case Nor():
                self._nor(instruction, bind, lanes)
            case Across():
                row = bind[instruction.row]
                source = lanes << instruction.bit
                self._gate("across", (row,), row, (self.cells[row] & source) << 1, source << 1)
            case Set():
                columns = lanes * self._word if instruction.bit is None else lanes << instruction.bit
                self.counts.init_writes += columns.bit_count() * len(instruction.rows)
                self._set(tuple(bind[name] for name in instruction.rows), columns)
            case Reset():
                columns = lanes * self._word if instruction.bit is None else lanes << instruction.bit
                self.counts.init_writes += columns.bit_count()
                self._put("reset", (), bind[instruction.row], 0, columns)

    def writes(self) -> NDArray[np.int64]:
        """How often each cell was written (copies, moves, NOR outputs, initialisations): int64 ``(rows, columns)``."""
        columns = self.lanes * self.word_bits
        found = np.zeros((self.rows, columns), np.int64)
        size = -(-columns // 8)
        for row, masks in enumerate(self._written):
            if masks:
                raw = np.frombuffer(b"".join(mask.to_bytes(size, "little") for mask in masks), np.uint8)
                bits = np.unpackbits(raw.reshape(-1, size), axis=1, count=columns, bitorder="little")
                found[row] = bits.sum(axis=0, dtype=np.int64)
        return found

    def _nor(self, gate: Nor, bind: Mapping[str, int], lanes: int) -> None:
        inputs = tuple([bind[name] for name in gate.inputs])
        cells = self.cells
        high = 0
        for row in inputs:
            high |= cells[row]
        columns = lanes * self._parity[gate.parity] if gate.bit is None else lanes << gate.bit
        high &= columns
        if gate.shift:
            if gate.bit is None:
                top = lanes << self.word_bits - 1
                high = (
                    high & ~top
                ) << 1 | lanes  # the lane's edge gives the lowest output a constant 1 for input
            else:
                high, columns = high << 1, columns << 1
        self._gate("nor+1" if gate.shift else "nor", inputs, bind[gate.out], high, columns)

    def _gate(self, name: str, inputs: tuple[int, ...], out: int, high: int, columns: int) -> None:
        """Where an input is 1 the output cell switches to 0; elsewhere it stays what it was."""
        before = self.cells[out]
        switched = before & high
        self.cells[out] = before ^ switched
        self.counts.nor_outputs += columns.bit_count()
        self.counts.switched_off += switched.bit_count()
        self._written[out].append(columns)
        if self.watcher:
            self.watcher(name, inputs, (out,), columns, switched.bit_count())

    def _set(self, rows: tuple[int, ...], columns: int) -> None:
        on = 0
        for row in rows:
            before = self.cells[row]
            self.cells[row] = before | columns
            on += (columns & ~before).bit_count()
            self._written[row].append(columns)
        self.counts.switched_on += on
        if self.watcher:
            self.watcher("set", (), rows, columns, on)

    def _put(self, name: str, read: tuple[int, ...], row: int, value: int, columns: int) -> None:
        before = self.cells[row]
        after = before & ~columns | value
        self.cells[row] = after
        on, off = (after & ~before).bit_count(), (before & ~after).bit_count()
        self.counts.switched_on += on
        self.counts.switched_off += off
        self._written[row].append(columns)
        if self.watcher:
            self.watcher(name, read, (row,), columns, on + off)
