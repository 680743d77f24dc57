"""What ``rapidnn bench cluster`` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ClusterRow:
    """One engine on one set of weights, clustered to ``k`` values, in a process of its own.

    ``seconds`` and ``cpu_seconds`` (of all threads) are medians over ``rounds`` calls from values in memory to
    centers, ``encode_seconds`` that from values and centers to codes (our engine only). ``sse_ratio`` is the sum of
    squared distances of all values to their nearest center, over that of the optimum. ``peak_mib`` is the most
    memory held beyond the values while clustering, None where the system does not tell.
    """

    workload: str
    engine: str
    points: int
    k: int
    seconds: float
    cpu_seconds: float
    encode_seconds: float | None
    sse_ratio: float
    peak_mib: float | None
    rounds: int


@dataclass(frozen=True)
class LeftOut:
    """An engine without rows, and why."""

    engine: str
    reason: str


@dataclass(frozen=True)
class Clustering:
    """All rows of one run, and on what they were measured; every engine may use ``threads`` processors."""

    cpu: str
    threads: int
    versions: dict[str, str]
    rows: tuple[ClusterRow, ...]
    left_out: tuple[LeftOut, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One line per row."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def table(self) -> Table:
        """The rows for a terminal."""
        processors = f"{self.threads} processor{'s' if self.threads > 1 else ''}"
        table = Table(title=f"{self.cpu}, {processors}", box=box.SIMPLE, padding=(0, 1, 0, 0))
        table.add_column("weights, points, k", no_wrap=True)
        table.add_column("engine", no_wrap=True)
        for heading in ("s", "CPU s", "enc. s", "SSE/opt.", "MiB"):
            table.add_column(heading, justify="right", no_wrap=True)
        for place, found in groupby(
            self.rows, lambda row: (row.workload, f"{row.points / 1e6:.3g} M", row.k)
        ):
            shown = "{}, {}, {}".format(*place)
            for row in found:
                encode = "" if row.encode_seconds is None else f"{row.encode_seconds:.2g}"
                peak = "" if row.peak_mib is None else f"{row.peak_mib:.1f}"
                times = (f"{row.seconds:.2g}", f"{row.cpu_seconds:.2g}", encode)
                table.add_row(shown, row.engine, *times, f"{row.sse_ratio:.5f}", peak)
                shown = ""
            table.add_section()
        return table
