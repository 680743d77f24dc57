"""DaDianNao (MICRO 2014) at 32 nm: multipliers beside eDRAM that holds all weights; layers one after another."""

from __future__ import annotations

from rapidnn.rivals.cost import EnergyTerm, RivalCost, Stage
from rapidnn.rivals.description import DaDianNao
from rapidnn.rivals.work import LayerWork, Workload


def chips_needed(machine: DaDianNao, work: Workload) -> int:
    """Fewest chips whose eDRAM holds all weights."""
    return max(1, -(-work.weights * machine.weight_bits.value // int(machine.edram_mb.value * 8 * 2**20)))


def layer_cycles(machine: DaDianNao, layer: LayerWork, chips: int) -> int:
    """Outputs are spread over all tiles, the inputs of each taken a few at a time."""
    outputs = layer.channels // layer.groups * layer.positions
    at_once = chips * machine.tiles.value * machine.lane_outputs.value
    return layer.groups * -(-outputs // at_once) * -(-layer.taps // machine.lane_inputs.value)


def estimate_dadiannao(machine: DaDianNao, work: Workload, chips: int | None = None) -> RivalCost:
    """DaDianNao on a network: eDRAM, multipliers and bus are on while a layer runs, the link all the time."""
    chips = chips or chips_needed(machine, work)
    cycle_ns = 1000 / machine.clock_mhz.value
    times = [layer_cycles(machine, layer, chips) * cycle_ns for layer in work.layers]
    terms = [
        EnergyTerm(
            layer.name,
            part,
            time * chips,
            "ns x chips",
            getattr(machine, f"{part}_w").value * 1000,
            (f"{part}_w", "clock_mhz", "tiles", "lane_outputs", "lane_inputs"),
        )
        for layer, time in zip(work.layers, times, strict=True)
        for part in ("edram", "nfu", "bus")
    ]
    total = sum(times)
    terms.append(
        EnergyTerm("", "static", total * chips, "ns x chips", machine.link_w.value * 1000, ("link_w",))
    )
    return RivalCost(
        machine=machine.name,
        precision=f"{machine.weight_bits.value}-bit fixed point",
        chips=chips,
        network_copies=1,
        area_mm2=chips * machine.chip_mm2.value,
        node_nm=machine.node.value,
        latency_ns=total,
        interval_ns=total,
        macs=work.macs,
        stages=tuple(
            Stage(layer.name, chips, 1, time) for layer, time in zip(work.layers, times, strict=True)
        ),
        terms=tuple(terms),
        validated=machine.validated,
        notes=("weights stay in eDRAM; the traffic between chips is not modelled",),
    )


def peak(machine: DaDianNao) -> tuple[float, float, float]:
    """Peak of a chip: GOPS/s, GOPS/s/mm2, GOPS/s/W."""
    multipliers = machine.tiles.value * machine.lane_outputs.value * machine.lane_inputs.value
    gops = 2 * multipliers * machine.clock_mhz.value / 1000
    watts = machine.edram_w.value + machine.nfu_w.value + machine.bus_w.value + machine.link_w.value
    return gops, gops / machine.chip_mm2.value, gops / watts
