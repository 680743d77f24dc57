"""Native pair counts are those of NumPy, wherever the codes lie in memory."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.execute.reference import run_reference
from rapidnn.machine.pairs import count_sampled, summarise
from rapidnn.machine.sampling import NeuronSample, sample_pairs, source_edges
from tests.machine.programs import conv_program, dense_program
from tests.strategies import compositions

RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def channel_last(codes):
    return np.moveaxis(np.ascontiguousarray(np.moveaxis(codes, 1, -1)), -1, 1)


def check(program, x, rng, neurons):
    codes = {}
    run_reference(program, x, codes.setdefault)
    for step, sources in source_edges(program):
        shape = program.shapes[step.name]
        total = len(x) * int(np.prod(shape))
        flat = np.sort(rng.choice(total, min(total, neurons), replace=False))
        sample = NeuronSample.of(flat, (len(x), *shape))
        expected = summarise(*sample_pairs(program, step, sample, codes))
        for lie in (np.ascontiguousarray, channel_last):
            for threads in (1, 3):
                seen = {name: lie(codes[name]) if codes[name].ndim > 1 else codes[name] for name in sources}
                found = count_sampled(program, step, sample, seen, threads)
                for field in ("digits", "corrections", "occupied", "taps", "group_taps"):
                    assert (getattr(found, field) == getattr(expected, field)).all(), (step.name, field)


@RELAXED
@given(compositions(), st.integers(0, 2**32 - 1))
def test_random_networks(made, seed):
    _, composed, x = made
    check(composed.program, np.nan_to_num(x, posinf=9, neginf=-9), np.random.default_rng(seed), 50)


@pytest.mark.parametrize(
    "program", [conv_program(), dense_program(300, 20, w=256, u=256), dense_program(7, 3, w=1, u=2)]
)
def test_networks_made_by_hand(program):
    rng = np.random.default_rng(0)
    check(program, rng.normal(size=(3, *program.input_shape)).astype(np.float32), rng, 400)


def test_nothing_out_of_range_is_counted():
    good = {
        "codes": np.array([0, 1, 1, 0], np.uint8),
        "base": np.zeros(1, np.int64),
        "offsets": np.zeros((1, 1), np.int64),
        "place": np.zeros(1, np.int32),
        "depth": 4,
        "depth_step": 1,
        "weights": np.array([[0, 1, 1, 1]], np.uint8),
        "channel": np.zeros(1, np.int32),
        "nonzero": np.ones((1, 4), np.uint8),
        "table": np.zeros(1, np.int32),
        "weight_size": 2,
        "input_size": 2,
        "threads": 1,
    }
    bad = {
        "codes": np.array([0, 1, 2, 0], np.uint8),
        "base": np.ones(1, np.int64),
        "offsets": np.ones((1, 1), np.int64),
        "place": np.ones(1, np.int32),
        "depth": 5,
        "depth_step": 2,
        "weights": np.array([[0, 1, 1, 2]], np.uint8),
        "channel": -np.ones(1, np.int32),
        "nonzero": 2 * np.ones((1, 4), np.uint8),
        "table": np.ones(1, np.int32),
        "weight_size": 3,
        "input_size": 3,
    }
    found, groups = np.zeros((1, 4), np.int32), np.zeros(2, np.int64)
    _native.count_pairs(**good, neurons=found, group_sums=groups)
    assert found.tolist() == [[3, 0, 3, 4]]  # (0, 0) and (1, 0) once, (1, 1) twice: a digit each
    assert groups.tolist() == [3, 1]
    for name, value in bad.items():
        sums = np.zeros(3 if name == "weight_size" else 2, np.int64)
        with pytest.raises(ValueError):  # noqa: PT011 - the message names what does not fit
            _native.count_pairs(**(good | {name: value}), neurons=found, group_sums=sums)
