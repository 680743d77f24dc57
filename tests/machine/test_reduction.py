"""The closed forms of the 3:2 schedule against its execution in lanes of words."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.machine.micro.crossbar import Crossbar
from rapidnn.machine.micro.programmes import compressor
from rapidnn.machine.micro.reduction import Reduction, Rows
from rapidnn.machine.passes import native_schedule
from rapidnn.machine.reduction import copy_rounds, most_held, reduction_schedule, slot_rows

BITS = 6


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=20), st.integers(1, 130))
def test_the_native_schedule_is_the_same(addends, lanes):
    values = np.array(addends, np.int64)
    plain, native = reduction_schedule(values, lanes), native_schedule(values, lanes)
    for field in ("steps", "stages", "rounds", "moves"):
        assert (getattr(plain, field) == getattr(native, field)).all(), field


def executed(addends, lanes, at_once=1, seed=0):
    """The reduction of random words in a crossbar full of noise."""
    rng = np.random.default_rng(seed)
    step = compressor("nor-10", BITS)
    first = 1 + len(step.scratch)
    noise = rng.integers(0, 2**62, first + slot_rows(addends, lanes)).tolist()
    crossbar = Crossbar(len(noise), lanes, BITS, cells=[word**30 % (1 << lanes * BITS) for word in noise])
    bind = {name: row for row, name in enumerate(step.scratch, 1)}
    reduction = Reduction(crossbar, Rows(bind, first), step, lambda phase, text, cycles: None)
    words = rng.integers(0, 1 << BITS, addends).tolist()
    reduction.place([(word, "") for word in words], at_once, 2)
    reduction.reduce(2)
    left = sum(crossbar.read(row, 0) for row in reduction.result())
    assert (left - sum(words)) % (1 << BITS) == 0
    return reduction


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.integers(0, 40), st.integers(0, 600)),
    st.integers(1, 70),
    st.sampled_from([1, 2, 7, 100]),
    st.integers(0, 2**32 - 1),
)
def test_the_schedule_is_what_execution_takes(addends, lanes, at_once, seed):
    done = executed(addends, lanes, at_once, seed)
    schedule = reduction_schedule(np.array([addends]), lanes)
    assert [done.stages] == schedule.stages.tolist()
    assert [done.rounds] == schedule.rounds.tolist()
    assert [done.steps] == schedule.steps.tolist()
    assert [done.moves] == schedule.moves.tolist()
    assert [done.copy_turns] == copy_rounds(np.array([addends]), lanes, at_once).tolist()
    assert done.rows.used <= slot_rows(addends, lanes)


def test_every_small_case():
    for lanes in (1, 2, 3, 4, 5, 8):
        counts = np.arange(45)
        schedule = reduction_schedule(counts, lanes)
        for addends in counts.tolist():
            done = executed(addends, lanes)
            assert (done.moves, done.rounds) == (schedule.moves[addends], schedule.rounds[addends])
            assert done.steps == max(0, addends - 2)


def test_rounds_follow_the_formula():
    for lanes in (1, 3, 51):
        for addends in (0, 1, 2, 3, 4, 10, 1000, 12345):
            total, rounds = addends, 0
            while total > 2:
                rounds += -(-(total // 3) // lanes)
                total -= total // 3
            schedule = reduction_schedule(np.array([addends]), lanes)
            assert schedule.rounds[0] == rounds
            assert schedule.steps[0] == max(0, addends - 2)
            assert lanes > 1 or schedule.moves[0] == 0


def test_copies_at_once_go_to_different_lanes():
    assert most_held(np.array([0, 2, 6, 8]), 2).tolist() == [0, 2, 3, 5]
    assert copy_rounds(np.array([6, 8, 600]), 2, 1).tolist() == [6, 8, 600]
    assert copy_rounds(np.array([6, 8, 600]), 2, 4).tolist() == [3, 5, 300]
