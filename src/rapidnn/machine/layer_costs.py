"""One stage's row of a cost: a layer in blocks, or an operator on the host."""

from __future__ import annotations

from rapidnn.machine.chip import Floor
from rapidnn.machine.cost import HOST, MACHINE, LayerCost
from rapidnn.machine.edges import FLOAT_BITS
from rapidnn.machine.host import HostLayer, host_ns
from rapidnn.machine.ledger import Ledger
from rapidnn.machine.lifetime import Wear
from rapidnn.machine.precision import standard_error
from rapidnn.machine.records import Hardware
from rapidnn.machine.statistics import StepStatistics


def block_stage_cost(
    floor: Floor,
    index: int,
    counted: StepStatistics | None,
    ledger: Ledger,
    stage_ns: float,
    buffer_um2: float,
    wear: Wear,
) -> LayerCost:
    """A layer in blocks; ``counted`` are its statistics where it accumulates."""
    stage = floor.stages[index]
    layer, cost = stage.cost.layer, stage.cost
    profile = cost.profile
    return LayerCost(
        name=layer.name,
        kind=layer.kind,
        runs_on=MACHINE,
        steps=layer.steps,
        neurons=layer.neurons,
        macs=layer.macs,
        host_macs=0,
        channels=layer.channels,
        blocks=floor.blocks(index),
        replicas=floor.replicas[index],
        word_bits=layer.word_bits,
        lanes=floor.hardware.lanes(layer.word_bits) if layer.counted else 0,
        addends_mean=profile.mean(profile.addends) if counted else 0.0,
        addends_standard_error=standard_error(counted, profile, profile.addends) if counted else 0.0,
        cycles=dict(cost.phases),
        cycles_standard_error=standard_error(counted, profile, cost.cycles_by_addends) if counted else 0.0,
        turn=floor.turn_of[layer.name],
        stage_ns=stage_ns,
        energy_pj=ledger.energy_pj,
        by_component=ledger.energies_pj(),
        bits_by_component=ledger.bits(),
        area_um2=floor.blocks(index) * sum(floor.block_parts_um2.values()) + buffer_um2,
        writes_mean=wear.mean,
        writes_hottest=wear.hottest,
    )


def host_stage_cost(stage: HostLayer, ledger: Ledger, hardware: Hardware) -> LayerCost:
    """An operator on the host."""
    return LayerCost(
        name=stage.name,
        kind=stage.kind,
        runs_on=HOST,
        steps=stage.steps,
        neurons=stage.neurons,
        macs=0,
        host_macs=stage.work.macs,
        channels=0,
        blocks=0,
        replicas=0,
        word_bits=FLOAT_BITS,
        lanes=0,
        addends_mean=0.0,
        addends_standard_error=0.0,
        cycles={},
        cycles_standard_error=0.0,
        turn=0,
        stage_ns=host_ns(stage, hardware),
        energy_pj=ledger.energy_pj,
        by_component=ledger.energies_pj(),
        bits_by_component=ledger.bits(),
        area_um2=0.0,
        writes_mean=0.0,
        writes_hottest=0.0,
    )
