"""One look for all figures: a column's width, small type, colours that stay apart for every kind of eye."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidnn.errors import DataError
from rapidnn.report.charts import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_INCHES = 3.4
"""Width of a column of a two-column paper."""

HATCHES = ("", "////", "xxxx", "....")

RC: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "legend.fontsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#D5DAE0",
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text, as publishers ask
    "svg.fonttype": "none",
    "svg.hashsalt": "rapidnn",
    "savefig.dpi": 300,
}


def check_matplotlib() -> None:
    """Refuse, in one line, where matplotlib is missing.

    Raises
    ------
    DataError
        With what to install.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise DataError(
            "figures need matplotlib, which is not installed: pip install 'rapidnn[plot]'"
        ) from None


def panels(
    count: int = 1, height: float = 2.3, *, ratios: tuple[float, ...] = ()
) -> tuple[Figure, list[Axes]]:
    """A figure of one column's width with panels one above another, without a window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(COLUMN_INCHES, height), layout="constrained")
    made = figure.subplots(count, 1, squeeze=False, height_ratios=ratios or None)
    return figure, [axes[0] for axes in made]


def colour(index: int) -> str:
    """Colour of the index-th series."""
    return PALETTE[index % len(PALETTE)]


def hatch(index: int) -> str:
    """Pattern of the index-th series: tells colours apart in black and white, and their second round."""
    return HATCHES[index // len(PALETTE) % len(HATCHES)]
