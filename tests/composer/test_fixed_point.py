"""The errors of fixed point: snapping, products, and tables made again from an artifact's own choices."""

import numpy as np
import pytest

from rapidnn.composer.compose import compose_graph
from rapidnn.composer.fixed_point import choices_of, fixed_point, product_sqnr, snapping
from rapidnn.composer.plan import plan_graph
from rapidnn.composer.sample import calibrate, float_outputs
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.execute.evaluate import compare_outputs
from tests.composer.test_budget import network
from tests.strategies import quiet


def composed_with(**settings):
    graph = network()
    x = np.random.default_rng(1).normal(size=(60, 2, 6, 6)).astype(np.float32)
    chosen = Settings(8, 8, **settings)
    info = {"settings": chosen.to_json()}
    return graph, x, chosen, compose_graph(graph, x, chosen, None, info, threads=1, progress=quiet)


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_tables_made_again_are_the_artifacts(granularity):
    graph, x, chosen, composed = composed_with(granularity=granularity)
    plan = plan_graph(graph)
    histograms = calibrate(graph, x, sampled_edges(plan), threads=1)
    again = tabulate(graph, plan, histograms, choices_of(composed.program), chosen)
    for step in composed.program.steps:
        other = again.step[step.name]
        for field, value in vars(step).items():
            if isinstance(value, np.ndarray):
                assert (value == getattr(other, field)).all(), (step.name, field)


def test_report_of_a_network():
    graph, x, _, composed = composed_with(granularity="channel")
    expected = float_outputs(graph, x)
    labels = expected.argmax(axis=1)
    found = fixed_point(composed, graph, x, (x, labels), progress=quiet)
    assert [width.product_bits for width in found.widths] == [16, 15, 14, 13, 12, 11]
    assert found.widths[0].evaluation == compare_outputs(composed(x), labels, expected)
    assert found.widths[-1].energy_uj < found.widths[0].energy_uj
    assert found.widths[-1].shift >= 4
    assert [layer.name for layer in found.layers] == ["a", "b", "y"]
    for layer in found.layers:
        # Products of two 8-bit operands fit 16 bits exactly.
        assert (layer.product_sqnr_db is None) == (layer.weight_bits == layer.input_bits == 8)
        assert 30 < layer.narrow_sqnr_db < 70
        assert layer.input_added >= -1e-9


def test_narrower_settings_are_reported_too():
    graph, x, _, composed = composed_with(product_bits=9)
    labels = float_outputs(graph, x).argmax(axis=1)
    found = fixed_point(composed, graph, x, (x, labels), progress=quiet)
    assert [width.product_bits for width in found.widths] == list(range(16, 8, -1))
    assert all(layer.product_sqnr_db < layer.narrow_sqnr_db for layer in found.layers)


def test_snapping_by_hand():
    values = np.array([1.0, 3.0, 10.0])
    weights = np.array([1.0, 1.0, 2.0])
    codes = np.array([0, 0, 1])
    sqnr, added = snapping(values, weights, codes, np.array([2.5, 2.5, 10.0]))
    assert sqnr == pytest.approx(10 * np.log10(210 / 2.5))
    assert added == pytest.approx(2.5 / 2 - 1)
    assert snapping(values, weights, codes, values) == (None, None)
    # One value a code: all of the error is the grid's, so there is no share of it.
    sqnr, added = snapping(values, weights, np.array([0, 1, 2]), values + 0.5)
    assert sqnr == pytest.approx(10 * np.log10(210 / 1))
    assert added is None


def test_product_error_by_hand():
    _, _, _, composed = composed_with()
    step, group = composed.program.step["y"], composed.program.group_of["f"]
    uses, shares = np.zeros(step.values.shape, np.int64), np.zeros(group.size)
    uses[0, 0], shares[-1] = 3, 2.0
    exact = int(step.values[0, 0]) * int(group.values[-1])
    peak = np.abs(np.outer(step.values[0], group.values)).max()
    shift = next(s for s in range(30) if np.rint(peak / 2**s) <= 511)
    error = np.rint(exact / 2**shift) * 2**shift - exact
    found = product_sqnr(step, group, uses, shares, 10)
    assert found is None if error == 0 else found == pytest.approx(10 * np.log10((exact / error) ** 2))
