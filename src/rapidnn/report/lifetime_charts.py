"""How long the cells last at a rate, and which layer's cells wear first."""

from __future__ import annotations

import math

from rapidnn.machine.cost import Cost
from rapidnn.report.charts import Chart, axis, bars, marker
from rapidnn.report.data import Cell, Column, DataTable, duration, real

_YEAR = 365.25 * 86400
_TICKS = (
    (1.0, "1 s"),
    (60.0, "1 min"),
    (3600.0, "1 h"),
    (86400.0, "1 day"),
    (30 * 86400.0, "30 days"),
    (_YEAR, "1 year"),
    (10 * _YEAR, "10 years"),
    (100 * _YEAR, "100 years"),
    (1e4 * _YEAR, "10⁴ years"),
    (1e6 * _YEAR, "10⁶ years"),
)
_ROWS = (("hottest", "hottest cell"), ("rotated", "rows rotated"), ("levelled", "perfect levelling"))
MAX_LAYERS = 40


def lifetime_charts(cost: Cost) -> list[Chart]:
    """Lifetime against the rate, and the hottest cell's writes by layer; empty where nothing is written."""
    if math.isinf(cost.lifetime_s):
        return []
    return [_lifetime(cost), _writes(cost)]


def _lifetime(cost: Cost) -> Chart:
    decades = max(1, math.ceil(math.log10(max(10.0, cost.throughput_per_s))))
    rates = [cost.throughput_per_s / 10**k for k in range(decades + 1)]
    found = [cost.lifetime_at(rate) for rate in rates]
    rows: list[tuple[Cell, ...]] = [
        (rate, *(lives[key] for key, _ in _ROWS)) for rate, lives in zip(rates, found, strict=True)
    ]
    table = DataTable(
        (Column("rate", "rate", "inputs/s"), *(Column(key, name, "s") for key, name in _ROWS)), tuple(rows)
    )
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": table.column("rate"),
            "y": table.column(key),
            "text": [duration(lives[key]) for lives in found],
            "line": {"color": marker(colour)["color"], "width": 2, "dash": dash},
            "hovertemplate": "%{x:,.4g} inputs/s: %{text}<extra>%{fullData.name}</extra>",
        }
        for (key, name), colour, dash in zip(_ROWS, (3, 1, 0), ("solid", "dash", "dot"), strict=True)
    ]
    low = min(lives["hottest"] for lives in found)
    high = max(lives["levelled"] for lives in found)
    ticks = [(at, text) for at, text in _TICKS if low / 60 <= at <= high * 60]
    layout = {
        "xaxis": axis(table.title("rate"), type="log", dtick=1, exponentformat="SI"),
        "yaxis": axis(
            "time until the endurance is reached",
            type="log",
            tickmode="array",
            tickvals=[at for at, _ in ticks],
            ticktext=[text for _, text in ticks],
        ),
        "height": 380,
        "showlegend": True,
    }
    year = cost.lifetime_s * cost.throughput_per_s / _YEAR
    reading = (
        f"At full throughput the most written cell lasts {duration(cost.lifetime_s)}; to last a year the machine may "
        f"take {real(year)} inputs/s, or {real(cost.lifetime_levelled_s * cost.throughput_per_s / _YEAR)} with perfect "
        "levelling."
    )
    return Chart("lifetime", "Lifetime against the rate", reading, {"data": traces, "layout": layout}, table)


def _writes(cost: Cost) -> Chart:
    layers = [layer for layer in cost.by_layer if layer.writes_hottest]
    if len(layers) > MAX_LAYERS:
        worst = sorted(layers, key=lambda layer: -layer.writes_hottest)[:MAX_LAYERS]
        layers = [layer for layer in layers if layer in worst]
    table = DataTable(
        (
            Column("name", "layer", style="text"),
            Column("hottest", "writes of the hottest cell", "per input"),
            Column("mean", "mean writes of a working cell", "per input"),
        ),
        tuple((layer.name, layer.writes_hottest, layer.writes_mean) for layer in layers),
    )
    top = max(layers, key=lambda layer: layer.writes_hottest)
    ratio = f", {real(top.writes_hottest / top.writes_mean)} times the mean" if top.writes_mean else ""
    reading = (
        f"Cells of {top.name} wear first: its hottest one is written {real(top.writes_hottest)} times an input{ratio} "
        "of its block's working cells."
    )
    return Chart("writes", "Writes by layer", reading, bars(table, "name", "hottest"), table)
