"""Layers in turns: what happens where the given chips do not hold the whole network.

Layers that fit together form a turn. For every batch of inputs each turn's tables and weight codes come from memory
over the link and are written into the blocks, then the batch runs through the turn's stages as a pipeline.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rapidnn.machine.allocation import allocate
from rapidnn.machine.chip import Floor, chips_there
from rapidnn.machine.host import link_ns
from rapidnn.machine.records import Hardware
from rapidnn.machine.stage import StageTime


def plan_floor(stages: tuple[StageTime, ...], hardware: Hardware) -> Floor:
    """Turns as few as can be, and within each the replicas that make its slowest stage fastest."""
    blocks = chips_there(stages, hardware) * hardware.chip.blocks
    turns = plan_turns([stage.placement.blocks for stage in stages], blocks)
    replicas: list[int] = []
    for turn in turns:
        replicas += allocate(stages[turn.start : turn.stop], blocks)
    return Floor(hardware, stages, tuple(replicas), turns)


def plan_turns(needs: Sequence[int], blocks: int) -> tuple[range, ...]:
    """Consecutive stages that fit together, the fewest turns there can be: each takes all that still fits.

    No stage may need more than ``blocks``.
    """
    turns, start, used = [], 0, 0
    for index, need in enumerate(needs):
        if used + need > blocks and index > start:
            turns.append(range(start, index))
            start, used = index, 0
        used += need
    return (*turns, range(start, len(needs)))


@dataclass(frozen=True)
class Reload:
    """Tables of one layer brought in for one batch.

    ``bits`` come from memory, ``written_bits`` are written into the cells of all replicas. ``rows_ns`` is the time of
    the block that writes the most rows; blocks write side by side.
    """

    bits: float
    written_bits: float
    rows_ns: float


def layer_reload(floor: Floor, index: int) -> Reload:
    """The reload of a layer; nothing where all layers stay in their blocks."""
    if not floor.reloaded:
        return Reload(0.0, 0.0, 0.0)
    placement, hardware = floor.stages[index].placement, floor.hardware
    bits = placement.stored_bits
    rows = math.ceil(bits / placement.blocks / hardware.rna.columns.value)
    return Reload(bits, bits * floor.replicas[index], rows * hardware.crossbar.write_ns.value)


def turn_reload_ns(floor: Floor, turn: range) -> float:
    """Time to bring a turn's tables in: the link carries them one after another while the blocks write."""
    reloads = [layer_reload(floor, index) for index in turn]
    carried = link_ns(sum(reload.bits for reload in reloads), floor.hardware)
    return max(carried, *(reload.rows_ns for reload in reloads))
