"""How many replicas each layer gets: the slowest stage is made as fast as the blocks allow."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from rapidnn.machine.stage import StageTime


def allocate(stages: Sequence[StageTime], blocks: int) -> list[int]:
    """Replicas of each stage (each at least 1) for the smallest time of the slowest stage within ``blocks`` blocks.

    The slowest stage is given its next useful number of replicas until the blocks run out or it cannot be split
    further. Where more replicas never slow a stage down, that is optimal: a stage is only given more while it is the
    slowest, so every allocation with a smaller slowest time gives each stage at least as many, and the one that could
    not be afforded at the end could not be afforded there either.
    """
    replicas = _start(stages, blocks)
    free = blocks - sum(stage.placement.blocks * r for stage, r in zip(stages, replicas, strict=True))
    heap = [(-stage.cycles(replicas[index]), index) for index, stage in enumerate(stages)]
    heapq.heapify(heap)
    while heap:
        _, index = heap[0]
        stage = stages[index]
        more = stage.next_useful(replicas[index])
        price = (more - replicas[index]) * stage.placement.blocks
        if more == replicas[index] or price > free:
            return replicas
        free -= price
        replicas[index] = more
        heapq.heapreplace(heap, (-stage.cycles(more), index))
    return replicas


def _start(stages: Sequence[StageTime], blocks: int) -> list[int]:
    """An allocation that the steps above pass through, close to their end.

    When the slowest stage has come down to a time T, every stage has the least replicas with which it takes at most
    T. No allocation is faster than ``least``: a stage's rounds take blocks x time whatever their number, and some
    stage cannot be split further. So T is a little above it, as long as the blocks allow. Blocks that gather may take
    longer with more replicas; for them the steps begin with one.
    """
    once = [1] * len(stages)
    if any(stage.hardware.delivery.mode.value != "broadcast" for stage in stages):
        return once
    work = sum(stage.placement.blocks * stage.busiest_neurons(1) * stage.round_cycles for stage in stages)
    least = max(work / blocks, *(stage.cycles(stage.most_replicas) for stage in stages))
    for above in (1.02, 1.1, 1.4, 3.0):
        replicas = [_least_replicas(stage, above * least) for stage in stages]
        if sum(stage.placement.blocks * r for stage, r in zip(stages, replicas, strict=True)) <= blocks:
            return replicas
    return once


def _least_replicas(stage: StageTime, cycles: float) -> int:
    """The least replicas with which a stage takes at most so many cycles, which it can."""
    low, high = stage.fewest_replicas(cycles), stage.most_replicas
    if low >= high or stage.cycles(low) <= cycles:
        return min(low, high)
    while low < high:
        middle = (low + high) // 2
        if stage.cycles(middle) <= cycles:
            high = middle
        else:
            low = middle + 1
    return low
