"""The native executor gives the reference's integers: every instruction set, layout, and batch size."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.execute.native import KERNELS_VARIABLE, NativeNetwork, supports
from rapidnn.execute.reference import run_reference
from rapidnn.graph import Graph, Node, ops
from tests.strategies import compositions, quiet, with_hostile_tables

PATHS = _native.kernel_paths()
RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
BATCHES = st.sampled_from([1, 2, 5, 13, 64, 65, 130, 300])


def check(program, x, monkeypatch, threads=1):
    expected = run_reference(program, x)
    network = NativeNetwork(program)
    if threads > 1:
        network._network.taps_per_thread = 1  # so that the smallest of layers are shared
    for path in PATHS:
        monkeypatch.setenv(KERNELS_VARIABLE, path)
        for use_factors in (True, False):
            found = network.run(x, threads=threads, use_factors=use_factors)
            assert found.dtype == expected.dtype
            assert (found == expected).all(), (path, use_factors)


@RELAXED
@given(compositions(), BATCHES, st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_random_compositions(made, batch, threads, seed):
    _, composed, x = made
    assume(supports(composed.program))
    rng = np.random.default_rng(seed)
    many = x[rng.integers(len(x), size=batch)] * rng.normal(size=(batch, *[1] * (x.ndim - 1))).astype(
        np.float32
    )
    many[np.isnan(many)] = 0
    with pytest.MonkeyPatch.context() as monkeypatch:
        check(composed.program, many, monkeypatch, threads)


@RELAXED
@given(compositions(), BATCHES, st.integers(0, 2**32 - 1))
def test_hostile_tables(made, batch, seed):
    _, composed, x = made
    assume(supports(composed.program))
    rng = np.random.default_rng(seed)
    program = with_hostile_tables(composed.program, rng)
    with pytest.MonkeyPatch.context() as monkeypatch:
        check(program, x[rng.integers(len(x), size=batch)], monkeypatch)


def test_more_thresholds_than_codes(monkeypatch):
    """A fine table of a function that turns round meets the codes again and again."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(1, 4)).astype(np.float32)
    nodes = (
        Node("x", ops.Input((2, 5, 4)), ()),
        Node("swish", ops.Activation("hard_swish"), ("x",)),
        Node("out", ops.Linear(weight, weight[:, 0]), ("swish",)),
    )
    x = rng.normal(size=(70, 2, 5, 4)).astype(np.float32)
    chosen = Settings(256, 256, activation_rows=4096, operand_bits=16)
    program = compose_graph(Graph(nodes, "out"), x, chosen, None, {}, threads=1, progress=quiet).program
    assert program.step["swish"].thresholds.shape[1] > 255
    check(program, x, monkeypatch)
    check(program, x[:1], monkeypatch)
