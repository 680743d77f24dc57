"""Uniform codebooks are evenly spaced, near the best even grid, and keep the composer's structure."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.composer.choices import choose
from rapidnn.composer.cluster import cluster, weighted_points
from rapidnn.composer.plan import plan_graph
from rapidnn.composer.sample import calibrate
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.composer.uniform import uniform_choices, uniform_codebook
from tests.composer.test_budget import network


def error(points, values, scale):
    real = values * scale
    return float(((points[0][:, None] - real) ** 2).min(axis=1) @ points[1])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=60),
    st.sampled_from([1, 2, 3, 4, 7, 16, 64, 256]),
    st.booleans(),
    st.sampled_from([8, 16]),
)
def test_values_are_even_and_on_the_operand_grid(sample, size, hold_zero, operand_bits):
    points = weighted_points(np.array(sample, np.float32))
    values, scale, bits = uniform_codebook(points, size, operand_bits, hold_zero=hold_zero)
    assert values.dtype == np.int32
    assert 1 <= len(values) <= size
    assert scale > 0
    assert len(np.unique(np.diff(values))) <= 1
    assert (np.diff(values) > 0).all()
    low, high = (0, 2**bits - 1) if values[0] >= 0 else (-(2 ** (bits - 1)) + 1, 2 ** (bits - 1) - 1)
    assert low <= values[0] <= values[-1] <= high
    assert not hold_zero or 0 in values


@pytest.mark.parametrize("size", [2, 4, 16])
@pytest.mark.parametrize("kind", ["normal", "relu", "laplace"])
def test_no_even_grid_of_a_brute_search_is_better(size, kind):
    rng = np.random.default_rng(4)
    x = {
        "normal": rng.normal(size=900),
        "relu": np.maximum(rng.normal(size=900), 0),
        "laplace": rng.laplace(size=900),
    }
    points = weighted_points(x[kind].astype(np.float32))
    values, scale, _ = uniform_codebook(points, size, 16)
    low, high = points[0][0], points[0][-1]
    rivals = [
        error(points, np.arange(size), (b - a) / (size - 1)) if a == 0 else
        error((points[0] - a, points[1]), np.arange(size), (b - a) / (size - 1))
        for a in np.linspace(low, 0, 40) for b in np.linspace(0.05, high, 40)
    ]  # fmt: skip
    found = error(points, values, scale)
    assert found <= 1.01 * min(rivals)
    assert found >= cluster(points, size, 16).sse * (1 - 1e-9)


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_choices_have_the_composers_structure(granularity):
    graph = network()
    x = np.random.default_rng(1).normal(size=(30, 2, 6, 6)).astype(np.float32)
    plan = plan_graph(graph)
    chosen = Settings({"a": 3, "*": 8}, 6, granularity)
    histograms = calibrate(graph, x, sampled_edges(plan), threads=1)
    ours, uniform = choose(plan, histograms, chosen), uniform_choices(plan, histograms, chosen)
    assert set(ours.groups) == set(uniform.groups)
    for name, group in ours.groups.items():
        assert uniform.groups[name].size == group.size
        assert (uniform.groups[name].pad_code is None) == (group.pad_code is None)
    for name, layer in ours.layers.items():
        books = uniform.layers[name].books
        assert books.values.shape == (len(layer.books.values), 3 if name == "a" else 8)
        assert uniform.layers[name].books.codes.shape == layer.books.codes.shape
        assert (uniform.layers[name].bias == layer.bias).all()
    tabulate(graph, plan, histograms, uniform, chosen)
