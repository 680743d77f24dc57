"""Blame: SQNR of edges, layers composed alone, sizes."""

from dataclasses import replace

import numpy as np
import pytest

from rapidnn.composer.baseline import against_uniform
from rapidnn.composer.blame import blame, edge_sqnr, layer_network, spread
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.plan import plan_graph
from rapidnn.composer.sample import float_outputs
from rapidnn.composer.settings import Settings
from rapidnn.errors import ArtifactError, DataError
from rapidnn.execute.evaluate import compare_outputs
from rapidnn.execute.reference import real_values, run_reference
from rapidnn.graph import Graph
from rapidnn.graph.float_exec import run_float
from rapidnn.tables.size import float_bytes, packed_bytes
from tests.composer.test_budget import network
from tests.strategies import quiet


@pytest.fixture(scope="module")
def case():
    graph = network()
    x = np.random.default_rng(1).normal(size=(70, 2, 6, 6)).astype(np.float32)
    chosen = Settings(8, 8)
    info = {"settings": chosen.to_json()}
    composed = compose_graph(graph, x, chosen, None, info, threads=1, progress=quiet)
    expected = float_outputs(graph, x)
    labels = expected.argmax(axis=1)
    return graph, x, labels, composed, expected


def test_sqnr_of_edges_is_that_of_the_reference(case):
    graph, x, _, composed, _ = case
    program = composed.program
    floats, codes = {}, {}
    run_float(graph, x, floats.__setitem__)
    run_reference(program, x, codes.__setitem__)
    found = edge_sqnr(graph, plan_graph(graph), program, x)
    # b stays open for the residual addition: its accumulator holds s.
    for step, edge in {"a": "a", "b": "s", "p": "p", "y": "y"}.items():
        signal = floats[edge].numpy().astype(np.float64)
        noise = real_values(program, step, codes[step]) - signal
        assert found[step] == pytest.approx(10 * np.log10((signal**2).sum() / (noise**2).sum()))


def test_a_layer_alone_is_its_own_tables_on_float_inputs(case):
    graph, x, labels, composed, expected = case
    program, plan = composed.program, plan_graph(graph)
    evaluation = compare_outputs(composed(x), labels, expected)
    found = blame(graph, plan, program, x, labels, evaluation)
    assert [layer.name for layer in found.layers] == ["a", "b", "y"]
    assert found.alone_samples == 70
    # The last layer alone: its network on the float network's pooled features is the whole answer.
    floats = {}
    run_float(graph, x, floats.__setitem__)
    last = layer_network(program, "y")(floats["f"].numpy(), backend="reference")
    wanted = compare_outputs(last, labels, expected)
    assert found.layers[-1].alone_loss == wanted.loss
    assert found.layers[-1].alone_sqnr_db == pytest.approx(wanted.sqnr_db)
    assert all(layer.alone_sqnr_db > evaluation.sqnr_db for layer in found.layers)


def test_a_broken_layer_is_blamed(case):
    graph, x, labels, composed, expected = case
    program = composed.program
    step = program.step["b"]
    broken = replace(step, products=np.zeros_like(step.products))
    steps = tuple(broken if s.name == "b" else s for s in program.steps)
    evaluation = compare_outputs(composed(x), labels, expected)
    found = blame(graph, plan_graph(graph), replace(program, steps=steps), x, labels, evaluation)
    assert min(found.layers, key=lambda layer: layer.alone_sqnr_db).name == "b"


def test_uniform_stands_beside_ours(case):
    graph, x, labels, composed, expected = case
    evaluation = compare_outputs(composed(x), labels, expected)
    found = against_uniform(composed, graph, x, x, labels, evaluation, expected, progress=quiet)
    assert found.ours.size_kib == pytest.approx(found.uniform.size_kib, rel=0.05)
    assert found.ours.evaluation == evaluation
    assert [(y.name, y.weights, y.inputs) for y in found.ours.layers] == [
        (y.name, y.weights, y.inputs) for y in found.uniform.layers
    ]
    again = against_uniform(composed, graph, x, x, labels, evaluation, expected, threads=1, progress=quiet)
    assert again == found


def test_another_network_or_a_lost_record_is_refused(case):
    graph, x, labels, composed, expected = case
    evaluation = compare_outputs(composed(x), labels, expected)
    other = Graph(graph.nodes[:-1], "f")
    with pytest.raises(DataError, match="another network"):
        blame(other, plan_graph(other), composed.program, x, labels, evaluation)
    composed = type(composed)(composed.program, composed.preprocess, {})
    with pytest.raises(ArtifactError, match="settings"):
        against_uniform(composed, graph, x, x, labels, evaluation, expected, progress=quiet)


def test_packed_size_by_hand(case):
    program = case[3].program
    step = program.step["y"]  # 3 x 4 weights, w = u = 8
    alone = layer_network(program, "y").program
    encode = alone.steps[0]
    group = program.group_of[step.source]
    tables = 8 * 8 * 2 + 8 * 4 + 8 + 3 * 4 + 8
    assert packed_bytes(alone) == group.values.nbytes + encode.thresholds.nbytes + tables + 12 * 3 / 8
    assert float_bytes(alone) == 4 * (12 + 3)


def test_samples_are_spread_evenly():
    assert spread(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert spread(10, 5).tolist() == [0, 2, 4, 6, 8]
