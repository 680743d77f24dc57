"""The native executor gives the reference's integers: every instruction set, layout, and batch size."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
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


@pytest.fixture(scope="module")
def small():
    """A composed perceptron and inputs for it."""
    rng = np.random.default_rng(1)
    weight = rng.normal(size=(70, 40)).astype(np.float32)
    nodes = (Node("x", ops.Input((40,)), ()), Node("out", ops.Linear(weight, weight[:, 0]), ("x",)))
    x = rng.normal(size=(300, 40)).astype(np.float32)
    composed = compose_graph(Graph(nodes, "out"), x, Settings(16, 16), None, {}, threads=1, progress=quiet)
    return composed.program, x


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("batch", [1, 9, 300])
def test_a_sample_with_nan_is_named_and_the_network_goes_on(monkeypatch, small, path, threads, batch):
    program, x = small
    monkeypatch.setenv(KERNELS_VARIABLE, path)
    packed = NativeNetwork(program)
    packed._network.taps_per_thread = 1
    broken = x[:batch].copy()
    broken[batch // 2, 39] = np.nan
    with pytest.raises(DataError, match=f"input sample {batch // 2} holds NaN"):
        packed.run(broken, threads=threads)
    assert (packed.run(x[:batch], threads=threads) == run_reference(program, x[:batch])).all()


def test_one_network_runs_in_several_threads_at_once(small):
    program, x = small
    packed = NativeNetwork(program)
    expected = run_reference(program, x)
    sizes = [1, 9, 64, 130, 300] * 8
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: packed.run(x[:n], threads=1 + n % 2), sizes))
    for n, result in zip(sizes, found, strict=True):
        assert (result == expected[:n]).all()


def test_an_instruction_set_that_is_not_there(monkeypatch, small):
    program, x = small
    monkeypatch.setenv(KERNELS_VARIABLE, "abacus")
    with pytest.raises(DataError, match=r"RAPIDNN_KERNELS=abacus: this machine has .*portable"):
        NativeNetwork(program).run(x, threads=1)
