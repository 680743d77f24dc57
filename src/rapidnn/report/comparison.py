"""Machines beside each other as a section of a page: ratios, energies, times, and how far each model is checked."""

from __future__ import annotations

from rapidnn.report.charts import Chart, label, log_axis, marker, named_axis
from rapidnn.report.data import Cell, Column, DataTable, percent, quantity, real
from rapidnn.report.dots import dots
from rapidnn.report.html import Card, Section, Titled, render_sections
from rapidnn.report.recorded import RecordedComparison
from rapidnn.rivals.compare import BASES, MachineComparison
from rapidnn.rivals.figures import OURS, ComparedMachine

COMPARED = "compared"
"""Id of the section."""

_GAINS = (("speed_gain", "throughput"), ("latency_gain", "latency"), ("energy_gain", "energy"))


def render_comparison(result: MachineComparison | RecordedComparison, *, title: str) -> str:
    """A comparison as a page of its own: one HTML text that needs no network."""
    section = comparison_section(result)
    ours = next(machine for machine in result.machines if machine.machine == OURS)
    summary = Section(
        "summary",
        "Summary",
        reading=(_reading([m for m in (*result.machines, *result.eight_bit) if m.machine != OURS], result),),
        cards=(
            Card("latency", quantity(ours.latency_ns * 1e-9, "s"), f"one input on {result.hardware}"),
            Card(
                "throughput",
                f"{quantity(ours.throughput_per_s, '')}/s",
                f"inputs, {ours.network_copies:,} {'copy' if ours.network_copies == 1 else 'copies'} of the network",
            ),
            Card("energy", quantity(ours.energy_pj * 1e-12, "J"), "one input"),
            Card(
                "area", f"{ours.area_mm2:,.4g} mm²", f"{ours.chips} whole chip{'s' if ours.chips > 1 else ''}"
            ),
        ),
    )
    return render_sections(title, (summary, section))


def comparison_section(result: MachineComparison | RecordedComparison) -> Section:
    """Gains and figures of all machines, those scaled to 8 bits too."""
    machines = [*result.machines, *result.eight_bit]
    scaled = result.eight_bit
    others = [machine for machine in machines if machine.machine != OURS]
    table = _table(machines, scaled)
    charts = [_gains(others, result)] if others else []
    accuracy = "not measured" if result.accuracy is None else f"{percent(result.accuracy)} (validation)"
    node = "each at its own node" if result.node_nm is None else f"all at {result.node_nm:g} nm"
    return Section(
        COMPARED,
        "Other machines",
        reading=(
            f"{result.macs:,} multiply-accumulates an input; {node}; accuracy of the tables {accuracy}.",
        ),
        charts=(*charts, _energy(machines, scaled)),
        tables=(Titled("machines", "All figures", table, f"Basis of throughput: {BASES[result.basis]}."),),
    )


def _name(machine: ComparedMachine, scaled: bool) -> str:
    return f"{machine.machine} at 8 bits" if scaled else machine.machine


def _gains(others: list[ComparedMachine], result: MachineComparison | RecordedComparison) -> Chart:
    scaled = result.eight_bit
    table = DataTable(
        (
            Column("name", "machine", style="text"),
            *(Column(key, f"{word} gain", "times") for key, word in _GAINS),
        ),
        tuple((_name(m, m in scaled), *(getattr(m, key) for key, _ in _GAINS)) for m in others),
    )
    keys = [key for key, _ in _GAINS]
    figure = dots(table, "name", keys, "times better (below 1: worse)", unit="times")
    return Chart(
        "gains",
        "Gains over other machines",
        _reading(others, result),
        figure,
        table,
    )


def _energy(machines: list[ComparedMachine], scaled: tuple[ComparedMachine, ...]) -> Chart:
    table = DataTable(
        (Column("name", "machine", style="text"), Column("pj", "energy per MAC", "pJ")),
        tuple((_name(m, m in scaled), m.energy_pj_per_mac) for m in machines),
    )
    least = min(machines, key=lambda m: m.energy_pj_per_mac)
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": table.column("pj"),
        "y": list(range(len(machines))),
        "text": [label(name) for name in table.column("name")],
        "marker": {"color": [marker(3 if m.machine == OURS else 0)["color"] for m in machines], "size": 12},
        "hovertemplate": "%{text}: %{x:.4g} pJ<extra></extra>",
    }
    layout = {
        "xaxis": log_axis(table.title("pj"), table.column("pj")),
        "yaxis": named_axis(table.column("name"), range=[len(machines) - 0.4, -0.6]),
        "height": 120 + 30 * len(machines),
        "showlegend": False,
    }
    name = _name(least, least in scaled)
    reading = f"{name} needs least, {real(least.energy_pj_per_mac)} pJ for a multiply-accumulate."
    return Chart(
        "machine-energy",
        "Energy of a multiply-accumulate",
        reading,
        {"data": [trace], "layout": layout},
        table,
    )


def _reading(others: list[ComparedMachine], result: MachineComparison | RecordedComparison) -> str:
    if not others:
        return "No other machine was asked for."
    faster = sum((m.speed_gain or 0) > 1 for m in others) or "none"
    thrifty = sum(m.energy_gain > 1 for m in others) or "none"
    return (
        f"Of {len(others)} other machines, {result.hardware} is faster than {faster} and needs less energy than "
        f"{thrifty}; faster means {BASES[result.basis]}."
    )


def _table(machines: list[ComparedMachine], scaled: tuple[ComparedMachine, ...]) -> DataTable:
    columns = (
        Column("machine", "machine", style="text"),
        Column("precision", "precision", style="text"),
        Column("chips", "chips"),
        Column("copies", "copies of the network"),
        Column("area", "area", "mm²"),
        Column("node", "node", "nm"),
        Column("latency", "latency", "µs"),
        Column("throughput", "throughput", "inputs/s"),
        Column("energy", "energy", "µJ"),
        Column("power", "power", "W"),
        *(Column(key, f"{word} gain", "times") for key, word in _GAINS),
        Column("validated", "model checked against", style="text"),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            _name(m, m in scaled),
            m.precision,
            m.chips,
            m.network_copies,
            m.area_mm2,
            m.node_nm,
            m.latency_ns / 1e3,
            m.throughput_per_s,
            m.energy_pj / 1e6,
            m.power_w,
            *(getattr(m, key) for key, _ in _GAINS),
            m.validated,
        )
        for m in machines
    ]
    return DataTable(columns, tuple(rows))
