"""Sizes for a bound, uniform quantisation and the fixed-point report work on whatever composes."""

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rapidnn.composer.baseline import against_uniform
from rapidnn.composer.budget import Budget
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.fixed_point import fixed_point
from rapidnn.composer.sample import float_outputs
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError
from rapidnn.execute.evaluate import compare_outputs
from tests.strategies import graphs, quiet


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(max_nodes=6), st.sampled_from(["layer", "channel"]), st.sampled_from(["unify", "reencode"]))
def test_every_report_of_a_random_network(graph, granularity, concat):
    assume(len(graph.output_shape) == 1)
    x = np.random.default_rng(0).normal(size=(12, *graph.input_shape)).astype(np.float32)
    expected = float_outputs(graph, x)
    assume(np.isfinite(expected).all())
    labels = expected.argmax(axis=1)
    chosen = Settings(4, 4, granularity, concat=concat)
    info = {"settings": chosen.to_json()}
    try:
        composed = compose_graph(graph, x, chosen, None, info, threads=1, progress=quiet)
    except ComposeError:
        assume(False)
    budget = Budget(0.1, x, labels)
    bounded = compose_graph(graph, x, chosen, None, info, budget=budget, threads=1, progress=quiet)
    record = bounded.info["max_loss"]
    assert record["met"] == (record["loss"] <= 0.1 + 1e-9)
    assert record["loss"] == compare_outputs(bounded(x), labels, expected).loss
    evaluation = compare_outputs(composed(x), labels, expected)
    beside = against_uniform(composed, graph, x, x, labels, evaluation, expected, progress=quiet)
    assert len(beside.ours.layers) == len(beside.uniform.layers)
    widths = fixed_point(composed, graph, x, (x, labels), progress=quiet).widths
    assert widths[0].evaluation == evaluation
