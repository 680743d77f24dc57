"""Every network of the zoo enters both ways, equals its original, composes, runs bit-true and has a cost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import rapidnn
from rapidnn.frontends import import_model
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph
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
    _check_float(case, import_model(path, case.x))
    composed = rapidnn.compose(path, case.x, weights=64, inputs=64)
    _check_close(case, composed)
    one = case.x[:1]
    expected = composed.accumulators(one, backend="reference")
    np.testing.assert_array_equal(composed.accumulators(one), expected)
    cost = rapidnn.estimate(composed, one)
    for value in (cost.latency_ns, cost.energy_pj, cost.lifetime_s, cost.macs):
        assert math.isfinite(value)
        assert value > 0


def _check_float(case: Case, graph: Graph) -> None:
    found = run_float(graph, case.x)
    assert found.shape == case.wanted.shape
    assert np.abs(found - case.wanted).max() <= 1e-4 * np.abs(case.wanted).max()


def _check_close(case: Case, composed: rapidnn.ComposedNetwork) -> None:
    """Tables of 64 values must still compute the network: a wrong table would leave no likeness."""
    found = composed(case.x).ravel()
    wanted = case.wanted.ravel()
    assert np.corrcoef(found, wanted)[0, 1] > 0.9
