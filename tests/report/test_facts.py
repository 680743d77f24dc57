"""Facts agree with the program they are read from, and the statements about accuracy with statistics."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.execute.evaluate import compare_outputs
from rapidnn.report import facts
from rapidnn.report.accuracy import loss_reading, loss_stderr, stored_validation, wilson_interval
from rapidnn.report.curves import activation_facts
from rapidnn.report.data import duration, listed, quantity, real
from rapidnn.tables.program import Encode, WeightedSum, word_width
from tests.report.networks import cnn, evaluation_of, mlp, tanh_net
from tests.strategies import compositions


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=compositions())
def test_facts_of_random_networks(made):
    _, composed, _ = made
    program = composed.program
    found = facts.layers(program)
    json.dumps([asdict(layer) for layer in found], allow_nan=False)
    assert {layer.name for layer in found if layer.weights} == {
        step.name for step in program.steps if isinstance(step, WeightedSum)
    }
    for layer in found:
        step = program.step.get(layer.name)  # none for a softmax of the result
        if isinstance(step, WeightedSum):
            assert layer.macs == math.prod(layer.shape) * step.taps
            assert layer.word_bits == word_width(step.bound)
            assert layer.memory_bits >= step.products[0].size * step.product_bits
            use = facts.weight_use(step)
            assert use.counts.sum() == step.weight_codes.size
            assert 0 <= use.entropy_bits <= math.log2(step.values.shape[1]) + 1e-9
            assert len(use.values) <= facts.MAX_BARS or not use.binned
    groups = facts.groups(program)
    assert {edge for group in groups for edge in group.edges} == set(program.group_of)
    assert all(list(group.values) == sorted(group.values) for group in groups)


def test_layers_of_a_residual_network():
    found = {layer.name: layer for layer in facts.layers(cnn().program)}
    assert list(found) == ["input", "conv1", "conv2", "conv3", "mean", "out"]
    assert found["conv3"].joins == ("pool",)
    assert found["conv1"].then == ("relu, 8 codes", f"max pool 2{facts.TIMES}2")
    assert found["conv1"].kind == f"conv 3{facts.TIMES}3"
    assert found["conv1"].macs == 4 * 36 * 18
    assert found["conv1"].parameters == 4 * 18 + 4
    assert found["mean"].macs == 0
    assert found["mean"].weights is None
    assert found["out"].kind == "linear"


def test_memory_of_a_neuron():
    program = mlp().program
    first = facts.layers(program)[1]
    step = program.step["fc1"]
    encoded = next(s for s in program.steps if isinstance(s, Encode))
    w, u = step.products.shape[1:]
    n = word_width(step.bound)
    rows = encoded.encoding.shape[-1]
    assert first.memory_bits == 6 * (w - 1).bit_length() + n + w * u * 16 + rows * n


def test_the_largest_layers_keep_their_order():
    assert [s.name for s in facts.largest_layers(cnn().program, 2)] == ["conv1", "conv2"]
    assert [s.name for s in facts.largest_layers(cnn().program, 9)] == ["conv1", "conv2", "conv3", "out"]


def test_a_tanh_table_is_nearest_and_its_error_is_found():
    program = tanh_net(activation_rows=16).program
    (found,) = activation_facts(program, 301)
    step = next(s for s in program.steps if isinstance(s, Encode) and s.activation.kind == "tanh")
    scale = float(program.acc_scales("fc")[0])
    z, g = step.activation.z[0] * scale, step.activation.g * step.activation.g_scale
    assert np.abs(g - np.tanh(z)).max() < 2e-4
    for x, table in zip(found.x[::30], found.table[::30], strict=True):
        distance = np.abs(z - x)
        assert table in g[distance <= distance.min() + scale]
    assert found.largest_error >= np.abs(found.table - found.exact).max() - 1e-3
    assert np.abs(math.tanh(found.largest_at) - g).min() <= found.largest_error
    assert 0 < found.rms_error < found.largest_error
    (finer,) = activation_facts(tanh_net(activation_rows=64).program, 301)
    assert finer.rms_error < found.rms_error


def test_wilson_interval():
    assert wilson_interval(0.0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert wilson_interval(1.0, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)
    assert wilson_interval(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(2, 60), noise=st.floats(0, 3))
def test_the_bound_on_the_loss_error_holds(seed, samples, noise):
    rng = np.random.default_rng(seed)
    outputs = rng.normal(size=(samples, 4))
    expected = outputs + noise * rng.normal(size=outputs.shape)
    labels = rng.integers(0, 4, samples)
    evaluation = compare_outputs(outputs, labels, expected)
    differences = (expected.argmax(1) == labels).astype(float) - (outputs.argmax(1) == labels)
    assert loss_stderr(evaluation) >= differences.std() / math.sqrt(samples) - 1e-12


def test_readings_of_the_loss():
    evaluation = replace(evaluation_of(mlp()), samples=10_000, float_accuracy=0.9, accuracy=0.89, loss=0.01)
    assert "cannot tell it from no loss" in loss_reading(replace(evaluation, agreement=0.5))
    assert "more than two standard errors" in loss_reading(replace(evaluation, agreement=0.985))
    assert "no accuracy is lost" in loss_reading(replace(evaluation, loss=0.0, agreement=1.0))
    assert "not known" in loss_reading(evaluation_of(mlp(), with_float=False))


def test_stored_validation_comes_back():
    evaluation = evaluation_of(mlp())
    info = json.loads(json.dumps({"validation": evaluation.to_json()}))
    assert stored_validation(info) == evaluation
    assert stored_validation({}) is None
    assert stored_validation({"validation": {"other": 1}}) is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (12345.6, "12,346"),
        (-1e-5, "-1.000e-05"),
        (3.4e9, "3.400e+09"),
        (1.5, "1.5"),
    ],
)
def test_real_numbers(value, shown):
    assert real(value) == shown


def test_quantities():
    assert quantity(2.5e-6, "s") == "2.5 µs"
    assert quantity(1234.0, "W") == "1.234 kW"
    assert quantity(0.0, "J") == "0 J"
    assert duration(90.0) == "90 s"
    assert duration(3 * 3600.0) == "3 hours"
    assert duration(20 * 365.25 * 86400) == "20 years"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c", "d", "e"], 2) == "a, b and 3 more"
