"""Programmes as data: the 3:2 carry-save steps and the final additions that a block can run.

A programme is a list of instructions; its cycles, gates, NOR outputs and initialised cells are those of the list. The
tests execute every one of them on all or random inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from rapidnn.errors import HardwareError
from rapidnn.machine.micro.full_adders import MAGIC_12, NOR3_8, NOR_9, FullAdder
from rapidnn.machine.micro.instructions import Across, Instruction, Nor, Reset, Set, gates_of

ZERO = "zero"
"""The row of constant zeros every block keeps: carry into bit 0, and what is read where nothing was added."""


@dataclass(frozen=True)
class Programme:
    """A list of instructions for words of ``word_bits`` columns.

    ``together`` run in all selected lanes at once. ``in_turn`` are gates along rows, run once for each lane; ``after``
    follow in all lanes at once. ``scratch`` are the rows it initialises beside its results.
    """

    name: str
    word_bits: int
    together: tuple[Instruction, ...]
    in_turn: tuple[Across, ...] = ()
    after: tuple[Instruction, ...] = ()
    scratch: tuple[str, ...] = ()

    @property
    def gates(self) -> tuple[str, ...]:
        """Stateful gates the cell must have."""
        return gates_of((*self.together, *self.in_turn, *self.after))

    @property
    def cycles(self) -> int:
        """Cycles that do not depend on the number of lanes."""
        return len(self.together) + len(self.after)

    @property
    def cycles_per_lane(self) -> int:
        """Cycles more for each lane."""
        return len(self.in_turn)

    @property
    def nor_outputs(self) -> int:
        """NOR output cells of one lane."""
        return sum(self._cells(i) for i in self._all() if isinstance(i, Nor | Across))

    @property
    def init_writes(self) -> int:
        """Initialised cells of one lane."""
        return sum(self._cells(i) for i in self._all() if isinstance(i, Set | Reset))

    @property
    def reads_bits(self) -> bool:
        """Whether it works on one bit position after another."""
        return any(isinstance(i, Nor) and i.bit is not None for i in self.together)

    def _all(self) -> tuple[Instruction, ...]:
        return (*self.together, *self.in_turn, *self.after)

    def _cells(self, instruction: Instruction) -> int:
        """Cells of one lane that an instruction evaluates or writes."""
        n = self.word_bits
        match instruction:
            case Across():
                return 1
            case Set():
                return len(instruction.rows) * (n if instruction.bit is None else 1)
            case Reset():
                return n if instruction.bit is None else 1
            case Nor():
                if instruction.bit is not None:
                    return 1
                return {"all": n, "even": (n + 1) // 2, "odd": n // 2}[instruction.parity]


def _step(name: str, adder: FullAdder, word_bits: int, shift: bool) -> Programme:
    """Rows a, b, c into rows ``sum`` and ``carry``, the carry one position up; every row has ``word_bits`` columns."""
    gates: list[Instruction] = [Nor(out, inputs) for out, inputs in adder.gates if out != "carry"]
    carry = next(inputs for out, inputs in adder.gates if out == "carry")
    rows = (*adder.nodes, "sum", "carry")
    if shift:
        together: tuple[Instruction, ...] = (Set(rows), *gates, Nor("carry", carry, shift=True))
        return Programme(name, word_bits, together, scratch=adder.nodes)
    # A gate along a row has both cells in one row. So that each finds its output initialised, carries of even positions
    # go into one row and those of odd positions into another; the lowest cell stays 1, and its inverse is the 0 needed.
    together = (
        Set((*rows, "even_up", "odd_up")),
        *gates,
        Nor("even_up", carry, parity="even"),
        Nor("odd_up", carry, parity="odd"),
    )
    in_turn = tuple(Across("odd_up" if k % 2 else "even_up", k) for k in range(word_bits - 1))
    after = (Nor("carry", ("even_up",), parity="odd"), Nor("carry", ("odd_up",), parity="even"))
    return Programme(name, word_bits, together, in_turn, after, (*adder.nodes, "even_up", "odd_up"))


def _bit(adder: FullAdder, k: int, word_bits: int, shift: bool, first: str = ZERO) -> list[Nor | Across]:
    """The gates of one bit of a ripple addition, rows a and b into ``sum``; the carry goes to position k + 1.

    ``first`` is the row whose bit 0 is 0, the carry into bit 0. The carry out of the top bit, which addition modulo
    ``2**N`` drops, ends in a row of its own.
    """
    into = first if k == 0 else "carry" if shift else f"carry{(k - 1) % 2}"
    last = k == word_bits - 1
    gates: list[Nor | Across] = []
    for out, inputs in adder.gates:
        named = tuple(into if name == "c" else name for name in inputs)
        if out != "carry":
            gates.append(Nor(out, named, bit=k))
        elif last:
            gates.append(Nor("overflow", named, bit=k))
        elif shift:
            gates.append(Nor("carry", named, bit=k, shift=True))
        else:  # the gate along the row inverts, so it is given the inverse of the carry
            gates += [Nor("unshifted", named, bit=k), Nor(f"carry{k % 2}", ("unshifted",), bit=k)]
            gates.append(Across(f"carry{k % 2}", k))
    return gates


def _written(gates: list[Nor | Across]) -> list[tuple[str, int]]:
    """Row and position of the output cell of each gate."""
    return [(g.row, g.bit + 1) if isinstance(g, Across) else (g.out, (g.bit or 0) + g.shift) for g in gates]


def _ripple_rows(adder: FullAdder, shift: bool) -> tuple[str, ...]:
    carries = ("carry",) if shift else ("unshifted", "carry0", "carry1")
    return (*adder.nodes, *carries, "overflow")


def _bulk(name: str, adder: FullAdder, word_bits: int, shift: bool) -> Programme:
    """Ripple addition after one initialisation, of all columns of the rows it will write."""
    rows = (*_ripple_rows(adder, shift), "sum")
    gates = [gate for k in range(word_bits) for gate in _bit(adder, k, word_bits, shift)]
    return Programme(name, word_bits, (Set(rows), *gates), scratch=rows[:-1])


def _bitwise(name: str, adder: FullAdder, word_bits: int, shift: bool) -> Programme:
    """Ripple addition that initialises the cells of one column in one cycle, before the gates that write them."""
    bits = [_bit(adder, k, word_bits, shift) for k in range(word_bits)]
    cells = [cell for gates in bits for cell in _written(gates)]
    sets = [Set(tuple(row for row, at in cells if at == k), bit=k) for k in range(word_bits)]
    instructions: list[Instruction] = [sets[0]]
    for k, gates in enumerate(bits):
        instructions += [*sets[k + 1 : k + 2], *gates]
    return Programme(name, word_bits, tuple(instructions), scratch=_ripple_rows(adder, shift))


def _gatewise(name: str, adder: FullAdder, word_bits: int, shift: bool) -> Programme:
    """Ripple addition that initialises every output cell in a cycle of its own; the first carry is written as 0."""
    first = "carry" if shift else "carry1"
    instructions: list[Instruction] = [Reset(first, bit=0)]
    for k in range(word_bits):
        gates = _bit(adder, k, word_bits, shift, first)
        for gate, (row, at) in zip(gates, _written(gates), strict=True):
            instructions += [Set((row,), bit=at), gate]
    return Programme(name, word_bits, tuple(instructions), scratch=_ripple_rows(adder, shift))


_Maker = Callable[[str, FullAdder, int, bool], Programme]

COMPRESSORS: dict[str, FullAdder] = {"magic-13": MAGIC_12, "nor-10": NOR_9, "nor3-9": NOR3_8}
"""3:2 steps by the names hardware descriptions use."""

ADDERS: dict[str, tuple[_Maker, FullAdder]] = {
    "magic-12n1": (_bulk, MAGIC_12),
    "magic-13n": (_bitwise, MAGIC_12),
    "aritpim-18n1": (_gatewise, NOR_9),
    "nor-9n1": (_bulk, NOR_9),
    "nor3-8n1": (_bulk, NOR3_8),
}
"""Final additions by the names hardware descriptions use."""


@cache
def compressor(name: str, word_bits: int, shift: bool = True) -> Programme:
    """The 3:2 carry-save step of that name; ``shift`` says whether the block has the shift interconnect.

    Raises
    ------
    HardwareError
        If no programme has the name.
    """
    if name not in COMPRESSORS:
        raise HardwareError(
            f"no programme is written for compressor {name!r}; there are {', '.join(COMPRESSORS)}"
        )
    return _step(name, COMPRESSORS[name], word_bits, shift)


@cache
def adder(name: str, word_bits: int, shift: bool = True) -> Programme:
    """The final addition of that name, for words of ``word_bits``.

    Raises
    ------
    HardwareError
        If no programme has the name.
    """
    if name not in ADDERS:
        raise HardwareError(f"no programme is written for adder {name!r}; there are {', '.join(ADDERS)}")
    make, cell = ADDERS[name]
    return make(name, cell, word_bits, shift)
