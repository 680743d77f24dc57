"""The pipeline in time, and its stages below the roof of a block that does nothing but accumulate."""

from __future__ import annotations

import itertools
import math

from rapidnn.machine.cost import HOST, MACHINE, Cost, LayerCost
from rapidnn.report.charts import Chart, Figure, axis, label, marker, named_axis
from rapidnn.report.data import Cell, Column, DataTable, percent, quantity, real
from rapidnn.report.units import prefixed

INPUTS = 4
"""Inputs drawn on their way through the pipeline."""

MAX_STAGES = 30
_ROW_PX = 24


def timeline_chart(cost: Cost) -> Chart | None:
    """The first inputs' way through the stages; None where layers take turns in the blocks, or there are very many.

    A stage begins an input when the stage before has handed it over and its own last input is done; the host's
    operators share one processor.
    """
    if cost.turns > 1 or cost.reload_ns or not 1 < len(cost.by_layer) <= MAX_STAGES:
        return None
    spans = stage_spans(cost)
    factor, unit = prefixed(spans[-1][3] * 1e-9, "s")
    scale = 1e-9 / factor
    rows: list[tuple[Cell, ...]] = [
        (
            number + 1,
            cost.by_layer[stage].name,
            start * scale,
            (end - start) * scale,
            end * scale,
            cost.by_layer[stage].blocks,
        )
        for number, stage, start, end in spans
    ]
    table = DataTable(
        (
            Column("input", "input"),
            Column("name", "stage", style="text"),
            Column("start", "starts", unit),
            Column("time", "takes", unit),
            Column("end", "ends", unit),
            Column("blocks", "blocks"),
        ),
        tuple(rows),
    )
    return Chart(
        "timeline", "Pipeline over time", _timeline_reading(cost), _timeline_figure(cost, table, unit), table
    )


def stage_spans(cost: Cost) -> list[tuple[int, int, float, float]]:
    """(input, stage, start, end) in ns of the first :data:`INPUTS` inputs, in the order of inputs, then of stages."""
    handover = (cost.latency_ns - sum(layer.stage_ns for layer in cost.by_layer)) / len(cost.by_layer)
    free = [0.0] * len(cost.by_layer)
    host_free = 0.0
    spans = []
    for number in range(INPUTS):
        ready = 0.0
        for index, layer in enumerate(cost.by_layer):
            hosted = layer.runs_on == HOST
            start = max(ready, free[index], host_free if hosted else 0.0)
            ready = free[index] = start + layer.stage_ns + handover
            host_free = ready if hosted else host_free
            spans.append((number, index, start, ready))
    return spans


