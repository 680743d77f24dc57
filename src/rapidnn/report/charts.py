"""Plotly figures as plain dictionaries, drawn from data tables; colours that stay apart for every kind of eye.

Figures name no background and no text colour: the page sets those for light and dark (``report.js``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rapidnn.report.data import Cell, DataTable

PALETTE = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8C8C8C")
"""Okabe and Ito's colours without black and yellow, which vanish on a dark or a light page, and with a grey."""

GREY = len(PALETTE) - 1
"""Index of the palette's grey, for what is merged."""

DIVERGING = ((0.0, "#0072B2"), (0.5, "#F2F2F2"), (1.0, "#D55E00"))
"""Blue for negative, pale for zero, vermilion for positive."""

HATCHES = ("", "/", "x", ".")
"""Patterns that set a second and later round of the palette apart."""

_ROW_PX = 22
_LABEL = 28

Figure = dict[str, Any]


@dataclass(frozen=True)
class Chart:
    """One figure of the report: a heading, a sentence read from the data, the figure, and the table behind it."""

    id: str
    title: str
    reading: str
    figure: Figure
    table: DataTable


def label(text: Cell) -> str:
    """A name for inside a figure: long ones lose their middle; markup is shown, not obeyed."""
    plain = str(text)
    if len(plain) > _LABEL:
        plain = plain[: _LABEL // 2 - 1] + "…" + plain[-_LABEL // 2 :]
    return html.escape(plain, quote=False)


def axis(title: str, **more: Any) -> Figure:
    """An axis with its heading and unit."""
    return {"title": {"text": html.escape(title, quote=False)}, "automargin": True, **more}


def log_axis(title: str, values: Sequence[Cell], **more: Any) -> Figure:
    """A logarithmic axis: ticks at powers of ten, and at 2 and 5 times them where the values span under two decades."""
    known = [value for value in values if isinstance(value, int | float) and value > 0]
    narrow = bool(known) and max(known) < 100 * min(known)
    return axis(title, type="log", dtick="D2" if narrow else 1, **more)


def named_axis(names: Sequence[Cell], **more: Any) -> Figure:
    """An axis of places 0, 1, ... with names, so that equal or odd names cannot merge or reorder rows."""
    ticks = {"tickmode": "array", "tickvals": list(range(len(names))), "ticktext": [label(n) for n in names]}
    return {"automargin": True, **ticks, "range": [-0.6, len(names) - 0.4], **more}


def marker(index: int) -> Figure:
    """Colour and pattern of the index-th series."""
    look: Figure = {"color": PALETTE[index % len(PALETTE)]}
    hatch = HATCHES[index // len(PALETTE) % len(HATCHES)]
    if hatch:
        look["pattern"] = {"shape": hatch, "size": 6, "solidity": 0.35, "fgcolor": "#FFFFFF"}
    return look


def bars(table: DataTable, names: str, value: str) -> Figure:
    """Horizontal bars, one a row of the table, the first on top."""
    rows = len(table.rows)
    trace = {
        "type": "bar",
        "orientation": "h",
        "y": list(range(rows)),
        "x": table.column(value),
        "marker": marker(0),
        "hovertext": [label(name) for name in table.column(names)],
        "hovertemplate": "%{hovertext}: %{x:.4g}<extra></extra>",
    }
    layout = {
        "xaxis": axis(table.title(value)),
        "yaxis": named_axis(table.column(names), range=[rows - 0.4, -0.6]),
        "height": 110 + _ROW_PX * rows,
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout}


def stacked(table: DataTable, names: str, series: Sequence[str], title: str) -> Figure:
    """Horizontal bars, one a row of the table, cut into the named columns, the first row on top."""
    rows = len(table.rows)
    headings = {column.key: column.heading for column in table.columns}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": label(headings[key]),
            "y": list(range(rows)),
            "x": table.column(key),
            "marker": marker(index),
            "hovertext": [label(name) for name in table.column(names)],
            "hovertemplate": "%{hovertext}: %{x:.4g}<extra>%{fullData.name}</extra>",
        }
        for index, key in enumerate(series)
    ]
    layout = {
        "barmode": "stack",
        "xaxis": axis(title),
        "yaxis": named_axis(table.column(names), range=[rows - 0.4, -0.6]),
        "height": 150 + _ROW_PX * rows + 22 * -(-len(series) // 2),
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def heat(
    values: Sequence[Sequence[float]], rows: Sequence[str], cols: Sequence[str], titles: tuple[str, str, str]
) -> Figure:
    """A heat map of signed values about zero; ``titles`` name the columns' axis, the rows' axis and the colour."""
    trace = {
        "type": "heatmap",
        "z": [list(row) for row in values],
        "colorscale": [list(stop) for stop in DIVERGING],
        "zmid": 0,
        "colorbar": {
            "title": {"text": titles[2], "side": "top"},
            "thickness": 10,
            "orientation": "h",
            "x": 1,
            "xanchor": "right",
            "y": 1.01,
            "yanchor": "bottom",
            "lenmode": "pixels",
            "len": 230,
            "nticks": 5,
        },
        "hovertemplate": "row %{y}, column %{x}: %{z:,}<extra></extra>",
    }
    layout = {
        "xaxis": axis(titles[0], **_some_ticks(cols)),
        "yaxis": axis(titles[1], **_some_ticks(rows)),
        "height": 460,
        "margin": {"t": 70},
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout}


def _some_ticks(names: Sequence[str], limit: int = 8) -> Figure:
    step = -(-len(names) // limit)
    places = list(range(0, len(names), step))
    return {
        "tickmode": "array",
        "tickvals": places,
        "ticktext": [names[i] for i in places],
        "showgrid": False,
    }
