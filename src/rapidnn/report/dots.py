"""Dots by name: ratios and shares on a logarithmic axis, where bars would begin nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rapidnn.report.charts import Figure, label, log_axis, marker, named_axis
from rapidnn.report.data import DataTable

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "star")
_ROW_PX = 26
_DOT_PX = 11


def dots(
    table: DataTable, names: str, series: Sequence[str], title: str, *, unit: str, at: float | None = 1.0
) -> Figure:
    """A row of the figure for each row of the table, a kind of dot for each column of ``series``, the first row on top.

    Absent cells have no dot. ``at`` draws a line across all rows; ``unit`` is what is said after a value.
    """
    rows, headings = len(table.rows), {column.key: column.heading for column in table.columns}
    step = 0.5 / max(1, len(series) - 1)
    traces = []
    for index, key in enumerate(series):
        known = [(i, value) for i, value in enumerate(table.column(key)) if value is not None]
        shift = 0.0 if len(series) == 1 else -0.25 + step * index
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": label(headings[key]),
                "x": [value for _, value in known],
                "y": [i + shift for i, _ in known],
                "text": [label(table.column(names)[i]) for i, _ in known],
                "marker": dict(marker(index), size=11, symbol=SYMBOLS[index % len(SYMBOLS)]),
                "hovertemplate": f"%{{text}}: %{{x:.3g}} {unit}<extra>%{{fullData.name}}</extra>",
            }
        )
    layout: dict[str, Any] = {
        "xaxis": log_axis(title, [value for key in series for value in table.column(key)]),
        "yaxis": named_axis(table.column(names), range=[rows - 0.4, -0.6]),
        "height": 130 + 22 * -(-len(series) // 2) + max(_ROW_PX, _DOT_PX * len(series) + 12) * rows,
        "showlegend": len(series) > 1,
    }
    if at is not None:
        layout["shapes"] = [upright(at)]
    return {"data": traces, "layout": layout}


def upright(at: float) -> Figure:
    """A line over the whole height, at a value of the x axis."""
    return {
        "type": "line",
        "x0": at,
        "x1": at,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "layer": "below",
        "line": {"color": "#8C8C8C", "width": 2},
    }


def span(low: float, high: float, place: float) -> Figure:
    """A level line between two values of the x axis, at a place of the y axis."""
    line = {"color": "#8C8C8C", "width": 3}
    return {"type": "line", "x0": low, "x1": high, "y0": place, "y1": place, "layer": "below", "line": line}
