"""A small table of facts: typed columns, rows, and their CSV and readable forms. Charts and terminals print these."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Cell = str | int | float | None
Style = Literal["text", "number", "share"]

ABSENT = "\u2013"
"""An en dash, for a value that does not apply or is not known."""

TIMES = "\u00d7"
"""A multiplication sign, between extents."""


@dataclass(frozen=True)
class Column:
    """One column: a key for charts, a heading and unit for readers, perhaps a brief form for narrow terminals.

    A ``share`` (0 to 1) is shown as a percentage.
    """

    key: str
    heading: str
    unit: str = ""
    style: Style = "number"
    brief: str = ""

    @property
    def title(self) -> str:
        """Heading with its unit, as axes and table heads print it."""
        unit = "%" if self.style == "share" else self.unit
        return f"{self.heading} ({unit})" if unit else self.heading

    @property
    def csv_title(self) -> str:
        """Heading with the unit of the raw values."""
        return f"{self.heading} ({self.unit})" if self.unit else self.heading


@dataclass(frozen=True)
class DataTable:
    """Rows of cells under columns. None is a value that does not apply or is not known."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def column(self, key: str) -> list[Cell]:
        """The cells of one column, in order."""
        index = [column.key for column in self.columns].index(key)
        return [row[index] for row in self.rows]

    def without(self, *keys: str) -> DataTable:
        """The table without the named columns."""
        kept = [i for i, column in enumerate(self.columns) if column.key not in keys]
        return DataTable(
            tuple(self.columns[i] for i in kept), tuple(tuple(row[i] for i in kept) for row in self.rows)
        )

    def only(self, *keys: str) -> DataTable:
        """The table with the named columns, in their order here."""
        return self.without(*(column.key for column in self.columns if column.key not in keys))

    def title(self, key: str) -> str:
        """Heading and unit of one column."""
        return next(column.title for column in self.columns if column.key == key)

    def csv(self) -> str:
        """RFC 4180 text, numbers in full precision, absent cells empty."""
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow([column.csv_title for column in self.columns])
        writer.writerows([["" if cell is None else cell for cell in row] for row in self.rows])
        return out.getvalue()

    @property
    def csv_uri(self) -> str:
        """The CSV as a ``data:`` link that works from a file without a network."""
        return "data:text/csv;charset=utf-8;base64," + base64.b64encode(self.csv().encode()).decode()

    def shown(self) -> list[list[str]]:
        """The cells as readers see them."""
        return [
            [show(cell, column.style) for column, cell in zip(self.columns, row, strict=True)]
            for row in self.rows
        ]


def show(cell: Cell, style: Style = "number") -> str:
    """One cell: text as it is, integers with thousands, reals to four digits, shares as percentages, None as a dash."""
    if cell is None:
        return ABSENT
    if isinstance(cell, str):
        return cell
    if style == "share":
        return f"{100 * cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) else real(cell)


def real(value: float) -> str:
    """A real number to four significant digits, in scientific form where plain digits would be long."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3e}"
    if abs(value) >= 1e3:
        return f"{value:,.0f}"
    return f"{value:.4g}"


_PREFIXES = (
    (1e15, "P"),
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
)
_SMALL = ((1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


def quantity(value: float, unit: str) -> str:
    """A value in a base unit with the fitting prefix: ``quantity(2.5e-6, "s")`` is ``2.5 µs``."""
    if value == 0:
        return f"0 {unit}"
    for factor, prefix in _PREFIXES + _SMALL:
        if abs(value) >= factor:
            return f"{value / factor:.4g} {prefix}{unit}"
    return f"{value:.3e} {unit}"


def duration(seconds: float) -> str:
    """A time in the unit people would use for it, years and days included."""
    for size, unit in ((365.25 * 86400, "years"), (86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:,.4g} {unit}"
    return quantity(seconds, "s")


def share(part: float, whole: float) -> float:
    """The part's share of the whole, 0 of nothing."""
    return part / whole if whole else 0.0


def percent(fraction: float) -> str:
    """A share (0 to 1) as a percentage with two decimals."""
    return f"{100 * fraction:.2f} %"


def listed(names: Sequence[str], limit: int = 4) -> str:
    """Names in a sentence, the rest counted: ``a, b and 3 more``."""
    if len(names) > limit:
        return f"{', '.join(names[:limit])} and {len(names) - limit} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
