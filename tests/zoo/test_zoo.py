"""Every network of the zoo enters both ways, equals its original, composes, runs bit-true and has a cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import rapidnn
from rapidnn.frontends import import_model
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph
from rapidnn.tables.program import WeightedSum
from tests.zoo import NETWORKS
from tests.zoo.initial import initialise
from tests.zoo.onnx_file import write_onnx

FAST = ("squeezenet1.1", "shufflenet-v2", "mobilenet-v3-small", "bert-layer")


@dataclass(frozen=True)
class Case:
    """A network with weights in the form for small inputs, samples it has not seen, and its outputs for them."""

    name: str
    module: nn.Module
    x: NDArray[np.float32]
    wanted: NDArray[np.float32]


@pytest.fixture(
    scope="module", params=[pytest.param(n, marks=() if n in FAST else pytest.mark.slow) for n in NETWORKS]
)
def case(request: pytest.FixtureRequest) -> Case:
    network = NETWORKS[request.param]
    generator = torch.Generator().manual_seed(1)
    settling, x = (torch.randn(n, *network.small_shape, generator=generator) for n in (16, 4))
    module = initialise(network.small(), 0, settling)
    with torch.no_grad():
        wanted = module(x)
    return Case(request.param, module, x.numpy(), wanted.numpy())


@pytest.mark.parametrize("name", NETWORKS)
def test_has_the_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        module = NETWORKS[name].factory()
    assert sum(parameter.numel() for parameter in module.parameters()) == NETWORKS[name].parameters


def test_random_weights_keep_a_sane_scale(case: Case) -> None:
    assert 0.1 <= case.wanted.std() <= 10


def test_the_module_enters_and_equals_itself(case: Case) -> None:
    _check_float(case, import_model(case.module, case.x))


def test_its_onnx_export_enters_composes_and_has_a_cost(case: Case, tmp_path: Path) -> None:
    path = write_onnx(case.module, case.x, tmp_path / f"{case.name}.onnx")
    graph = import_model(path, case.x)
    _check_float(case, graph)
    composed = rapidnn.compose(path, case.x, weights=64, inputs=64)
    one = case.x[:1]
    _check_layers(graph, composed, one)
    _check_bit_true(composed, one)
    cost = rapidnn.estimate(composed, one)
    for value in (cost.latency_ns, cost.energy_pj, cost.lifetime_s, cost.macs):
        assert math.isfinite(value)
        assert value > 0


def _check_float(case: Case, graph: Graph) -> None:
    found = run_float(graph, case.x)
    assert found.shape == case.wanted.shape
    assert np.abs(found - case.wanted).max() <= 1e-4 * np.abs(case.wanted).max()


def _check_layers(graph: Graph, composed: rapidnn.ComposedNetwork, x: NDArray[np.float32]) -> None:
    """The sums of each layer without a residual resemble the float layer's.

    Errors of 64 values add up with depth, a wrong table gives noise. The bound lies between what was seen for
    correct tables (0.63 or more) and for one layer's codes shuffled (0.11).
    """
    program = composed.program
    layers = {s.name for s in program.steps if isinstance(s, WeightedSum) and not s.residuals}
    wanted: dict[str, NDArray[Any]] = {}
    likeness: dict[str, float] = {}

    def keep(name: str, value: torch.Tensor) -> None:
        if name in layers:
            wanted[name] = value.numpy()

    def compare(name: str, value: NDArray[Any]) -> None:
        if name in layers:
            real = value * program.acc_scales(name)[program.unit_index(name)]
            likeness[name] = float(np.corrcoef(real.ravel(), wanted.pop(name).ravel())[0, 1])

    run_float(graph, x, keep)
    composed.run(x, observe=compare)
    assert likeness.keys() == layers
    worst = min(likeness, key=likeness.__getitem__)
    assert likeness[worst] > 0.4, worst


def _check_bit_true(composed: rapidnn.ComposedNetwork, x: NDArray[np.float32]) -> None:
    """Both executors give the same values on every edge: codes, sums, and what the host computes."""
    edges: dict[str, dict[str, NDArray[Any]]] = {"reference": {}, "numpy": {}}
    results = [composed.run(x, backend=b, observe=seen.__setitem__) for b, seen in edges.items()]
    np.testing.assert_array_equal(*results, strict=True)
    assert edges["numpy"].keys() == edges["reference"].keys()
    for name, value in edges["numpy"].items():
        np.testing.assert_array_equal(value, edges["reference"][name], err_msg=name, strict=True)
