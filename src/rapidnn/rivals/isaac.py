"""ISAAC (ISCA 2016): crossbars with an ADC each, one-bit input cycles, replicated layers, a 22-cycle pipeline."""

from __future__ import annotations

from rapidnn.rivals.cost import EnergyTerm, RivalCost, Stage
from rapidnn.rivals.description import Isaac
from rapidnn.rivals.replication import balanced_copies, network_copies
from rapidnn.rivals.work import LayerWork, Workload

IMA_PARTS = ("adc", "dac", "sample_hold", "array", "shift_add", "input_register", "output_register")
TILE_PARTS = ("edram", "bus", "sigmoid", "tile_shift_add", "max_pool", "tile_output")


def arrays_per_chip(isaac: Isaac) -> int:
    """Crossbars of a chip."""
    return isaac.arrays_per_ima.value * isaac.imas_per_tile.value * isaac.tiles.value


def layer_arrays(isaac: Isaac, layer: LayerWork) -> int:
    """Crossbars of one copy of a layer; groups of a convolution have arrays of their own."""
    return layer.groups * isaac.arrays_for(layer.taps, layer.channels // layer.groups)


def chips_needed(isaac: Isaac, work: Workload) -> int:
    """Fewest chips that hold one copy of every layer."""
    return max(1, -(-sum(layer_arrays(isaac, layer) for layer in work.layers) // arrays_per_chip(isaac)))


def array_pj(isaac: Isaac) -> dict[str, float]:
    """Energy of one crossbar for one input vector by part, with its share of IMA and tile: power x input cycles.

    With all crossbars of a chip busy this is the chip's power without the link, by construction.
    """
    time_ns = isaac.input_bits.value * isaac.cycle.value
    per_ima, per_tile = isaac.arrays_per_ima.value, isaac.arrays_per_ima.value * isaac.imas_per_tile.value
    found = {part: getattr(isaac, f"{part}_mw").value * time_ns / per_ima for part in IMA_PARTS}
    found |= {part: getattr(isaac, f"{part}_mw").value * time_ns / per_tile for part in TILE_PARTS}
    found["router"] = isaac.router_mw.value * time_ns / per_tile / isaac.tiles_per_router.value
    return found


def estimate_isaac(isaac: Isaac, work: Workload, chips: int | None = None) -> RivalCost:
    """ISAAC on a network, on as many chips as it needs or as are given.

    What is left over replicates layers for balance. A crossbar is charged for every input vector it takes, filled or
    not: its ADC, DACs and registers run for all columns and rows, as in the power of its Table I.
    """
    chips = chips or chips_needed(isaac, work)
    units = [layer_arrays(isaac, layer) for layer in work.layers]
    positions = [layer.positions for layer in work.layers]
    copies = balanced_copies(units, positions, chips * arrays_per_chip(isaac))
    whole = network_copies(units, copies, chips * arrays_per_chip(isaac))
    vector_ns = isaac.input_bits.value * isaac.cycle.value
    stages = tuple(
        Stage(layer.name, unit, copy, -(-layer.positions // copy) * vector_ns)
        for layer, unit, copy in zip(work.layers, units, copies, strict=True)
    )
    interval = max(stage.stage_ns for stage in stages) / whole
    parts = array_pj(isaac)
    terms = [
        EnergyTerm(
            layer.name,
            part,
            float(unit * layer.positions),
            "crossbar vectors",
            pj,
            (
                f"{part}_mw",
                "cycle",
                "input_bits",
                "arrays_per_ima",
                *(() if part in IMA_PARTS else ("imas_per_tile",)),
            ),
        )
        for layer, unit in zip(work.layers, units, strict=True)
        for part, pj in parts.items()
    ]
    terms.append(
        EnergyTerm("", "static", interval * chips, "ns x chips", isaac.link_w.value * 1000, ("link_w",))
    )
    # A layer starts when its first window is there; then it keeps up, or is the bottleneck itself.
    filled = sum(
        before.stage_ns * layer.first_output
        for before, layer in zip(stages[:-1], work.layers[1:], strict=True)
    )
    depth_ns = isaac.pipeline.value * isaac.cycle.value * len(stages)
    return RivalCost(
        machine=isaac.name,
        precision=f"{isaac.weight_bits.value}-bit weights, {isaac.input_bits.value}-bit inputs",
        chips=chips,
        network_copies=whole,
        area_mm2=chips * isaac.chip_mm2.value,
        node_nm=isaac.node.value,
        latency_ns=depth_ns + filled + stages[-1].stage_ns,
        interval_ns=interval,
        macs=work.macs,
        stages=stages,
        terms=tuple(terms),
        validated=isaac.validated,
        notes=("crossbars are charged full where a layer fills them in part",),
    )


def peak(isaac: Isaac) -> tuple[float, float, float]:
    """Peak of a chip: GOPS/s, GOPS/s/mm2, GOPS/s/W, every crossbar full and busy."""
    vector_ns = isaac.input_bits.value * isaac.cycle.value
    gops = 2 * arrays_per_chip(isaac) * isaac.array_macs / vector_ns
    watts = arrays_per_chip(isaac) * sum(array_pj(isaac).values()) / vector_ns / 1000 + isaac.link_w.value
    return gops, gops / isaac.chip_mm2.value, gops / watts
