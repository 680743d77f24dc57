"""What ``rapidnn bench simulate`` found."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Row:
    """One engine on one network at one batch size and number of threads.

    ``median_ms`` is the median over ``rounds`` timed samples of the time of one batch, ``gmac_per_s`` the network's
    multiply-accumulates (padded taps counted) over it, ``ratio_to_ort_float32`` the speed over that of
    ``onnxruntime-float32`` in the same rounds: above 1 is faster. ``exact`` tells whether the integers are those of
    the reference on ``reference_samples`` samples and of our other engines on all; both are None for rivals.
    """

    network: str
    batch: int
    threads: int
    engine: str
    median_ms: float
    gmac_per_s: float
    ratio_to_ort_float32: float
    exact: bool | None
    reference_samples: int | None
    rounds: int


@dataclass(frozen=True)
class EngineMean:
    """Geometric mean of an engine's ``ratio_to_ort_float32`` over its ``rows`` rows with that many threads."""

    engine: str
    threads: int
    rows: int
    ratio_to_ort_float32: float


@dataclass(frozen=True)
class Simulation:
    """All rows of one run, on what they were measured, and the means.

    ``kernels`` is the instruction set our engines used, ``versions`` those of rapidnn and of the rivals.
    """

    cpu: str
    kernels: str
    rounds: int
    versions: dict[str, str]
    rows: tuple[Row, ...]
    means: tuple[EngineMean, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One line per row."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def rows_table(self) -> Table:
        """The rows for a terminal."""
        table = Table(title=f"{self.cpu}, {self.kernels} kernels", box=box.SIMPLE, padding=(0, 1, 0, 0))
        table.add_column("net, batch, threads", no_wrap=True)
        table.add_column("engine", no_wrap=True)
        for heading in ("ms", "GMAC/s", "x ORT", "exact"):
            table.add_column(heading, justify="right", no_wrap=True)
        for place, found in groupby(self.rows, lambda row: (row.network, row.batch, row.threads)):
            shown = "{}, {}, {}".format(*place)
            for row in found:
                exact = {None: "", True: "yes", False: "NO"}[row.exact]
                figures = (row.median_ms, row.gmac_per_s, row.ratio_to_ort_float32)
                style = "bold red" if row.exact is False else None
                table.add_row(shown, row.engine, *(f"{figure:.3g}" for figure in figures), exact, style=style)
                shown = ""
            table.add_section()
        return table

    def means_table(self) -> Table:
        """The geometric means for a terminal."""
        table = Table(title="geometric means; x ORT: speed over ONNX Runtime float32", box=box.SIMPLE)
        table.add_column("engine")
        for heading in ("threads", "rows", "x ORT"):
            table.add_column(heading, justify="right")
        for mean in self.means:
            table.add_row(mean.engine, str(mean.threads), str(mean.rows), f"{mean.ratio_to_ort_float32:.3g}")
        return table


def engine_means(rows: Iterable[Row]) -> tuple[EngineMean, ...]:
    """The geometric mean of every engine at every number of threads, in the order of the rows."""
    ratios: dict[tuple[int, str], list[float]] = {}
    for row in rows:
        ratios.setdefault((row.threads, row.engine), []).append(row.ratio_to_ort_float32)
    return tuple(
        EngineMean(engine, threads, len(found), math.exp(sum(map(math.log, found)) / len(found)))
        for (threads, engine), found in ratios.items()
    )
