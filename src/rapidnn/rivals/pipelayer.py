"""PipeLayer (HPCA 2017): spike-coded reads, 4-bit cells in groups, replication by granularity; calibrated."""

from __future__ import annotations

from rapidnn.rivals.cost import EnergyTerm, RivalCost, Stage
from rapidnn.rivals.description import PipeLayer
from rapidnn.rivals.replication import balanced_copies, network_copies
from rapidnn.rivals.work import LayerWork, Workload


def vector_ns(pipelayer: PipeLayer) -> float:
    """Time of one input vector: one spike a bit."""
    return pipelayer.input_bits.value * pipelayer.read_ns.value


def layer_arrays(pipelayer: PipeLayer, layer: LayerWork) -> int:
    """Arrays of one copy of a layer."""
    return layer.groups * pipelayer.arrays_for(layer.taps, layer.channels // layer.groups)


def chips_needed(pipelayer: PipeLayer, work: Workload) -> int:
    """Fewest chips that hold one copy of every layer."""
    needed = sum(layer_arrays(pipelayer, layer) for layer in work.layers)
    return max(1, -(-needed // pipelayer.arrays.value))


def estimate_pipelayer(pipelayer: PipeLayer, work: Workload, chips: int | None = None) -> RivalCost:
    """PipeLayer on a network, on as many chips as it needs or as are given.

    How its paper chose the granularity of each layer is not known: the copies here balance the pipeline. A layer hands
    whole images on, so one input takes the sum of the stages.
    """
    chips = chips or chips_needed(pipelayer, work)
    units = [layer_arrays(pipelayer, layer) for layer in work.layers]
    positions = [layer.positions for layer in work.layers]
    copies = balanced_copies(units, positions, chips * pipelayer.arrays.value)
    whole = network_copies(units, copies, chips * pipelayer.arrays.value)
    stages = tuple(
        Stage(layer.name, unit, copy, -(-layer.positions // copy) * vector_ns(pipelayer))
        for layer, unit, copy in zip(work.layers, units, copies, strict=True)
    )
    vector_pj = pipelayer.input_bits.value * pipelayer.array_pj.value
    constants = ("array_pj", "input_bits", "weight_bits", "cell_bits", "array_rows", "array_columns")
    terms = tuple(
        EnergyTerm(
            layer.name,
            "array",
            float(unit * layer.positions),
            "array vectors",
            vector_pj,
            constants,
        )
        for layer, unit in zip(work.layers, units, strict=True)
    )
    return RivalCost(
        machine=pipelayer.name,
        precision=f"{pipelayer.weight_bits.value}-bit weights, {pipelayer.input_bits.value}-bit inputs",
        chips=chips,
        network_copies=whole,
        area_mm2=chips * pipelayer.chip_mm2.value,
        node_nm=pipelayer.node.value,
        latency_ns=sum(stage.stage_ns for stage in stages),
        interval_ns=max(stage.stage_ns for stage in stages) / whole,
        macs=work.macs,
        stages=stages,
        terms=terms,
        validated=pipelayer.validated,
        notes=("density, efficiency and area are calibrated to its paper; its granularities are not known",),
    )
