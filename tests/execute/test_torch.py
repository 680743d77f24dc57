"""The torch executor gives the reference's integers, edge by edge."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.errors import DataError
from rapidnn.execute import torch_backend, torch_sums
from rapidnn.execute.reference import run_reference
from rapidnn.execute.torch_backend import TorchNetwork
from rapidnn.tables.program import WeightedSum
from tests.execute.programs import dense, network
from tests.strategies import compositions, with_hostile_tables

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SMALL = {"_CHUNK_BYTES": 4096, "_MATRIX_BYTES": 512}
"""Limits under which the smallest layers are cut into chunks of samples and stretches of taps."""


def assert_equal_edges(program, x):
    expected, found = {}, {}
    run_reference(program, x, expected.__setitem__)
    result = TorchNetwork(program).run(x, found.__setitem__)
    assert list(expected) == list(found)
    for name, values in expected.items():
        assert values.shape == found[name].shape
        assert values.dtype == found[name].dtype
        assert (values == found[name]).all(), name
    assert (result == expected[program.output]).all()


@RELAXED
@given(compositions(), st.booleans())
def test_random_compositions(made, small):
    _, composed, x = made
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items() if small else ():
            patch.setattr(torch_sums, name, value)
        assert_equal_edges(composed.program, x)


@RELAXED
@given(compositions(), st.integers(0, 2**32 - 1), st.booleans())
def test_hostile_tables(made, seed, small):
    _, composed, x = made
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items() if small else ():
            patch.setattr(torch_sums, name, value)
        assert_equal_edges(with_hostile_tables(composed.program, np.random.default_rng(seed)), x)


@pytest.mark.parametrize("bits", [8, 16, 20, 24, 31])
def test_sums_past_the_exact_range_of_float32(bits):
    """Every entry the largest there is: the sum of all taps needs more than 24 bits, up to all 31."""
    limit = 2 ** (bits - 1) - 1
    taps = min(3000, (2**31 - 1) // limit)
    for sign in (1, -1):
        made = dense(taps, 3, bits=bits, products=np.full((4, 6), sign * limit))
        x = np.random.default_rng(0).normal(size=(3, taps)).astype(np.float32)
        expected = run_reference(made, x)
        assert (expected == sign * limit * taps).all()
        assert (TorchNetwork(made).run(x) == expected).all()


@pytest.mark.parametrize("bits", [8, 16, 24])
def test_devices_without_float64(monkeypatch, bits):
    monkeypatch.setattr(torch_backend, "_NO_FLOAT64", ("cpu",))
    rng = np.random.default_rng(1)
    limit = 2 ** (bits - 1) - 1
    for products in (None, rng.integers(-limit, limit, (4, 6), endpoint=True)):
        made = dense(200, 5, bits=bits, products=products)
        x = rng.normal(size=(9, 200)).astype(np.float32)
        network = TorchNetwork(made)
        assert all(total._table.dtype == torch.float32 for total in network._sums.values())
        assert (network.run(x) == run_reference(made, x)).all()


def test_products_too_wide_for_a_device_without_float64(monkeypatch):
    monkeypatch.setattr(torch_backend, "_NO_FLOAT64", ("cpu",))
    with pytest.raises(DataError, match=r"'fc'.*float64"):
        TorchNetwork(dense(3, 2, bits=28, products=np.full((4, 6), 2**27 - 1)))


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_torch_settings_change_no_bit(precision):
    before = torch.get_float32_matmul_precision()
    made = dense(300, 70, bits=16, products=None)
    x = np.random.default_rng(2).normal(size=(64, 300)).astype(np.float32)
    torch.set_float32_matmul_precision(precision)
    try:
        assert (TorchNetwork(made).run(x) == run_reference(made, x)).all()
    finally:
        torch.set_float32_matmul_precision(before)


def test_outer_products_are_multiplied_and_others_looked_up():
    made = dense(20, 4, bits=16, products=None)
    assert TorchNetwork(made)._sums["fc"]._factors
    step = made.step["fc"]
    assert isinstance(step, WeightedSum)
    products = step.products.copy()
    products[0, 1, 2] += 1
    changed = replace(
        made, steps=tuple(replace(s, products=products) if s is step else s for s in made.steps)
    )
    assert not TorchNetwork(changed)._sums["fc"]._factors


class TestComposedNetwork:
    def test_backend(self):
        composed = network(dense(20, 4, bits=16, products=None))
        x = np.random.default_rng(3).normal(size=(50, 20)).astype(np.float32)
        seen = []
        found = composed(x, backend="torch", device="cpu", progress=lambda *done: seen.append(done))
        assert (found == composed(x, backend="reference")).all()
        assert (composed.accumulators(x, backend="torch") == composed.accumulators(x)).all()
        assert seen == [(50, 50)]
        edges = {}
        composed.run(x, backend="torch", observe=edges.__setitem__)
        assert list(edges) == [step.name for step in composed.program.steps]

    @pytest.mark.parametrize("device", ["cuda:7", "xla", "meta", "nonsense", ""])
    def test_device_that_is_not_there(self, device):
        composed = network(dense(5, 2, bits=16, products=None))
        with pytest.raises(DataError, match=f"device '{device}' cannot be used") as raised:
            composed(np.zeros((1, 5)), backend="torch", device=device)
        assert "\n" not in str(raised.value)

    def test_device_of_another_backend(self):
        composed = network(dense(5, 2, bits=16, products=None))
        with pytest.raises(DataError, match="belongs to the backend 'torch'"):
            composed(np.zeros((1, 5)), device="cuda")

    def test_nan_and_shape(self):
        composed = network(dense(5, 2, bits=16, products=None))
        with pytest.raises(DataError, match="NaN"):
            composed(np.full((1, 5), np.nan), backend="torch")
        with pytest.raises(DataError, match="shape"):
            composed(np.zeros((1, 6)), backend="torch")

    def test_torch_is_missing(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.delitem(sys.modules, "rapidnn.execute.torch_backend")
        monkeypatch.delitem(sys.modules, "rapidnn.execute.torch_sums")
        composed = network(dense(5, 2, bits=16, products=None))
        with pytest.raises(DataError, match="needs PyTorch"):
            composed(np.zeros((1, 5)), backend="torch")


def test_other_backends_do_not_import_torch(tmp_path):
    path = tmp_path / "net.rapidnn"
    network(dense(5, 2, bits=16, products=None)).save(path)
    code = (
        "import sys, numpy, rapidnn\n"
        "composed = rapidnn.load(sys.argv[1])\n"
        "for backend in ('cpu', 'numpy', 'reference'): composed(numpy.zeros((1, 5)), backend=backend)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
