"""Accuracy and energy against the size of the codebooks: a tree's levels, or a network composed anew at each size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation
from rapidnn.machine.cost import Cost
from rapidnn.machine.records import Hardware
from rapidnn.report.accuracy import stored_validation, wilson_interval
from rapidnn.report.charts import Chart, Figure, axis, marker
from rapidnn.report.data import Cell, Column, DataTable, percent, quantity
from rapidnn.report.levels import stored_levels
from rapidnn.report.units import prefixed
from rapidnn.tables.levels import bits

if TYPE_CHECKING:
    from torch import nn

ENOUGH = 0.01
"""How much accuracy, 0 to 1, a size may lack to be called enough."""

Progress = Callable[[str, int, int], None]
Labelled = tuple[NDArray[Any], NDArray[Any]]


@dataclass(frozen=True)
class SizePoint:
    """``values`` in each codebook, weights and inputs alike, and what they give; ``anew``: composed for it."""

    values: int
    evaluation: Evaluation | None
    cost: Cost | None
    anew: bool = False


def stored_points(composed: ComposedNetwork) -> tuple[SizePoint, ...]:
    """A tree's levels as far as the artifact knows them: validation accuracy, no cost. Empty if it does not."""
    return tuple(SizePoint(2**level, found, None) for level, found in stored_levels(composed).items())


def level_points(
    composed: ComposedNetwork, inputs: NDArray[Any], hardware: Hardware, *, seed: int = 0
) -> tuple[SizePoint, ...]:
    """A tree's levels with the cost of ``inputs`` (preprocessed) on each; empty for flat codebooks."""
    if not composed.levels:
        return ()
    known = stored_levels(composed)
    top = max(bits(group.size) for group in composed.program.groups)
    return tuple(
        SizePoint(2**level, known.get(level), _cost(composed.at_level(level), inputs, hardware, seed))
        for level in sorted({*composed.levels, top})
    )


