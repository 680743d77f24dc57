"""Charts of a machine's cost: energy by component and layer, stage times, cycles of a neuron, area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rapidnn.machine.cost import MACHINE, Cost
from rapidnn.machine.statistics import ProgramStatistics
from rapidnn.report.charts import Chart, bars, stacked
from rapidnn.report.count_charts import count_charts
from rapidnn.report.data import Cell, Column, DataTable, percent, quantity, share
from rapidnn.report.lifetime_charts import lifetime_charts
from rapidnn.report.part_charts import energy_map, layer_area
from rapidnn.report.pipeline_charts import roofline_chart, timeline_chart
from rapidnn.report.units import prefixed
from rapidnn.tables.program import Program

MAX_ROWS = 40
MAX_SERIES = 7

PHASES = {
    "deliver": "deliver and count",
    "copy": "copy addends",
    "reduce": "3:2 steps",
    "lane_moves": "lane moves",
    "add": "final addition",
    "result_read": "read the result",
    "activation": "activation",
    "encoding": "encoding",
}


def machine_charts(
    cost: Cost, program: Program | None = None, statistics: ProgramStatistics | None = None
) -> list[Chart]:
    """All charts of the machine section; those without anything to show are left out.

    ``program`` and ``statistics`` add what was counted in the data.
    """
    counted = count_charts(program, statistics) if program is not None and statistics is not None else []
    charts = [
        _energy(cost),
        energy_map(cost),
        _components(cost),
        _stages(cost),
        timeline_chart(cost),
        _cycles(cost),
        *counted,
        roofline_chart(cost),
        _area(cost),
        layer_area(cost),
        *lifetime_charts(cost),
    ]
    return [chart for chart in charts if chart is not None and chart.table.rows]


def _energy(cost: Cost) -> Chart:
    factor, unit = prefixed(max(layer.energy_pj for layer in cost.by_layer) * 1e-12, "J")
    rows = [
        (layer.name, {k: v * 1e-12 / factor for k, v in layer.by_component.items()})
        for layer in cost.by_layer
    ]
    table, keys = _stack_table(rows, unit)
    top = max(cost.by_layer, key=lambda layer: layer.energy_pj)
    component, energy = max(cost.by_component.items(), key=lambda pair: pair[1])
    reading = (
        f"{top.name} takes {percent(share(top.energy_pj, cost.energy_pj))} of the "
        f"{quantity(cost.energy_pj * 1e-12, 'J')} of one input; over all layers {_words(component)} "
        f"cost most, {percent(share(energy, cost.energy_pj))}."
    )
    figure = stacked(table, "name", keys, f"energy of one input ({unit})")
    return Chart("energy", "Energy by layer and component", reading, figure, table)


def _components(cost: Cost) -> Chart:
    ranked = _ranked(cost.by_component)
    factor, unit = prefixed(ranked[0][1] * 1e-12 if ranked else 1.0, "J")
    table = _bar_table("component", [(_words(k), v * 1e-12 / factor) for k, v in ranked], "energy", unit)
    few = 0
    covered = 0.0
    while few < len(ranked) and covered < 0.9 * cost.energy_pj:
        covered += ranked[few][1]
        few += 1
    reading = (
        f"{few} of {len(ranked)} components that cost energy take {percent(share(covered, cost.energy_pj))} of it; "
        f"{len(cost.by_component) - len(ranked)} cost none on this network."
    )
    return Chart("components", "Energy by component", reading, bars(table, "name", "value"), table)


def _stages(cost: Cost) -> Chart:
    times = [(layer.name, layer.stage_ns) for layer in cost.by_layer]
    if len(times) > MAX_ROWS:
        longest = sorted(range(len(times)), key=lambda i: (-times[i][1], i))[:MAX_ROWS]
        times = [times[i] for i in sorted(longest)]
    factor, unit = prefixed(max(t for _, t in times) * 1e-9, "s")
    table = _bar_table("layer", [(name, t * 1e-9 / factor) for name, t in times], "stage time", unit)
    slowest = max(cost.by_layer, key=lambda layer: layer.stage_ns)
    reading = (
        f"{slowest.name} is the slowest stage at {quantity(slowest.stage_ns * 1e-9, 's')}, "
        f"{percent(share(slowest.stage_ns, cost.latency_ns))} of the latency of "
        f"{quantity(cost.latency_ns * 1e-9, 's')}; "
        + (
            f"it has {slowest.replicas} {'copy' if slowest.replicas == 1 else 'copies'} in {slowest.blocks:,} blocks."
            if slowest.runs_on == MACHINE
            else "it runs on the host."
        )
    )
    if len(times) < len(cost.by_layer):
        reading += f" The {len(times)} longest of {len(cost.by_layer)} stages are drawn."
    return Chart("stages", "Pipeline stage times", reading, bars(table, "name", "value"), table)


def _cycles(cost: Cost) -> Chart:
    counted = [layer for layer in cost.by_layer if layer.lanes]
    rows = [(layer.name, {PHASES.get(k, k): v for k, v in layer.cycles.items()}) for layer in counted]
    table, keys = _stack_table(rows, "cycles", mean=True)
    reading = "No layer accumulates."
    if counted:
        total = sum(sum(layer.cycles.values()) * layer.neurons for layer in counted)
        phases: dict[str, float] = {}
        for layer in counted:
            for phase, cycles in layer.cycles.items():
                phases[phase] = phases.get(phase, 0.0) + cycles * layer.neurons
        phase, most = max(phases.items(), key=lambda pair: pair[1])
        reading = (
            f"Over all neurons of one input, {percent(share(most, total))} of the cycles go to the phase "
            f"“{PHASES.get(phase, phase)}”."
        )
    figure = stacked(table, "name", keys, "mean cycles of one neuron")
    return Chart("cycles", "Cycles of one neuron by phase", reading, figure, table)


def _area(cost: Cost) -> Chart:
    ranked = _ranked(cost.area_by_component_um2)
    table = _bar_table("component", [(_words(k), v / 1e6) for k, v in ranked], "area", "mm²")
    reading = "No area is charged."
    if ranked:
        name, most = ranked[0]
        reading = (
            f"{_words(name).capitalize()}: {percent(share(most, cost.area_um2))} of the {cost.area_um2 / 1e6:,.4g} mm² "
            f"of {cost.chips} whole chip{'s' if cost.chips > 1 else ''}; the blocks in use and their buffers have "
            f"{cost.used_area_um2 / 1e6:,.4g} mm²."
        )
    return Chart("area", "Area by component", reading, bars(table, "name", "value"), table)


def _words(component: str) -> str:
    return component.replace("_", " ")


def _ranked(values: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(((k, v) for k, v in values.items() if v), key=lambda pair: (-pair[1], pair[0]))


def _bar_table(what: str, rows: Sequence[tuple[str, float]], value: str, unit: str) -> DataTable:
    return DataTable((Column("name", what, style="text"), Column("value", value, unit)), tuple(rows))


def _stack_table(
    rows: Sequence[tuple[str, Mapping[str, float]]], unit: str, *, mean: bool = False
) -> tuple[DataTable, list[str]]:
    """Layers by parts: the parts that weigh most and the rest as one, the layers likewise, and the parts' keys."""
    totals: dict[str, float] = {}
    for _, parts in rows:
        for part, value in parts.items():
            totals[part] = totals.get(part, 0.0) + value
    ranked = [part for part, _ in _ranked(totals)]
    keys = ranked if len(ranked) <= MAX_SERIES else ranked[: MAX_SERIES - 1]
    rest = ranked[len(keys) :]
    shown, others = _fewest(rows)
    if others:
        size = len(others) if mean else 1
        merged = {part: sum(parts.get(part, 0.0) for _, parts in others) / size for part in ranked}
        shown.append((f"{'mean of ' if mean else ''}{len(others)} other layers", merged))
    cells: list[tuple[Cell, ...]] = []
    for name, parts in shown:
        row: list[Cell] = [name, *(parts.get(key, 0.0) for key in keys)]
        cells.append((*row, *([sum(parts.get(part, 0.0) for part in rest)] if rest else [])))
    columns = [Column("name", "layer", style="text"), *(Column(key, _words(key), unit) for key in keys)]
    if rest:
        columns.append(Column("rest", f"{len(rest)} others", unit))
    return DataTable(tuple(columns), tuple(cells)), [*keys, *(["rest"] if rest else [])]


def _fewest(
    rows: Sequence[tuple[str, Mapping[str, float]]],
) -> tuple[list[tuple[str, Mapping[str, float]]], list[tuple[str, Mapping[str, float]]]]:
    """At most :data:`MAX_ROWS` rows with the largest sums in order, and the others."""
    if len(rows) <= MAX_ROWS:
        return list(rows), []
    largest = sorted(range(len(rows)), key=lambda i: (-sum(rows[i][1].values()), i))[: MAX_ROWS - 1]
    return [rows[i] for i in sorted(largest)], [rows[i] for i in range(len(rows)) if i not in set(largest)]
