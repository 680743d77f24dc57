"""Working rows of a block, and what happens where a neuron has more addends than they hold (SPEC section 3, step 3).

A lane's rows take ``addend_rows`` addends beside the scratch rows of a 3:2 step, so a block holds that many times its
lanes. More addends are reduced in passes: the block is filled, reduced to two rows, and filled again around them.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.machine.layers import Layer
from rapidnn.machine.records import Hardware
from rapidnn.machine.reduction import Schedule, addends_in, copy_rounds, slot_rows
from rapidnn.machine.work import CONSTANT_ROWS, block_work

Int64 = NDArray[np.int64]


def rows_per_lane(layer: Layer, hardware: Hardware) -> int:
    """Rows of addends in a lane: the worst case of A in slots, at most what is allowed and what there is.

    Not positive where the other working rows alone fill a partition.
    """
    worst = slot_rows(layer.most_addends, max(1, hardware.lanes(layer.word_bits)))
    rna = hardware.rna
    there = rna.rows.value // rna.partitions.value - other_rows(layer, hardware)
    return min(worst, rna.addend_rows.value or worst, there)


def other_rows(layer: Layer, hardware: Hardware) -> int:
    """Working rows beside those of addends: scratch, constant zeros, and the final sum."""
    return block_work(hardware, layer.word_bits).scratch_rows + CONSTANT_ROWS


def addends_at_once(layer: Layer, hardware: Hardware) -> int:
    """Addends a block holds at once."""
    return addends_in(rows_per_lane(layer, hardware), hardware.lanes(layer.word_bits))


def working_rows(layer: Layer, hardware: Hardware) -> int:
    """Rows of the crossbar that addition takes, in every partition."""
    rows = rows_per_lane(layer, hardware) + other_rows(layer, hardware)
    return rows * hardware.rna.partitions.value


def passes(addends: Int64, at_once: int) -> Int64:
    """How often a block of ``at_once`` >= 3 addends is filled for each number of addends, at least once."""
    return np.asarray(1 + -(-np.maximum(addends - at_once, 0) // (at_once - 2)), np.int64)


def native_schedule(addends: Int64, lanes: int) -> Schedule:
    """:func:`~rapidnn.machine.reduction.reduction_schedule`, natively: one number of addends after the other."""
    wanted = np.ascontiguousarray(addends, np.int64)
    found = np.empty((3, len(wanted)), np.int64)
    _native.reduction_schedule(wanted, lanes, found)
    return Schedule(np.maximum(wanted - 2, 0), *found)


def schedule_in_passes(addends: Int64, lanes: int, at_once: int) -> Schedule:
    """Like :func:`~rapidnn.machine.reduction.reduction_schedule`, in a block that holds ``at_once`` addends.

    All passes but the last are full; each leaves two rows that the next one starts from, so the steps are A - 2 in
    all cases.
    """
    if int(addends.max(initial=0)) <= at_once:
        return native_schedule(addends, lanes)
    extra = passes(addends, at_once) - 1
    last = native_schedule(addends - extra * (at_once - 2), lanes)
    full = _full(at_once, lanes)
    return Schedule(
        steps=np.maximum(addends - 2, 0),
        stages=last.stages + extra * full[0],
        rounds=last.rounds + extra * full[1],
        moves=last.moves + extra * full[2],
    )


def copies_in_passes(addends: Int64, lanes: int, at_once: int, parallel: int) -> Int64:
    """Turns that copying takes, up to ``parallel`` addends in a turn but one to a lane."""
    if int(addends.max(initial=0)) <= at_once:
        return copy_rounds(addends, lanes, parallel)
    extra = passes(addends, at_once) - 1
    full = np.array([at_once])
    first, later = copy_rounds(full, lanes, parallel)[0], copy_rounds(full, lanes, parallel, 2)[0]
    last = addends - extra * (at_once - 2)
    again = first + (extra - 1) * later + copy_rounds(last, lanes, parallel, 2)
    return np.asarray(np.where(extra > 0, again, copy_rounds(last, lanes, parallel)), np.int64)


@lru_cache(maxsize=1024)
def _full(at_once: int, lanes: int) -> tuple[int, int, int]:
    found = native_schedule(np.array([at_once]), lanes)
    return int(found.stages[0]), int(found.rounds[0]), int(found.moves[0])