def composed_points(
    model: nn.Module | Path,
    calibration: NDArray[Any],
    validation: Labelled,
    preprocess: Preprocess,
    inputs: NDArray[Any],
    hardware: Hardware,
    sizes: Sequence[int],
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[SizePoint, ...]:
    """The float network composed anew with each of ``sizes``, judged on ``validation`` and costed on ``inputs``."""
    from rapidnn.composer.compose import compose

    points = []
    for done, size in enumerate(sorted(set(sizes))):
        if progress is not None:
            progress("sizes", done, len(set(sizes)))
        made = compose(
            model, calibration, size, size, validation=validation, preprocess=preprocess, seed=seed
        )
        points.append(
            SizePoint(size, stored_validation(made.info), _cost(made, inputs, hardware, seed), True)
        )
    return tuple(points)


def _cost(composed: ComposedNetwork, inputs: NDArray[Any], hardware: Hardware, seed: int) -> Cost:
    from rapidnn.machine.estimate import estimate_program
    from rapidnn.machine.network import collect_statistics

    return estimate_program(composed.program, collect_statistics(composed, inputs, seed=seed), hardware)


def size_charts(points: Sequence[SizePoint]) -> list[Chart]:
    """Accuracy against size, and against energy; energy against size where no accuracy is known. None below two."""
    judged = {p.values: p.evaluation for p in points if p.evaluation is not None}
    costed = [p for p in points if p.cost is not None]
    table = _table(points)
    charts = []
    if len(judged) > 1:
        drawn = table.only("size", "accuracy", "low", "high", "float")
        drawn = DataTable(drawn.columns, tuple(row for row in drawn.rows if row[1] is not None))
        reading = _reading(judged, points[0].anew)
        charts.append(Chart("sizes", "Accuracy against codebook size", reading, _accuracy(drawn), drawn))
    if len(costed) > 1:
        known = all(p.evaluation is not None for p in costed)
        charts.append(_trade(costed, table) if known else _energy(costed, table))
    return charts


def _table(points: Sequence[SizePoint]) -> DataTable:
    largest = max((p.cost.energy_pj for p in points if p.cost), default=1.0)
    factor, unit = prefixed(largest * 1e-12, "J")
    rows: list[tuple[Cell, ...]] = []
    for point in points:
        found, cost = point.evaluation, point.cost
        shares: tuple[Cell, ...] = (None, None, None, None)
        if found is not None:
            low, high = wilson_interval(found.accuracy, found.samples)
            known = found.float_accuracy
            shares = (100 * found.accuracy, 100 * low, 100 * high, None if known is None else 100 * known)
        price = (None, None) if cost is None else (cost.energy_pj * 1e-12 / factor, cost.latency_ns / 1e3)
        rows.append((point.values, *shares, *price))
    columns = (
        Column("size", "codebook values"),
        Column("accuracy", "accuracy", "%"),
        Column("low", "95 % interval from", "%"),
        Column("high", "95 % interval to", "%"),
        Column("float", "float network", "%"),
        Column("energy", "energy of one input", unit),
        Column("latency", "latency", "µs"),
    )
    return DataTable(columns, tuple(rows))


def _intervals(table: DataTable) -> Figure:
    accuracy, low, high = (_numbers(table, key) for key in ("accuracy", "low", "high"))
    return {
        "type": "data",
        "symmetric": False,
        "array": [h - a for h, a in zip(high, accuracy, strict=True)],
        "arrayminus": [a - below for a, below in zip(accuracy, low, strict=True)],
        "color": "#8C8C8C",
    }


def _numbers(table: DataTable, key: str) -> list[float]:
    return [float(value) for value in table.column(key) if value is not None]


def _accuracy(table: DataTable) -> Figure:
    size = table.column("size")
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": "tables",
            "x": size,
            "y": table.column("accuracy"),
            "line": {"color": marker(0)["color"], "width": 2},
            "marker": {"size": 9},
            "error_y": _intervals(table),
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
        "xaxis": _size_axis(size),
        "yaxis": axis("top-1 accuracy (%)"),
        "height": 360,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _size_axis(sizes: Sequence[Cell]) -> Figure:
    ticks = {"tickmode": "array", "tickvals": list(sizes), "ticktext": list(map(str, sizes))}
    return axis("values in each codebook", type="log", **ticks)


def _trade(points: Sequence[SizePoint], table: DataTable) -> Chart:
    """Accuracy against energy, a labelled point a size."""
    drawn = table.only("size", "accuracy", "low", "high", "energy", "latency")
    trace = {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": drawn.column("energy"),
        "y": drawn.column("accuracy"),
        "text": [str(value) for value in drawn.column("size")],
        "textposition": "bottom right",
        "line": {"color": marker(0)["color"], "width": 2},
        "marker": {"size": 9},
        "error_y": _intervals(drawn),
        "hovertemplate": f"%{{text}} values: %{{y:.2f}} %, %{{x:.4g}} {_unit(drawn)}<extra></extra>",
    }
    layout = {
        "xaxis": axis(drawn.title("energy")),
        "yaxis": axis("top-1 accuracy (%)"),
        "height": 360,
        "showlegend": False,
    }
    by_size = {point.values: point for point in points}
    judged = {p.values: p.evaluation for p in points if p.evaluation is not None}
    near, top = _enough(judged), max(judged)
    reading = (
        f"{_priced(by_size[near])}; {_priced(by_size[top])}." if near != top else f"{_priced(by_size[top])}."
    )
    title = "Accuracy against energy, by codebook size"
    return Chart("sizes-energy", title, reading, {"data": [trace], "layout": layout}, drawn)


def _unit(table: DataTable) -> str:
    return next(column.unit for column in table.columns if column.key == "energy")


def _priced(point: SizePoint) -> str:
    assert point.cost is not None
    assert point.evaluation is not None
    energy = quantity(point.cost.energy_pj * 1e-12, "J")
    return f"{point.values} values give {percent(point.evaluation.accuracy)} for {energy} an input"


def _energy(points: Sequence[SizePoint], table: DataTable) -> Chart:
    """Energy against size, for a tree whose accuracies are not known."""
    drawn = table.only("size", "energy", "latency")
    trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": drawn.column("size"),
        "y": drawn.column("energy"),
        "line": {"color": marker(0)["color"], "width": 2},
        "marker": {"size": 9},
        "hovertemplate": f"%{{x}} values: %{{y:.4g}} {_unit(drawn)}<extra></extra>",
    }
    layout = {
        "xaxis": _size_axis(drawn.column("size")),
        "yaxis": axis(drawn.title("energy"), rangemode="tozero"),
        "height": 360,
        "showlegend": False,
    }
    low, high = (quantity(p.cost.energy_pj * 1e-12, "J") for p in (points[0], points[-1]) if p.cost)
    reading = (
        f"From {low} an input with {points[0].values} values to {high} with {points[-1].values}; the levels' "
        "accuracies are not known, since the tree was composed without labels."
    )
    return Chart(
        "sizes-energy", "Energy against codebook size", reading, {"data": [trace], "layout": layout}, drawn
    )


def _enough(judged: Mapping[int, Evaluation]) -> int:
    best = judged[max(judged)].accuracy
    return min(values for values, e in judged.items() if e.accuracy >= best - ENOUGH)


def _reading(judged: Mapping[int, Evaluation], anew: bool) -> str:
    top = max(judged)
    finest = judged[top]
    on = f"on {finest.samples:,} validation samples"
    if not anew:
        return (
            f"One artifact, turned down: {_enough(judged)} values are enough to stay within one point of the finest "
            f"level's {percent(finest.accuracy)}, {on}, measured when composed."
        )
    return (
        f"Composed anew at each size: {_enough(judged)} values of weights and inputs are enough to stay within one "
        f"point of the {percent(finest.accuracy)} that {top} give, {on}."
    )
