"""Codes seen in a native run are those of the reference."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rapidnn.errors import DataError
from rapidnn.execute.native import NativeNetwork, supports
from rapidnn.execute.observe import observe_native
from rapidnn.execute.reference import run_reference
from tests.machine.programs import conv_program
from tests.strategies import compositions

RELAXED = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


def check(program, x, threads):
    expected = {}
    run_reference(program, x, expected.setdefault)
    network = NativeNetwork(program)
    found = observe_native(network, x, program.group_of, threads=threads)
    assert list(found) == list(program.group_of)
    for name, codes in found.items():
        assert codes.dtype == np.uint8
        assert (codes == expected[name]).all(), name


@RELAXED
@given(compositions(), st.sampled_from([1, 2, 13, 64, 130]), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_random_compositions(made, batch, threads, seed):
    _, composed, x = made
    assume(supports(composed.program))
    rng = np.random.default_rng(seed)
    many = x[rng.integers(len(x), size=batch)]
    check(composed.program, np.nan_to_num(many, posinf=9, neginf=-9), threads)


def test_an_edge_without_codes_is_refused():
    network = NativeNetwork(conv_program())
    with pytest.raises(DataError, match="edge 'conv1' has no codes"):
        observe_native(network, np.zeros((1, 2, 8, 8), np.float32), ["x", "conv1"], threads=1)
