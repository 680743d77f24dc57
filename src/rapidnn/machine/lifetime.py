"""Wear: writes per cell and input, and how long the cells last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidnn.machine.chip import Floor
from rapidnn.machine.records import Hardware
from rapidnn.machine.work import block_work


@dataclass(frozen=True)
class Wear:
    """Writes of one input to the cells of a layer's busiest block.

    ``mean`` over its working cells, ``hottest`` the cell written most, ``rotated`` that cell where the working rows
    take turns over ``cell.rotation_rows`` rows.
    """

    mean: float
    hottest: float
    rotated: float


def layer_wear(floor: Floor, index: int) -> Wear:
    """Writes of a layer's neurons, and of the reload of its tables where layers take turns.

    Scratch rows hold nothing between two neurons, so the next neuron may take others at no cost. The hottest cells
    are the scratch rows' (every step of their lane writes them); spread over R rows their writes are scratch / R of
    what they were, but never below the mean.
    """
    stage, hardware = floor.stages[index], floor.hardware
    neurons = stage.busiest_neurons(floor.replicas[index])
    cells = stage.placement.working_rows * hardware.rna.columns.value
    mean = neurons * stage.cost.cell_writes / cells if cells else 0.0
    hottest = neurons * stage.cost.hottest_writes
    scratch = block_work(hardware, stage.cost.layer.word_bits).scratch_rows
    rotated = max(mean, hottest * scratch / max(scratch, hardware.cell.rotation_rows.value))
    if not floor.reloaded:
        return Wear(mean, hottest, min(hottest, rotated))
    # A row that held tables in one turn may be a working row in the next: both count.
    loads = stage.placement.turns / hardware.chip.batch.value
    return Wear(mean + loads, hottest + loads, min(hottest, rotated) + loads)


def busiest_writes(floor: Floor, wears: Sequence[Wear]) -> Wear:
    """Writes of one input to the most worn cell of any block; turns share the blocks, so theirs add up.

    ``wears`` are the layers', in the floor's order.
    """
    parts = [[wears[index] for index in turn] for turn in floor.turns]
    return Wear(
        mean=sum(max(wear.mean for wear in turn) for turn in parts),
        hottest=sum(max(wear.hottest for wear in turn) for turn in parts),
        rotated=sum(max(wear.rotated for wear in turn) for turn in parts),
    )


def lifetime_s(writes: float, period_ns: float, hardware: Hardware) -> float:
    """Seconds until a cell that takes ``writes`` an input, one input a period, reaches its endurance."""
    return hardware.cell.endurance_writes.value / writes * period_ns * 1e-9 if writes else math.inf
