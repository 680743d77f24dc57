"""Activation tables drawn beside their functions."""

from __future__ import annotations

from rapidnn.report.charts import Chart, axis, marker
from rapidnn.report.curves import ActivationFacts, activation_facts
from rapidnn.report.data import Column, DataTable, real
from rapidnn.tables.program import Program

MAX_CHARTS = 12
_POINTS = 101


def activation_charts(program: Program) -> list[Chart]:
    """One chart for each activation table, of more than 12 those with the largest errors; empty without tables."""
    found = activation_facts(program, _POINTS)
    chosen = sorted(range(len(found)), key=lambda i: (-found[i].largest_error, i))[:MAX_CHARTS]
    return [_chart(i, found[i], len(found)) for i in sorted(chosen)]


def _chart(index: int, facts: ActivationFacts, total: int) -> Chart:
    table = DataTable(
        (
            Column("x", "input"),
            Column("exact", facts.kind),
            Column("table", "table"),
            Column("error", "error"),
        ),
        tuple(
            (float(x), float(exact), float(table), float(table - exact))
            for x, exact, table in zip(facts.x, facts.exact, facts.table, strict=True)
        ),
    )
    x = table.column("x")
    traces = [
        _line(x, table, "exact", facts.kind, 1, dash="dot"),
        _line(x, table, "table", f"table of {facts.rows} rows", 0, shape="hvh"),
        {**_line(x, table, "error", "table - function", 3), "yaxis": "y2"},
    ]
    layout = {
        "xaxis": axis("input of the activation", anchor="y2"),
        "yaxis": axis("output", domain=[0.42, 1.0]),
        "yaxis2": axis("error", domain=[0.0, 0.32]),
        "height": 420,
        "showlegend": True,
    }
    return Chart(
        f"activation-{index}", facts.edge, _reading(facts, total), {"data": traces, "layout": layout}, table
    )


def _line(x: list, table: DataTable, key: str, name: str, colour: int, **line: str) -> dict:  # type: ignore[type-arg]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": x,
        "y": table.column(key),
        "name": name,
        "line": {"color": marker(colour)["color"], "width": 2, **line},
        "hovertemplate": "%{x:.4g}: %{y:.4g}<extra>%{fullData.name}</extra>",
    }


def _reading(facts: ActivationFacts, total: int) -> str:
    error = f"{real(facts.largest_error)} (at {real(facts.largest_at)})"
    text = (
        f"{facts.rows} rows stand for {facts.kind} to within {error}, "
        f"{real(facts.rms_error)} in the root mean square over the drawn inputs"
    )
    if facts.sets > 1:
        text += f". The layer has {facts.sets} tables, the first is drawn"
    if total > MAX_CHARTS:
        text += f". The {MAX_CHARTS} of {total} tables with the largest errors are drawn"
    return text + "."
