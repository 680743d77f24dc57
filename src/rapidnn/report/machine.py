"""What the machine costs, as tables: headline figures, components, layers, and figures beside those others stated."""

from __future__ import annotations

import math

from rapidnn.machine.cost import HOST, MACHINE, Cost, LayerCost
from rapidnn.machine.ledger import COMPONENTS
from rapidnn.report.data import Cell, Column, DataTable, duration, percent, quantity, real, share

UNLIMITED = "unlimited (no cell is written)"

_STATED = {
    "peak_gops_per_s_mm2": "peak rate per area",
    "peak_gops_per_s_w": "peak rate per power",
    "crossbar_um2": "crossbar area",
    "counters_um2": "counters' area",
    "activation_am_um2": "activation AM's area",
    "encoding_am_um2": "encoding AM's area",
    "block_um2": "block's area",
    "chip_mm2": "chip's area",
    "chip_w": "chip's power",
    "kib_per_neuron": "memory per neuron",
}


def cost_data(cost: Cost) -> DataTable:
    """The headline figures as (figure, value) rows; those of one network in a full pipeline, then the chip's peak."""
    rows: list[tuple[Cell, ...]] = [
        ("machine", cost.hardware),
        ("latency of one input", quantity(cost.latency_ns * 1e-9, "s")),
        ("throughput", f"{real(cost.throughput_per_s)} inputs/s, limited by {cost.bottleneck_layer}"),
        ("energy of one input", quantity(cost.energy_pj * 1e-12, "J")),
        ("power at that throughput", quantity(cost.power_w, "W")),
        ("energy-delay product", f"{real(cost.edp_pj_ns * 1e-21)} J s"),
        ("multiply-accumulates of one input", f"{cost.macs:,}"),
        *_host_rows(cost),
        ("rate on this network", f"{real(cost.gops_per_s)} GOPS/s (1 MAC = 2 ops)"),
        ("per area of whole chips", f"{real(cost.gops_per_s_mm2)} GOPS/s/mm²"),
        ("per power", f"{real(cost.gops_per_s_w)} GOPS/s/W"),
        ("chips", f"{cost.chips:,}"),
        ("area of whole chips", f"{real(cost.area_um2 / 1e6)} mm²"),
        ("area of the blocks in use and buffers", f"{real(cost.used_area_um2 / 1e6)} mm²"),
        (
            "blocks in use",
            f"{cost.blocks_used:,} of {cost.blocks_total:,}, {real(cost.block_area_um2)} µm² each",
        ),
        ("utilisation of all blocks", percent(cost.utilisation)),
        ("memory per neuron", f"{real(cost.kib_per_neuron)} KiB"),
        ("lifetime of the hottest cell", lifetime(cost.lifetime_s)),
        ("lifetime with the working rows rotated", lifetime(cost.lifetime_rotated_s)),
        ("lifetime with perfect levelling", lifetime(cost.lifetime_levelled_s)),
        ("idle power of the blocks in use, top-down", quantity(cost.idle_power_w, "W")),
        (
            "95 % interval of the sample",
            f"energy ±{percent(cost.energy_interval_95)}, busy time ±{percent(cost.time_interval_95)}",
        ),
        *_turn_rows(cost),
    ]
    return DataTable(
        (Column("figure", "figure", style="text"), Column("value", "value", style="text")), tuple(rows)
    )


def _turn_rows(cost: Cost) -> list[tuple[Cell, ...]]:
    """How layers take turns in the chips; nothing where all lie in blocks of their own."""
    if not cost.reload_ns:
        return []
    reloads = quantity(cost.reload_ns * 1e-9, "s")
    return [
        ("turns of layers", f"{cost.turns:,} for batches of {cost.batch:,}, {reloads} of reloads an input")
    ]


def _host_rows(cost: Cost) -> list[tuple[Cell, ...]]:
    """What the host does of the network; nothing where it does nothing."""
    hosted = [layer for layer in cost.by_layer if layer.runs_on == HOST]
    if not hosted:
        return []
    energy = (
        f"{quantity(cost.host_energy_pj * 1e-12, 'J')}, {percent(share(cost.host_energy_pj, cost.energy_pj))}"
    )
    time = sum(layer.stage_ns for layer in hosted)
    rows: list[tuple[Cell, ...]] = [
        ("energy of the host and its link", energy),
        ("time on the host", f"{quantity(time * 1e-9, 's')}, {percent(share(time, cost.latency_ns))}"),
    ]
    if cost.host_macs:
        rows.append(("multiply-accumulates on the host", f"{cost.host_macs:,}"))
    return rows


def lifetime(seconds: float) -> str:
    """A lifetime at full throughput in the unit that fits it."""
    return UNLIMITED if math.isinf(seconds) else duration(seconds)


def component_data(cost: Cost) -> DataTable:
    """Energy and bits of every component that is not zero, largest energy first."""
    used = sorted(cost.by_component.items(), key=lambda pair: -pair[1])
    rows: list[tuple[Cell, ...]] = [
        (name, energy, share(energy, cost.energy_pj), cost.bits_by_component[name], COMPONENTS[name])
        for name, energy in used
        if energy or cost.bits_by_component[name]
    ]
    return DataTable(
        (
            Column("component", "component", style="text"),
            Column("energy", "energy", "pJ"),
            Column("share", "share", style="share"),
            Column("bits", "bits"),
            Column("holds", "what it holds", style="text"),
        ),
        tuple(rows),
    )


