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
    replicas = [1] * len(stages)
    free = blocks - sum(stage.placement.blocks for stage in stages)
    heap = [(-stage.cycles(1), index) for index, stage in enumerate(stages)]
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
