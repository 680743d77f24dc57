"""The instruction set of a block's crossbar: NOR programmes are lists of these, executed by :mod:`.crossbar`.

A row is a symbolic name that the caller binds to a row of the crossbar. Columns are lanes' words: bit position k of a
lane is its k-th column. One instruction is one cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Parity = Literal["all", "even", "odd"]


@dataclass(frozen=True)
class Nor:
    """``out`` := NOR of ``inputs`` in every selected column at once (one input: NOT).

    The gate can only switch its output cell from 1 to 0, as MAGIC does, so the cell must have been initialised to 1.
    ``bit`` selects one bit position of the lanes instead of all, ``parity`` the even or odd ones. With ``shift`` the
    output cell lies one column to the left, which takes the shift interconnect; the lane's lowest output then has a
    constant 1 for input, and what would leave the lane at the top is not computed.
    """

    out: str
    inputs: tuple[str, ...]
    bit: int | None = None
    parity: Parity = "all"
    shift: bool = False

    @property
    def gate(self) -> str:
        """The stateful gate it takes: ``NOR`` of at most two inputs, or ``NOR3``."""
        return "NOR" if len(self.inputs) <= 2 else f"NOR{len(self.inputs)}"


@dataclass(frozen=True)
class Across:
    """NOT of the cell of ``row`` at position ``bit``, into the same row at position ``bit + 1``.

    A gate along a row: it serves one pair of columns, so the lanes of a block take turns.
    """

    row: str
    bit: int

    gate = "NOR"


@dataclass(frozen=True)
class Set:
    """Initialise the selected columns of ``rows`` to 1: one cycle however many rows (a rectangle of cells)."""

    rows: tuple[str, ...]
    bit: int | None = None


@dataclass(frozen=True)
class Reset:
    """Write 0 to the selected columns of ``row``."""

    row: str
    bit: int | None = None


Instruction = Nor | Across | Set | Reset


def gates_of(instructions: Iterable[Instruction]) -> tuple[str, ...]:
    """The stateful gates that instructions take, sorted."""
    return tuple(sorted({i.gate for i in instructions if isinstance(i, Nor | Across)}))
