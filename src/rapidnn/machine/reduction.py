"""The schedule of the 3:2 carry-save steps in the lanes of one block (SPEC section 3, step 3).

Lanes share their row lines, so groups of three go together where they stand in the same three rows of their lanes. A
lane's addends therefore fill *slots* from the first on, and a slot is the same row in every lane. A stage turns A
addends into ``A - floor(A / 3)``: its ``g = floor(A / 3)`` groups are spread evenly, ``q = floor(g / lanes)`` or
``q + 1`` a lane, fullest lanes first, in ``ceil(g / lanes)`` rounds; each leaves a sum and a carry in the lane's next
slots. A lane that lacks addends for its groups takes them from lanes that have too many, one *move* (a read and a
write) each. At most two addends stay over, if possible in lane 0 or in lanes 0 and 1. Behind the groups of a fullest
lane they stand in its next slots; if one stands elsewhere they are *strays*, whose rows are no slots of the next stage:
these are moved before any other.

``rapidnn.machine.micro.reduction`` executes the schedule; a test holds these closed forms to it.
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
    groups = np.where(total > 2, total // 3, 0)
    stages = (groups > 0).astype(np.int64)
    rounds = -(-groups // lanes)
    moves = np.zeros_like(total)
    kept = total % 3, np.zeros_like(total)  # addends over that stand in the next slots of lanes 0 and 1
    total = total - groups
    while (total > 2).any():
        after = np.where(total > 2, total // 3, 0)
        active = after > 0
        over = total - 3 * after
        needed, surplus = _moves(groups, kept, after, lanes)
        stages += active
        rounds += -(-after // lanes)
        moves += np.where(active, needed, 0)
        both = (over == 2) & (surplus[0] == 1) & (surplus[1] > 0)
        first = np.where(surplus[0] >= over, over, np.where(both, 1, 0))
        kept = np.where(active, first, kept[0]), np.where(active, both.astype(np.int64), kept[1])
        groups = np.where(active, after, groups)
        total = total - after
    return Schedule(np.maximum(addends - 2, 0), stages, rounds, moves)


def most_held(addends: Int64, lanes: int) -> Int64:
    """Addends the copies put into lane 0, the fullest lane."""
    return np.asarray(3 * -(-(addends // 3) // lanes) + addends % 3, np.int64)


def copy_rounds(addends: Int64, lanes: int, at_once: int, present: int = 0) -> Int64:
    """Turns that copying takes, up to ``at_once`` addends in a turn but one to a lane.

    ``present`` of the addends stand in lane 0 already.
    """
    shared = -(-(addends - present) // min(at_once, lanes))
    first = most_held(addends, lanes) - present
    second = 3 * ((addends // 3 + lanes - 2) // lanes) if lanes > 1 else np.zeros_like(addends)
    return np.asarray(np.maximum(shared, np.maximum(first, second)), np.int64)


def slot_rows(addends: int, lanes: int) -> int:
    """Rows that hold addends while up to ``addends`` are reduced.

    Beside the slots of lane 0: a sum's and a carry's, and two for strays.
    """
    groups = -(-addends // 3)
    return 3 * -(-groups // lanes) + 4 if groups else 0


def addends_in(rows: int, lanes: int) -> int:
    """The most addends that :func:`slot_rows` puts into ``rows``."""
    return 3 * lanes * max(0, (rows - 4) // 3)


def _moves(
    groups: Int64, kept: tuple[Int64, Int64], after: Int64, lanes: int
) -> tuple[Int64, tuple[Int64, Int64]]:
    """Moves of a stage of ``after`` groups behind one of ``groups``, and what lanes 0 and 1 have beyond their groups.

    After ``groups`` = q lanes + r groups, r lanes hold 2 (q + 1) addends and the others 2 q, lanes 0 and 1 ``kept``
    more. What lane 1 has over counts only if no lane forms more groups than it does.
    """
    q, r = groups // lanes, groups % lanes
    q2, r2 = after // lanes, after % lanes
    both = np.minimum(r, r2)
    needed = (
        both * _lack(q2 + 1, q + 1)
        + (r - both) * _lack(q2, q + 1)
        + (r2 - both) * _lack(q2 + 1, q)
        + (lanes - np.maximum(r, r2)) * _lack(q2, q)
    )
    surplus = []
    for lane in (0, 1):
        had, forms = q + (r > lane), q2 + (r2 > lane)
        fills = 2 * had + kept[lane] - 3 * forms
        needed = needed - _lack(forms, had) + np.maximum(-fills, 0)
        surplus.append(np.where((lane < lanes) & ((r2 == 0) | (r2 > lane)), np.maximum(fills, 0), 0))
    return needed, (surplus[0], surplus[1])


def _lack(wanted: Int64, formed: Int64) -> Int64:
    """Addends a lane lacks for ``wanted`` groups after one that left it ``formed`` sums and carries."""
    return np.asarray(np.maximum(3 * wanted - 2 * formed, 0), np.int64)
