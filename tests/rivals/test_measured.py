"""Zero skipping off, and the machine at hand: its energy counters, and what is said where there are none."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from torch import nn

import rapidnn
from rapidnn.machine.network import collect_statistics
from rapidnn.rivals.counters import gpu_counter, processor_counter
from rapidnn.rivals.dense import dense_program, dense_statistics
from rapidnn.rivals.measured import measure


@pytest.fixture(scope="module")
def composed():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 24)).astype(np.float32)
    network = nn.Sequential(nn.Linear(24, 16), nn.ReLU(), nn.Linear(16, 5)).eval()
    return rapidnn.compose(network, x, 8, 8), x[:16], network


def test_dense_counts_the_taps_that_skipping_leaves_out(composed):
    network, x, _ = composed
    skipping = collect_statistics(network, x).steps
    dense = dense_statistics(network, x).steps
    assert all(dense[name].digits_sum >= step.digits_sum for name, step in skipping.items())
    # A ReLU makes zeros, so the layer behind it is where the difference is.
    last = list(dense)[-1]
    assert dense[last].digits_sum > skipping[last].digits_sum
    assert all(
        (step.products != 0).all()
        for step in dense_program(network.program).steps
        if hasattr(step, "products")
    )


def test_dense_costs_more_and_changes_no_rival(composed):
    network, x, _ = composed
    skipping = rapidnn.compare(network, x, ["isaac"])
    dense = rapidnn.compare(network, x, ["isaac"], dense=True)
    assert dense.ours.energy_pj > skipping.ours.energy_pj
    assert dense.costs["isaac"] == skipping.costs["isaac"]
    assert (skipping.dense, dense.dense) == (False, True)


def test_the_machine_at_hand(composed, monkeypatch, tmp_path):
    network, x, module = composed
    monkeypatch.setattr("rapidnn.rivals.measured.ROUNDS_S", 0.0)
    found = rapidnn.compare(network, x, ["isaac"], measured=module).measured
    assert found.latency_ns > 0
    assert found.throughput_per_s > 0
    assert (found.energy_pj is None) == found.energy_source.startswith("unknown")
    assert found.to_json()["precision"] == "float32"


def test_an_onnx_file_with_a_fixed_batch_is_measured(monkeypatch, tmp_path):

    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr("rapidnn.rivals.measured.ROUNDS_S", 0.0)
    weight = onnx.numpy_helper.from_array(np.ones((6, 3), np.float32), "w")
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [onnx.helper.make_tensor_value_info("x", 1, [4, 6])],
        [onnx.helper.make_tensor_value_info("y", 1, [4, 3])],
        [weight],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, tmp_path / "m.onnx")
    x = np.zeros((3, 6), np.float32)
    found = measure(tmp_path / "m.onnx", x, latency_ns=1.0, interval_ns=1.0, energy_pj=1.0)
    assert found.runtime.startswith("onnxruntime")
    assert found.speed_gain == pytest.approx(1e9 / found.throughput_per_s)


def rapl(folder, name, energy, limit=1000):
    folder.mkdir(parents=True)
    (folder / "name").write_text(name + "\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")


def test_rapl_adds_packages_and_wraps(tmp_path):
    rapl(tmp_path / "intel-rapl:0", "package-0", 900)
    rapl(tmp_path / "intel-rapl:1", "package-1", 10)
    rapl(tmp_path / "intel-rapl:0:0", "core", 5)
    counter = processor_counter(tmp_path)
    before = counter.read()
    assert set(before) == {"intel-rapl:0", "intel-rapl:1"}
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("40")
    assert counter.between(before, counter.read()) == pytest.approx((200 + 30) * 1e-6)


def test_no_rapl_is_said(tmp_path):
    counter = processor_counter(tmp_path)
    assert counter.read is None
    assert counter.source.startswith("unknown")


class Nvml:
    """The three functions of the driver's library, of a GPU that has used 7 mJ more at each reading."""

    def __init__(self, fault=""):
        self.fault, self.used = fault, 0

    def nvmlInit_v2(self):
        return int(self.fault == "init")

    def nvmlDeviceGetHandleByIndex_v2(self, index, handle):
        return 0

    def nvmlDeviceGetTotalEnergyConsumption(self, handle, total):
        self.used += 7
        ctypes.cast(total, ctypes.POINTER(ctypes.c_ulonglong))[0] = self.used
        return int(self.fault == "energy")


def test_nvml_counts_millijoules():
    counter = gpu_counter(0, Nvml())
    assert counter.between(counter.read(), counter.read()) == pytest.approx(0.007)
    for fault in ("init", "energy"):
        assert gpu_counter(0, Nvml(fault)).read is None
