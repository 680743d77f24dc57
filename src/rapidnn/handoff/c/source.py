"""A C source file as it grows: constant tables, each once, and functions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LINE = 110


def narrowest(array: NDArray[np.integer]) -> NDArray[np.integer]:
    """The array in the smallest signed type that holds it."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    for kind in (np.int8, np.int16, np.int32):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind)
    raise ValueError(f"a table reaches from {low} to {high}, which no 32-bit word holds")


def c_type(array: NDArray[Any]) -> str:
    """The C99 type of an array's elements."""
    return f"{array.dtype.name}_t"


class Source:
    """Tables and functions of one file.

    Attributes
    ----------
    flash_bytes
        Bytes of all tables.
    functions
        Text of the functions, in order.
    """

    def __init__(self) -> None:
        self.flash_bytes = 0
        self.functions: list[str] = []
        self._tables: list[str] = []
        self._known: dict[tuple[str, bytes], str] = {}
        self._shared: set[str] = set()

    @property
    def tables(self) -> str:
        """Text of the tables."""
        return "\n".join(self._tables)

    def table(self, name: str, array: NDArray[np.integer]) -> str:
        """Store a table flat, row after row, and return its name; an equal one is stored once."""
        flat = np.ascontiguousarray(array).reshape(-1)
        key = (flat.dtype.name, flat.tobytes())
        if key not in self._known:
            self._known[key] = name
            self.flash_bytes += flat.nbytes
            self._tables.append(
                f"static const {c_type(flat)} {name}[{len(flat)}] = {{\n{_numbers(flat)}\n}};\n"
            )
        return self._known[key]

    def share(self, name: str, text: str) -> str:
        """A helper function, written once; returns its name."""
        if name not in self._shared:
            self._shared.add(name)
            self.functions.append(text)
        return name


def _numbers(flat: NDArray[np.integer]) -> str:
    least = np.iinfo(np.int32).min
    # -2147483648 is a unary minus on a number that int does not hold.
    shown = ["(-2147483647 - 1)" if flat.dtype == np.int32 and n == least else str(n) for n in flat.tolist()]
    lines, line = [], ""
    for number in shown:
        if len(line) + len(number) + 1 > _LINE:
            lines.append(line)
            line = ""
        line += number + ","
    return "\n".join([*lines, line])