def _timeline_figure(cost: Cost, table: DataTable, unit: str) -> Figure:
    stages = len(cost.by_layer)
    names = [_stage_label(layer) for layer in cost.by_layer]
    told = f"%{{hovertext}}: %{{base:.4g}} to %{{customdata:.4g}} {unit}<extra>%{{fullData.name}}</extra>"
    traces = []
    for number in range(INPUTS):
        rows = table.rows[number * stages : (number + 1) * stages]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": f"input {number + 1}",
                "y": list(range(stages)),
                "base": [row[2] for row in rows],
                "x": [row[3] for row in rows],
                "customdata": [row[4] for row in rows],
                "hovertext": [label(row[1]) for row in rows],
                "hovertemplate": told,
                "marker": marker(number),
            }
        )
    layout = {
        "barmode": "overlay",
        "xaxis": axis(f"time since the first code ({unit})"),
        "yaxis": named_axis(names, range=[stages - 0.4, -0.6]),
        "height": 150 + _ROW_PX * stages,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _stage_label(layer: LayerCost) -> str:
    return f"{layer.name} (host)" if layer.runs_on == HOST else f"{layer.name} ({layer.blocks:,})"


def _timeline_reading(cost: Cost) -> str:
    slowest = max(layer.stage_ns for layer in cost.by_layer)
    waiting = 1 - sum(layer.stage_ns for layer in cost.by_layer) / len(cost.by_layer) / slowest
    return (
        f"The first result comes after {quantity(cost.latency_ns * 1e-9, 's')}, then one every "
        f"{quantity(cost.bottleneck_ns * 1e-9, 's')} as {cost.bottleneck_layer} allows; the average stage waits "
        f"{percent(waiting)} of that time. In brackets a stage's blocks."
    )


def roofline_chart(cost: Cost) -> Chart:
    """Operations a second of one block against K: layers below the curve of the reference neuron in a busy block."""
    per_chip = cost.blocks_total / cost.chips
    roof = sorted({point.inputs: point.gops_per_s / per_chip for point in cost.peak}.items())
    layers = [layer for layer in cost.by_layer if layer.runs_on == MACHINE and layer.macs and layer.blocks]
    found = [
        (layer, layer.macs / layer.neurons, 2 * layer.macs / layer.blocks / layer.stage_ns)
        for layer in layers
    ]
    rows: list[tuple[Cell, ...]] = [
        (layer.name, k, rate, rate * layer.stage_ns / cost.bottleneck_ns) for layer, k, rate in found
    ]
    rows += [("reference neuron", float(k), rate, None) for k, rate in roof]
    table = DataTable(
        (
            Column("name", "layer", style="text"),
            Column("k", "K, inputs of a neuron"),
            Column("busy", "rate of a busy block", "GOPS/s"),
            Column("paced", "rate in the full pipeline", "GOPS/s"),
        ),
        tuple(rows),
    )
    return Chart(
        "roofline",
        "Rate of a block against the size of its neurons",
        _roofline_reading(found, roof, cost),
        _roofline_figure(table, len(found)),
        table,
    )


def _roofline_figure(table: DataTable, layers: int) -> Figure:
    names, k = table.column("name"), table.column("k")
    busy, paced = table.column("busy"), table.column("paced")
    told = "%{text}: K %{x:,.4g}, %{y:.4g} GOPS/s<extra>%{fullData.name}</extra>"

    def points(y: list[Cell], name: str, colour: int, symbol: str) -> Figure:
        return {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": k[:layers],
            "y": y[:layers],
            "text": [label(name) for name in names[:layers]],
            "marker": {**marker(colour), "size": 10, "symbol": symbol, "line": {"width": 2}},
            "hovertemplate": told,
        }

    traces = [
        points(busy, "while busy", 0, "circle"),
        points(paced, "in the full pipeline", 3, "diamond-open"),
    ]
    if len(k) > layers:
        roof = {
            "type": "scatter",
            "mode": "lines",
            "name": "roof: reference neuron",
            "x": k[layers:],
            "y": busy[layers:],
            "text": names[layers:],
            "line": {"color": marker(6)["color"], "width": 2},
            "hovertemplate": told,
        }
        traces.insert(0, roof)
    layout = {
        "xaxis": axis(table.title("k"), type="log", dtick=1),
        "yaxis": axis("rate of one block (GOPS/s)", type="log", dtick=1),
        "height": 400,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _roofline_reading(
    found: list[tuple[LayerCost, float, float]], roof: list[tuple[int, float]], cost: Cost
) -> str:
    if not found:
        return "No layer multiplies."
    layer, k, rate = max(found, key=lambda row: row[2])
    text = f"A busy block of {layer.name} (K {real(k)}) does {real(rate)} GOPS/s, more than any other layer's"
    if roof:
        part = rate / _at(roof, k)
        text += f", {percent(part)} of the reference neuron's at that K"
    paced = sum(2 * layer.macs for layer, *_ in found) / cost.bottleneck_ns / max(1, cost.blocks_used)
    return text + f"; the average block in use does {real(paced)} in the full pipeline."


def _at(roof: list[tuple[int, float]], k: float) -> float:
    """The roof at K: straight between its points on logarithmic axes, and beyond its ends."""
    if len(roof) == 1:
        return roof[0][1]
    pairs = list(itertools.pairwise(roof))
    (x0, y0), (x1, y1) = next((pair for pair in pairs if k <= pair[1][0]), pairs[-1])
    slope = math.log(y1 / y0) / math.log(x1 / x0)
    return float(y0 * math.exp(slope * math.log(max(k, 1e-9) / x0)))