def layer_cost_data(cost: Cost) -> DataTable:
    """One row a pipeline stage."""
    columns = (
        Column("name", "layer", style="text"),
        Column("runs_on", "runs on", style="text"),
        Column("neurons", "neurons"),
        Column("blocks", "blocks"),
        Column("replicas", "replicas", brief="copies"),
        Column("lanes", "lanes"),
        Column("addends", "mean addends", brief="addends"),
        Column("error", "its standard error"),
        Column("cycles", "cycles per neuron", brief="cycles"),
        Column("stage", "stage time", "ns", brief="stage ns"),
        Column("energy", "energy", "pJ", brief="pJ"),
        Column("share", "share of energy", style="share", brief="% of pJ"),
        Column("per_mac", "energy per MAC", "pJ"),
        Column("writes", "hottest cell's writes"),
    )
    table = DataTable(columns, tuple(_layer_row(layer, cost) for layer in cost.by_layer))
    return table if any(layer.runs_on == HOST for layer in cost.by_layer) else table.without("runs_on")


def _layer_row(layer: LayerCost, cost: Cost) -> tuple[Cell, ...]:
    counted = bool(layer.lanes)
    machine = layer.runs_on == MACHINE
    error = layer.addends_standard_error
    return (
        layer.name,
        layer.runs_on if machine else layer.kind,
        layer.neurons,
        layer.blocks if machine else None,
        layer.replicas if machine else None,
        layer.lanes if counted else None,
        layer.addends_mean if counted else None,
        error if counted and math.isfinite(error) else None,
        sum(layer.cycles.values()) if machine else None,
        layer.stage_ns,
        layer.energy_pj,
        share(layer.energy_pj, cost.energy_pj),
        layer.energy_pj / layer.macs if layer.macs else None,
        layer.writes_hottest if machine else None,
    )


def comparison_data(cost: Cost) -> DataTable:
    """Achieved figures beside claimed or recalled ones, with how well each of those is known."""
    return DataTable(
        (
            Column("figure", "figure", style="text"),
            Column("unit", "unit", style="text"),
            Column("achieved", "achieved"),
            Column("stated", "stated"),
            Column("ratio", "ratio"),
            Column("confidence", "stated is", style="text"),
            Column("source", "its source", style="text"),
        ),
        tuple(
            (
                _STATED.get(c.name, c.name),
                _squared(c.unit),
                c.achieved,
                c.stated,
                c.ratio,
                c.confidence,
                c.source,
            )
            for c in cost.comparison
        ),
    )


def _squared(unit: str) -> str:
    return unit.replace("um2", "µm²").replace("mm2", "mm²")


def peak_data(cost: Cost) -> DataTable:
    """Peak rates of one chip: at the description's reference neuron first, then over a range of K."""
    return DataTable(
        (
            Column("inputs", "K of the reference neuron"),
            Column("cycles", "cycles per neuron"),
            Column("pj", "energy per MAC", "pJ"),
            Column("gops", "peak", "GOPS/s"),
            Column("area", "per area", "GOPS/s/mm²"),
            Column("power", "per power", "GOPS/s/W"),
        ),
        tuple(
            (
                p.inputs,
                p.cycles_per_neuron,
                p.energy_pj_per_mac,
                p.gops_per_s,
                p.gops_per_s_mm2,
                p.gops_per_s_w,
            )
            for p in cost.peak
        ),
    )


def zeros_data(cost: Cost) -> DataTable:
    """What the estimate charges nothing, and why."""
    columns = (Column("item", "charged nothing", style="text"), Column("reason", "reason", style="text"))
    return DataTable(columns, tuple(cost.zeros.items()))


def confidence_data(cost: Cost) -> DataTable:
    """How many of the constants that entered are known how well; a confidence without any is left out."""
    total = sum(cost.confidence.values())
    columns = (
        Column("confidence", "confidence", style="text"),
        Column("constants", "constants"),
        Column("share", "share", style="share"),
    )
    return DataTable(
        columns, tuple((name, count, share(count, total)) for name, count in cost.confidence.items() if count)
    )


def cost_reading(cost: Cost) -> str:
    """The estimate in one sentence, and one more where the host takes part."""
    pace = "the host" if cost.bottleneck_layer == HOST else cost.bottleneck_layer
    text = (
        f"On {cost.hardware} one input takes {quantity(cost.latency_ns * 1e-9, 's')} and "
        f"{quantity(cost.energy_pj * 1e-12, 'J')}; in a full pipeline {pace} sets the pace at "
        f"{real(cost.throughput_per_s)} inputs/s."
    )
    if any(layer.runs_on == HOST for layer in cost.by_layer):
        part = percent(share(cost.host_energy_pj, cost.energy_pj))
        text += f" The host and its link take {part} of the energy; no peak figure includes them."
    return text


def lifetime_reading(cost: Cost) -> str:
    """How long the cells last at full throughput."""
    if math.isinf(cost.lifetime_s):
        return "No cell is written while the network runs, so endurance sets no limit."
    return (
        f"At full throughput the most written cell reaches its endurance after {lifetime(cost.lifetime_s)}; with "
        f"writes levelled perfectly over a block's working cells it would be {lifetime(cost.lifetime_levelled_s)}."
    )
