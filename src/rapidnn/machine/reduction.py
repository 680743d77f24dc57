"""The schedule of the 3:2 carry-save steps in the lanes of one block (SPEC section 3, step 3).

A stage turns A addends into ``A - floor(A / 3)``: its ``g = floor(A / 3)`` groups of three each leave a sum and a
carry in their lane. Groups in different lanes go together, so a stage takes ``ceil(g / lanes)`` rounds. The copies
put the first stage's groups of three into lanes as evenly as can be; later a lane that cannot fill a group of its
own takes addends from other lanes, one *move* (a read and a write) each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Schedule:
    """What reducing A addends to two takes, element by element: int64 arrays of one shape.

    ``steps`` 3:2 steps in all (A - 2), ``rounds`` of them one after another, ``stages``, and ``moves`` between lanes.
    """

    steps: Int64
    stages: Int64
    rounds: Int64
    moves: Int64


def reduction_schedule(addends: Int64, lanes: int) -> Schedule:
    """Schedule for each number of addends, int64 ``(V,)``, in a block with ``lanes`` >= 1 lanes."""
    total = addends.astype(np.int64)
    stages, rounds, moves = (np.zeros_like(total) for _ in range(3))
    lane = np.arange(min(lanes, max(1, int(total.max(initial=0)) // 3 + 1)))
    held = _first_placement(total, lane, lanes)
    while (total > 2).any():
        groups = np.where(total > 2, total // 3, 0)
        most = -(-groups // lanes)
        stages += groups > 0
        rounds += most
        moves += _stage(held, groups, most)
        total = total - groups
    return Schedule(np.maximum(addends - 2, 0), stages, rounds, moves)


def _first_placement(total: Int64, lane: Int64, lanes: int) -> Int64:
    """Addends per lane ``(V, lanes)``: groups of three dealt round, and what is left over in one lane more."""
    groups: Int64 = (total // 3)[:, np.newaxis]
    held = 3 * (groups // lanes + (lane < groups % lanes))
    held[np.arange(len(total)), (total // 3 % lanes) % len(lane)] += total % 3
    return np.asarray(held, np.int64)


def _stage(held: Int64, groups: Int64, most: Int64) -> Int64:
    """Do one stage on ``held`` in place, at most ``most`` groups a lane; the number of moves, ``(V,)``."""
    cap = most[:, np.newaxis]
    formed = np.minimum(held // 3, cap)
    spare = held - 3 * formed
    missing = groups - formed.sum(axis=1)
    moves: Int64 = np.zeros_like(missing)
    while (missing > 0).any():
        hosts = _hosts(spare, formed < cap, missing)
        wanted = np.where(hosts, 3 - spare, 0)
        need = wanted.sum(axis=1)
        formed += hosts
        spare = np.where(hosts, 0, spare)
        spare = spare - _donations(spare, need)
        moves += need
        missing = missing - hosts.sum(axis=1)
    held[:] = 2 * formed + spare
    return moves


def _hosts(spare: Int64, free: NDArray[np.bool_], missing: Int64) -> NDArray[np.bool_]:
    """Lanes that form a missing group: those that lack the fewest addends first, then by lane number."""
    hosts = np.zeros(spare.shape, bool)
    left = missing[:, np.newaxis].copy()
    for have in (2, 1, 0):
        able = free & (spare == have)
        chosen = able & (np.cumsum(able, axis=1) <= left)
        hosts |= chosen
        left -= chosen.sum(axis=1, keepdims=True)
    return hosts


def _donations(spare: Int64, need: Int64) -> Int64:
    """Addends each lane gives: from crowded lanes first, then single ones, then pairs, by lane number."""
    given = np.zeros_like(spare)
    left = need[:, np.newaxis]
    for able in (spare > 2, spare == 1, spare == 2):
        offer = np.where(able, spare, 0)
        before = np.cumsum(offer, axis=1) - offer
        take = np.clip(left - before, 0, offer)
        given += take
        left = left - take.sum(axis=1, keepdims=True)
    return given
