"""What was counted in the data: addends of a neuron, and how many of its counters are occupied."""

from __future__ import annotations

import numpy as np

from rapidnn.machine.statistics import ProgramStatistics, StepStatistics
from rapidnn.report.charts import Chart, axis, bars, label, marker, named_axis
from rapidnn.report.data import TIMES, Cell, Column, DataTable, percent, real
from rapidnn.tables.program import PooledSum, Program, WeightedSum

MAX_LAYERS = 40
_ROW_PX = 22


def count_charts(program: Program, statistics: ProgramStatistics) -> list[Chart]:
    """Addends and occupied counters, layer by layer; of many layers, those with the most addends."""
    steps = [step for step in statistics.steps.values() if step.sampled]
    if len(steps) > MAX_LAYERS:
        kept = set(sorted(range(len(steps)), key=lambda i: (-steps[i].mean_addends, i))[:MAX_LAYERS])
        steps = [step for i, step in enumerate(steps) if i in kept]
    charts = [_addends(steps), _occupancy(program, steps)]
    return [chart for chart in charts if chart.table.rows]


def quantiles(step: StepStatistics, shares: tuple[float, ...]) -> list[int]:
    """The least A that at least these shares of the sampled neurons do not exceed."""
    values, times = np.array(step.addends, np.int64).reshape(-1, 2).T
    below = np.cumsum(times)
    return [int(values[np.searchsorted(below, part * below[-1])]) for part in shares]


def _addends(steps: list[StepStatistics]) -> Chart:
    rows: list[tuple[Cell, ...]] = []
    for step in steps:
        low, middle, high = quantiles(step, (0.05, 0.5, 0.95))
        parts = [part / step.sampled for part in (step.digits_sum, step.table_rows_sum, step.corrections_sum)]
        rows.append((step.step, step.mean_addends, low, middle, high, *parts, step.taps_sum / step.sampled))
    table = DataTable(
        (
            Column("name", "layer", style="text"),
            Column("mean", "mean addends"),
            Column("low", "5 % have at most"),
            Column("median", "median"),
            Column("high", "95 % have at most"),
            Column("digits", "digits of counts"),
            Column("rows", "biases and table rows"),
            Column("corrections", "summed +1s"),
            Column("taps", "inputs read"),
        ),
        tuple(rows),
    )
    mean = [step.mean_addends for step in steps]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": mean,
        "y": list(range(len(steps))),
        "marker": {**marker(0), "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, float(row[4] or 0) - m) for row, m in zip(rows, mean, strict=True)],
            "arrayminus": [max(0.0, m - float(row[2] or 0)) for row, m in zip(rows, mean, strict=True)],
            "color": "#8C8C8C",
            "thickness": 2,
        },
        "hovertext": [label(step.step) for step in steps],
        "hovertemplate": "%{hovertext}: %{x:.4g} addends<extra></extra>",
    }
    layout = {
        "xaxis": axis("addends of a neuron, mean and 5 % to 95 %", rangemode="tozero"),
        "yaxis": named_axis([step.step for step in steps], range=[len(steps) - 0.4, -0.6]),
        "height": 110 + _ROW_PX * len(steps),
        "showlegend": False,
    }
    reading = "Nothing is added."
    if steps:
        most = max(steps, key=lambda step: step.mean_addends)
        taps = most.taps_sum / most.sampled
        reading = f"A neuron of {most.step} sums {real(most.mean_addends)} addends"
        if taps:
            reading += f" for the {real(taps)} inputs it reads, {real(most.mean_addends / taps)} each"
        reading += ": inputs that need the same product share its binary digits."
    return Chart("addends", "Addends from the data", reading, {"data": [trace], "layout": layout}, table)


def _occupancy(program: Program, steps: list[StepStatistics]) -> Chart:
    rows: list[tuple[Cell, ...]] = []
    for step in steps:
        counters = _counters(program, step.step)
        if counters:
            occupied = step.occupied_sum / step.sampled
            rows.append((step.step, 100 * occupied / counters, occupied, counters))
    table = DataTable(
        (
            Column("name", "layer", style="text"),
            Column("share", "counters occupied", "%"),
            Column("occupied", "occupied in the mean"),
            Column("counters", f"counters w {TIMES} u"),
        ),
        tuple(rows),
    )
    reading = "No layer counts products."
    if rows:
        top = max(rows, key=lambda row: float(row[1] or 0))
        reading = (
            f"A neuron of {top[0]} occupies {real(float(top[2] or 0))} of its {top[3]:,} counters, "
            f"{percent(float(top[1] or 0) / 100)}; counters of products that are zero are not counted."
        )
    figure = bars(table, "name", "share")
    figure["layout"]["xaxis"]["rangemode"] = "tozero"
    return Chart("occupancy", "Occupied counters", reading, figure, table)


def _counters(program: Program, name: str) -> int:
    match program.step[name]:
        case WeightedSum() as step:
            return int(step.products.shape[1] * step.products.shape[2])
        case PooledSum() as step:
            return program.group_of[step.source].size
        case _:
            return 0
