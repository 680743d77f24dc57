"""Histograms of weights and activations with the codebook's values drawn in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rapidnn.report.charts import Chart, Figure, axis, marker
from rapidnn.report.data import Cell, Column, DataTable, percent, real, share
from rapidnn.report.distributions import Distributions, Spread
from rapidnn.report.facts import WeightUse, groups, largest_layers, weight_use
from rapidnn.tables.program import Program

MAX_CHARTS = 40

_FLOAT, _CODEBOOK = "float", "codebook"


def weight_charts(program: Program, counted: Distributions | None = None) -> list[Chart]:
    """The use of weight values, for every weighted layer or, of many, those with the most work."""
    uses = [weight_use(step) for step in largest_layers(program, MAX_CHARTS)]
    floats = {} if counted is None else counted.weights
    return [
        _chart(
            f"weights-{index}",
            use.layer,
            _weight_reading(use) + _float_note(floats.get(use.layer), "weights"),
            ("weight value", "weights"),
            (use.values, use.counts),
            floats.get(use.layer),
        )
        for index, use in enumerate(uses)
    ]


def input_charts(program: Program, counted: Distributions) -> list[Chart]:
    """The use of each input codebook's values by real inputs, of the first :data:`MAX_CHARTS` groups."""
    found = [group for group in groups(program) if group.name in counted.codes][:MAX_CHARTS]
    charts = []
    for index, group in enumerate(found):
        uses, floats = counted.codes[group.name], counted.inputs.get(group.name)
        charts.append(
            _chart(
                f"inputs-{index}",
                group.name,
                _input_reading(np.array(group.values), uses) + _float_note(floats, "values"),
                ("value", "codes"),
                (np.array(group.values), uses),
                floats,
            )
        )
    return charts


def _chart(
    name: str,
    title: str,
    reading: str,
    words: tuple[str, str],
    uses: tuple[NDArray[np.float64], NDArray[np.int64]],
    floats: Spread | None,
) -> Chart:
    value, counted = words
    columns = (Column("value", value), Column("count", counted), Column("share", "share", style="share"))
    rows = _rows(*uses)
    lower = _bars(rows, _gap(uses[0]), 0, counted)
    if floats is None:
        layout = {
            "xaxis": axis(value),
            "yaxis": axis(counted, rangemode="tozero"),
            "height": 260,
            "showlegend": False,
        }
        return Chart(name, title, reading, {"data": [lower], "layout": layout}, DataTable(columns, rows))
    upper_rows = _rows(floats.centres, floats.counts, floats.total)
    table = DataTable(
        (Column("series", "series", style="text"), *columns),
        (*((_FLOAT, *row) for row in upper_rows), *((_CODEBOOK, *row) for row in rows)),
    )
    traces = [
        _bars(upper_rows, floats.width, 5, "float") | {"yaxis": "y2", "name": "float network"},
        _rug([row[0] for row in rows]),
        lower | {"name": "codes"},
    ]
    layout = {
        "xaxis": axis(value, anchor="y"),
        "yaxis": axis(f"{counted} by code", domain=[0.0, 0.44], rangemode="tozero"),
        "yaxis2": axis("float values", domain=[0.54, 1.0], rangemode="tozero"),
        "height": 420,
        "barmode": "overlay",
        "showlegend": True,
    }
    return Chart(name, title, reading, {"data": traces, "layout": layout}, table)


def _rows(
    values: NDArray[np.float64], counts: NDArray[np.int64], total: int | None = None
) -> tuple[tuple[Cell, ...], ...]:
    whole = int(counts.sum()) if total is None else total
    return tuple((float(v), int(c), share(int(c), whole)) for v, c in zip(values, counts, strict=True))


def _bars(rows: Sequence[tuple[Cell, ...]], width: float, colour: int, name: str) -> Figure:
    return {
        "type": "bar",
        "x": [row[0] for row in rows],
        "y": [row[1] for row in rows],
        "width": width,
        "name": name,
        "marker": marker(colour),
        "hovertemplate": "%{x:.4g}: %{y:,}<extra></extra>",
    }


def _rug(values: list[Cell]) -> Figure:
    """Ticks on the float histogram's base line, one for each codebook value."""
    return {
        "type": "scatter",
        "mode": "markers",
        "x": values,
        "y": [0] * len(values),
        "yaxis": "y2",
        "name": "codebook values",
        "cliponaxis": False,
        "marker": {
            "color": marker(3)["color"],
            "symbol": "line-ns-open",
            "size": 16,
            "line": {"width": 2},
        },
        "hovertemplate": "codebook value %{x:.4g}<extra></extra>",
    }


def _gap(values: NDArray[np.float64]) -> float:
    """A width that keeps bars apart, but seen."""
    if len(values) < 2:
        return 0.9
    return 0.9 * max(float(np.diff(values).min()), float(values[-1] - values[0]) / 150)


def _weight_reading(use: WeightUse) -> str:
    total, top = int(use.counts.sum()), int(use.counts.argmax())
    most = f"{percent(int(use.counts[top]) / total)} of {total:,} weights"
    codes = "code" if use.codes == 1 else "codes"
    used = f"{use.codes - use.unused} of {use.codes} {codes} are in use"
    where = (
        "the fullest of the equal bins drawn is the one around" if use.binned else "the most used value is"
    )
    return (
        f"{used}; {where} {real(float(use.values[top]))} ({most}), "
        f"and a weight carries {use.entropy_bits:.2f} bits of information."
    )


def _input_reading(values: NDArray[np.float64], uses: NDArray[np.int64]) -> str:
    total, top = int(uses.sum()), int(uses.argmax())
    part = uses / max(1, total)
    entropy = -float((part * np.log2(part, out=np.zeros_like(part), where=part > 0)).sum())
    return (
        f"{int((uses > 0).sum())} of {len(uses)} codes occur; the most used stands for {real(float(values[top]))} "
        f"({percent(share(int(uses[top]), total))} of {total:,}), and a code carries {max(0.0, entropy):.2f} bits."
    )


def _float_note(floats: Spread | None, what: str) -> str:
    if floats is None:
        return ""
    if not floats.zeros:
        return f" Above, the float network's {floats.total:,} {what}."
    return (
        f" Above, the float network's {floats.total:,} {what}; exact zeros, {percent(floats.zeros / floats.total)}, "
        "are left out there."
    )
