"""Accuracy against the size of the codebooks, from the levels of a tree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation
from rapidnn.report.accuracy import stored_validation, wilson_interval
from rapidnn.report.charts import Chart, Figure, axis, marker
from rapidnn.report.data import Column, DataTable, percent
from rapidnn.tables.levels import bits


def stored_levels(composed: ComposedNetwork) -> dict[int, Evaluation]:
    """Validation accuracy by level, ascending, as it was measured when the tree was composed; empty if it was not."""
    finest = stored_validation(composed.info)
    levels = composed.info.get("levels")
    if finest is None or not isinstance(levels, Mapping):
        return {}
    found = {int(level): stored_validation({"validation": record}) for level, record in levels.items()}
    top = max(bits(group.size) for group in composed.program.groups)
    known: dict[int, Evaluation] = {level: e for level, e in found.items() if e is not None}
    return dict(sorted((known | {top: finest}).items()))


def level_chart(levels: Mapping[int, Evaluation]) -> Chart | None:
    """One point a level with its 95 % interval, the float network as a line; None below two levels."""
    if len(levels) < 2:
        return None
    rows = []
    for level, evaluation in levels.items():
        low, high = wilson_interval(evaluation.accuracy, evaluation.samples)
        known = evaluation.float_accuracy
        rows.append(
            (
                2**level,
                level,
                100 * evaluation.accuracy,
                100 * low,
                100 * high,
                None if known is None else 100 * known,
            )
        )
    table = DataTable(
        (
            Column("size", "codebook values"),
            Column("level", "code", "bits"),
            Column("accuracy", "accuracy", "%"),
            Column("low", "95 % interval from", "%"),
            Column("high", "95 % interval to", "%"),
            Column("float", "float network", "%"),
        ),
        tuple(rows),
    )
    return Chart("levels", "Accuracy against codebook size", _reading(levels), _figure(table), table)


def _figure(table: DataTable) -> Figure:
    size: list[Any] = table.column("size")
    accuracy: list[Any] = table.column("accuracy")
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "tables",
            "x": size,
            "y": accuracy,
            "line": {"color": marker(0)["color"], "width": 2},
            "marker": {"size": 9},
            "error_y": {
                "type": "data",
                "symmetric": False,
                "array": [high - a for high, a in zip(table.column("high"), accuracy, strict=True)],
                "arrayminus": [a - low for low, a in zip(table.column("low"), accuracy, strict=True)],
                "color": "#8C8C8C",
            },
            "hovertemplate": "%{x} values: %{y:.2f} %<extra>%{fullData.name}</extra>",
        }
    ]
    if None not in table.column("float"):
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "float network",
                "x": size,
                "y": table.column("float"),
                "line": {"color": marker(3)["color"], "width": 2, "dash": "dot"},
                "hovertemplate": "%{y:.2f} %<extra>%{fullData.name}</extra>",
            }
        )
    layout = {
        "xaxis": axis(
            "values in each codebook",
            type="log",
            tickmode="array",
            tickvals=size,
            ticktext=list(map(str, size)),
        ),
        "yaxis": axis("top-1 accuracy (%)"),
        "height": 360,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _reading(levels: Mapping[int, Evaluation]) -> str:
    samples = next(iter(levels.values())).samples
    finest = levels[max(levels)]
    near = min(level for level, e in levels.items() if e.accuracy >= finest.accuracy - 0.01)
    return (
        f"One artifact, turned down: {2**near} values are enough to stay within one point of the finest level's "
        f"{percent(finest.accuracy)}, on {samples:,} validation samples, measured when composed."
    )
