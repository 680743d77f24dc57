"""Reference and vectorised executor give the same integers, edge by edge."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.execute.reference import run_reference
from rapidnn.execute.vectorised import run_vectorised
from rapidnn.tables.program import Host
from rapidnn.tables.validate import validate
from tests.strategies import compositions, with_hostile_tables

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def assert_equal_edges(program, x):
    expected, found = {}, {}
    run_reference(program, x, expected.__setitem__)
    run_vectorised(program, x, found.__setitem__)
    assert list(expected) == list(found) == [step.name for step in program.steps]
    for name, values in expected.items():
        assert values.shape == found[name].shape == (len(x), *program.shapes[name])
        host = isinstance(program.step[name], Host)
        kind = np.uint8 if name in program.group_of else np.float32 if host else np.int32
        assert values.dtype == found[name].dtype == kind
        assert (values == found[name]).all(), name


@RELAXED
@given(compositions())
def test_random_compositions(made):
    _, composed, x = made
    validate(composed.program)
    assert_equal_edges(composed.program, x)


@RELAXED
@given(compositions(), st.integers(0, 2**32 - 1))
def test_hostile_tables(made, seed):
    _, composed, x = made
    program = with_hostile_tables(composed.program, np.random.default_rng(seed))
    validate(program)
    assert_equal_edges(program, x)
