"""How many replicas each layer gets: the slowest stage is made as fast as the blocks allow."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from rapidnn.machine.placement import StageTime


def allocate(stages: Sequence[StageTime], blocks: int) -> list[int]:
    """Replicas of each stage (each at least 1) for the smallest time of the slowest stage within ``blocks`` blocks.

    The slowest stage is given its next useful number of replicas until the blocks run out or it cannot be split
    further: no other use of the blocks could shorten the slowest stage, so the result is optimal.
    """
    replicas = [1] * len(stages)
    free = blocks - sum(stage.placement.blocks for stage in stages)
    heap = [(-stage.cycles(1), index) for index, stage in enumerate(stages)]
    heapq.heapify(heap)
    while heap:
        _, index = heap[0]
        stage = stages[index]
        more = _next_useful(stage.cost.layer.places, replicas[index])
        price = (more - replicas[index]) * stage.placement.blocks
        if more == replicas[index] or price > free:
            return replicas
        free -= price
        replicas[index] = more
        heapq.heapreplace(heap, (-stage.cycles(more), index))
    return replicas


def _next_useful(places: int, replicas: int) -> int:
    """The least larger number of replicas for which the busiest one has fewer places; the same if there is none."""
    busiest = -(-places // replicas)
    return replicas if busiest <= 1 else -(-places // (busiest - 1))
