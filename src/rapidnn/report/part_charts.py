"""Energy as a map of layers and their components, and area by layer."""

from __future__ import annotations

from collections.abc import Sequence

from rapidnn.machine.cost import Cost
from rapidnn.report.charts import GREY, Chart, bars, label, marker
from rapidnn.report.data import Cell, Column, DataTable, percent, share
from rapidnn.report.units import prefixed

MAX_TILES = 240
MAX_LAYERS = 40
_LEAST = 0.002
"""Parts of the energy below this share are merged within their layer."""
_OTHERS = "others"
_LAYER = "#555D66"
"""A layer's frame, which holds its name in white: readable on light and dark pages."""


def energy_map(cost: Cost) -> Chart:
    """A treemap: each layer's tile has the area of its energy, cut into components."""
    factor, unit = prefixed(max(layer.energy_pj for layer in cost.by_layer) * 1e-12, "J")
    rows = _tiles(cost, 1e-12 / factor)
    table = DataTable(
        (
            Column("layer", "layer", style="text"),
            Column("component", "component", style="text"),
            Column("energy", "energy", unit),
            Column("share", "share", style="share"),
        ),
        tuple(rows),
    )
    top = max(rows, key=lambda row: row[2] if isinstance(row[2], float) else 0.0, default=None)
    reading = (
        "No energy is charged."
        if top is None
        else f"The largest single part is {top[1]} in {top[0]}, {percent(float(top[3] or 0))} of the energy."
    )
    return Chart("energy-map", "Energy as a map", reading, _treemap(cost, rows, unit), table)


def _tiles(cost: Cost, scale: float) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for layer in cost.by_layer:
        rest = 0.0
        for component, energy in sorted(layer.by_component.items(), key=lambda pair: -pair[1]):
            if share(energy, cost.energy_pj) < _LEAST or len(rows) >= MAX_TILES:
                rest += energy
            elif energy:
                rows.append(
                    (
                        layer.name,
                        component.replace("_", " "),
                        energy * scale,
                        share(energy, cost.energy_pj),
                    )
                )
        if rest:
            rows.append((layer.name, _OTHERS, rest * scale, share(rest, cost.energy_pj)))
    return rows


def _treemap(cost: Cost, rows: Sequence[tuple[Cell, ...]], unit: str) -> dict[str, object]:
    layers = list(dict.fromkeys(str(row[0]) for row in rows))
    place = {name: f"layer {index}" for index, name in enumerate(layers)}
    # The same colours as in the stacked bars: the largest components have one each, the others share the grey.
    ranked = sorted(cost.by_component, key=lambda part: (-cost.by_component[part], part))
    colour = {part.replace("_", " "): min(index, GREY) for index, part in enumerate(ranked)}
    colour[_OTHERS] = GREY
    trace = {
        "type": "treemap",
        "ids": [*place.values(), *(f"{place[str(row[0])]} part {i}" for i, row in enumerate(rows))],
        "labels": [*(label(name) for name in layers), *(label(row[1]) for row in rows)],
        "parents": [*([""] * len(layers)), *(place[str(row[0])] for row in rows)],
        "values": [*([0] * len(layers)), *(row[2] for row in rows)],
        "marker": {
            "colors": [
                *([_LAYER] * len(layers)),
                *(marker(colour[str(row[1])])["color"] for row in rows),
            ]
        },
        "insidetextfont": {
            "color": [*(["#FFFFFF"] * len(layers)), *(_ink(colour[str(row[1])]) for row in rows)]
        },
        "texttemplate": "%{label}<br>%{percentRoot:.1%}",
        "hovertemplate": f"%{{label}}: %{{value:.4g}} {unit}, %{{percentRoot:.2%}}<extra></extra>",
        "pathbar": {"visible": False},
        "tiling": {"pad": 1},
    }
    return {
        "data": [trace],
        "layout": {"height": 420, "margin": {"l": 0, "r": 0, "t": 5, "b": 5}, "showlegend": False},
    }


def _ink(index: int) -> str:
    """Text colour on a tile: white on the palette's one dark colour, black on the others (contrast above 4.5)."""
    return "#FFFFFF" if index == 0 else "#000000"


def layer_area(cost: Cost) -> Chart:
    """Area of each layer's blocks and buffers; of many layers, the largest."""
    layers = [(layer.name, layer.area_um2 / 1e6, layer.blocks) for layer in cost.by_layer if layer.area_um2]
    shown = layers
    if len(layers) > MAX_LAYERS:
        kept = set(sorted(range(len(layers)), key=lambda i: (-layers[i][1], i))[:MAX_LAYERS])
        shown = [layer for i, layer in enumerate(layers) if i in kept]
    table = DataTable(
        (Column("name", "layer", style="text"), Column("value", "area", "mm²"), Column("blocks", "blocks")),
        tuple(shown),
    )
    reading = "No layer has blocks."
    if layers:
        name, area, blocks = max(layers, key=lambda row: row[1])
        part = percent(area / sum(row[1] for row in layers))
        reading = (
            f"{name} has the most, {area:,.4g} mm² in {blocks:,} blocks, {part} of what the layers have."
        )
        if cost.turns > 1:
            reading += " Layers of different turns share blocks."
    return Chart("layer-area", "Area by layer", reading, bars(table, "name", "value"), table)
