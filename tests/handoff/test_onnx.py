"""The ONNX export computes the reference's integers in onnxruntime, and the float one the codebooks' real network."""

import numpy as np
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

import rapidnn
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError, ModelError
from rapidnn.graph.float_exec import run_float
from rapidnn.handoff.onnx.builder import Builder
from rapidnn.handoff.onnx.functions import activation
from rapidnn.handoff.onnx.planes import planes
from rapidnn.handoff.onnx.real import decoded_weights
from rapidnn.tables.functions import PARAMETERS, function
from rapidnn.tables.program import ActivationTable
from tests.execute.programs import dense, network
from tests.handoff.networks import digits, hosted, mlp, reference, tabled
from tests.handoff.sessions import run_onnx
from tests.strategies import graphs, quiet


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(tabled())
def test_random_networks(tmp_path_factory, made):
    composed, x = made
    export = rapidnn.export(composed, "onnx", tmp_path_factory.mktemp("onnx") / "out")
    accumulators, outputs = run_onnx(export, x)
    assert accumulators.dtype == np.int32
    assert (accumulators == reference(composed, x)).all()
    assert (outputs == composed.real(accumulators)).all() or composed.program.host_tail is not None


@pytest.mark.parametrize("make", [digits, mlp])
def test_real_networks(tmp_path, make):
    composed, x = make()
    accumulators, outputs = run_onnx(rapidnn.export(composed, "onnx", tmp_path / "out"), x)
    assert (accumulators == reference(composed, x)).all()
    assert (outputs == composed(x)).all()


def test_sums_of_extreme_bytes_do_not_saturate(tmp_path):
    weights = np.array([-128, -127, 126, 127])
    table = weights[:, np.newaxis] * (np.arange(6) - 3)
    composed = network(dense(4000, 3, bits=16, products=table))
    x = np.full((2, 4000), 9, np.float32)
    found, _ = run_onnx(rapidnn.export(composed, "onnx", tmp_path / "out"), x)
    assert (found == reference(composed, x)).all()


def test_host_operators_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"runs on the host .* --to onnx-float"):
        rapidnn.export(hosted(), "onnx", tmp_path / "out")


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1), st.sampled_from([0, 8, 15, 23]))
def test_planes_are_the_values(numbers, narrow):
    values = np.array(numbers, np.int64) >> narrow
    found = planes(values)
    assert (sum((p.data.astype(np.int64) - p.zero) << p.shift for p in found) == values).all()
    assert all(0 <= p.zero <= 255 for p in found)
    assert len(found) <= max(1, 1 + max(int(n).bit_length() for n in values) // 8)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(), st.integers(0, 2**32 - 1))
def test_float_form_is_the_float_network_where_codebooks_are_fine(tmp_path_factory, graph, seed):
    x = np.random.default_rng(seed).normal(size=(8, *graph.input_shape)).astype(np.float32)
    fine = Settings(weights=256, inputs=256, operand_bits=16, product_bits=24)
    try:
        composed = compose_graph(graph, x, fine, None, {}, threads=1, progress=quiet)
    except ComposeError:
        reject()
    export = rapidnn.export(composed, "onnx-float", tmp_path_factory.mktemp("float") / "out")
    (found,) = run_onnx(export, x)
    want = run_float(graph, x)
    assert found.shape == want.shape
    assert np.abs(found - want).max() <= 5e-3 * max(1.0, np.abs(want).max())


def test_float_form_has_the_codebooks_values(tmp_path):
    import torch
    from torch import nn

    composed, x = mlp()
    layers = [step for step in composed.program.steps if hasattr(step, "weight_codes")]
    twin = nn.Sequential(nn.Linear(23, 19), nn.Sigmoid(), nn.Linear(19, 11), nn.ReLU6(), nn.Linear(11, 5))
    for module, step in zip([m for m in twin if isinstance(m, nn.Linear)], layers, strict=True):
        assert len(np.unique(decoded_weights(step)[0])) <= 6
        module.weight.data = torch.tensor(decoded_weights(step))
        module.bias.data = torch.tensor(step.bias * step.acc_scales, dtype=torch.float32)
    with torch.no_grad():
        want = twin(torch.tensor(x)).numpy()
    (found,) = run_onnx(rapidnn.export(composed, "onnx-float", tmp_path / "out"), x)
    np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6)


def test_float_form_holds_host_operators(tmp_path):
    (found,) = run_onnx(rapidnn.export(hosted(), "onnx-float", tmp_path / "out"), np.ones((3, 4), np.float32))
    assert found.shape == (3, 2)


@pytest.mark.parametrize("kind", [*PARAMETERS, "relu", "relu6"])
def test_functions(kind):
    x = np.linspace(-9, 9, 1001, dtype=np.float32)[np.newaxis]
    parameters = {1: (0.3,), 2: (0.2, 0.6)}.get(PARAMETERS.get(kind, 0), ())
    build = Builder()
    build.name(activation(build, ActivationTable(kind, parameters), "input"), "output")
    model = build.model(("input", (1001,)), [("output", np.float32, (1001,))], kind)
    (found,) = onnxruntime.InferenceSession(model).run(None, {"input": x})
    plain = {"relu": lambda v: np.maximum(v, 0), "relu6": lambda v: np.clip(v, 0, 6)}
    want = plain.get(kind) or function(kind, parameters)
    np.testing.assert_allclose(found, want(x.astype(np.float64)), atol=2e-6, rtol=2e-6)
