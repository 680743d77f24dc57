"""Recovery end to end: nearer to the float network, the same for any number of threads, simulated as the tables are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject
from hypothesis import settings as hypothesis_settings

import rapidnn
from rapidnn.composer.choices import choose
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.plan import PlannedSum, plan_graph
from rapidnn.composer.recover import layer as layer_module
from rapidnn.composer.recover import recover
from rapidnn.composer.sample import calibrate
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges
from rapidnn.errors import ComposeError
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.float_exec import run_float
from tests.strategies import graphs, quiet


def residual_network(seed=0):
    """A small convolutional network with a residual addition and depthwise channels, and correlated inputs."""
    rng = np.random.default_rng(seed)

    def conv(out, ins, groups=1):
        weight = rng.normal(size=(out, ins // groups, 3, 3)) * np.sqrt(2 / (9 * ins / groups))
        bias = rng.normal(size=out) * 0.2
        return ops.Conv(
            weight.astype(np.float32),
            bias.astype(np.float32),
            (1, 1),
            ((1, 1), (1, 1)),
            (1, 1),
            groups,
        )

    relu = ops.Activation("relu")
    dense = ops.Linear(rng.normal(size=(5, 8 * 36)).astype(np.float32) / 10, np.zeros(5, np.float32))
    nodes = (
        Node("input", ops.Input((3, 6, 6)), ()),
        Node("c1", conv(8, 3), ("input",)),
        Node("r1", relu, ("c1",)),
        Node("c2", conv(8, 8, 8), ("r1",)),
        Node("r2", relu, ("c2",)),
        Node("c3", conv(8, 8), ("r2",)),
        Node("add", ops.Add(), ("c3", "r1")),
        Node("r3", relu, ("add",)),
        Node("flat", ops.Reshape((8 * 36,)), ("r3",)),
        Node("fc", dense, ("flat",)),
    )
    return Graph(nodes, "fc"), (lambda n: _smooth(rng, n))


def _smooth(rng, count):
    x = rng.normal(size=(count, 3, 6, 6))
    return (x.cumsum(axis=2).cumsum(axis=3) / 4).astype(np.float32)


def loss(graph, composed, x):
    expected = run_float(graph, x)
    return float(((composed(x) - expected) ** 2).mean() / expected.var())


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_unseen_samples_come_nearer_to_the_float_network(granularity):
    graph, draw = residual_network()
    x, unseen = draw(256), draw(256)
    losses = {}
    for how in ("none", "full"):
        chosen = Settings(8, 16, granularity, recover=how)
        composed = compose_graph(graph, x, chosen, None, {}, threads=2, progress=quiet)
        losses[how] = loss(graph, composed, unseen)
        assert ("recovery" in composed.info) == (how != "none")
    assert losses["full"] < 0.7 * losses["none"]
    record = composed.info["recovery"]
    assert record["samples"] == 256
    assert [entry["layer"] for entry in record["layers"]] == ["c1", "c2", "c3", "fc"]
    assert all(entry["method"] == "codes" for entry in record["layers"])
    assert all(entry["sqnr_after_db"] > entry["sqnr_before_db"] for entry in record["layers"])


def test_bias_alone_takes_up_each_channels_mean_error():
    graph, draw = residual_network(1)
    x = draw(512)
    plan = plan_graph(graph)
    chosen = Settings(3, 4, recover="bias")
    histograms = calibrate(graph, x, sampled_edges(plan), threads=1)
    clustered = choose(plan, histograms, chosen)
    found = recover(graph, plan, clustered, chosen, x, threads=1)
    for entry in found.report.layers:
        assert entry.method == "bias"
        assert entry.sqnr_after_db >= entry.sqnr_before_db
        before, after = clustered.layers[entry.layer], found.choices.layers[entry.layer]
        assert np.array_equal(before.books.codes, after.books.codes)
        assert not np.array_equal(before.bias, after.bias)
    composed = compose_graph(graph, x, chosen, None, {}, threads=1, progress=quiet)
    gap = (composed(x) - run_float(graph, x)).mean(axis=0)
    plain = compose_graph(graph, x, replace(chosen, recover="none"), None, {}, threads=1, progress=quiet)
    assert np.abs(gap).max() < 0.5 * np.abs((plain(x) - run_float(graph, x)).mean(axis=0)).max()


def test_the_artifact_is_the_same_for_any_number_of_threads(tmp_path):
    graph, draw = residual_network(2)
    x = draw(150)
    made = []
    for threads in (1, 3):
        path = tmp_path / f"{threads}.rapidnn"
        chosen = Settings(8, 8, recover="full")
        compose_graph(graph, x, chosen, None, {}, threads=threads, progress=quiet).save(path)
        made.append(path.read_bytes())
    assert made[0] == made[1]


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(max_nodes=6))
def test_any_graph_can_be_recovered_and_follows_the_float_network_at_large_sizes(graph):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, *graph.input_shape)).astype(np.float32)
    chosen = Settings(64, 256, "channel", 4096, 16, 28, "reencode", 0, "full")
    try:
        composed = compose_graph(graph, x, chosen, None, {}, threads=1, progress=quiet)
    except ComposeError as refusal:  # a legal one: the sums cannot be bounded
        if "2**31" not in str(refusal):
            raise
        reject()
    plain = compose_graph(graph, x, replace(chosen, recover="none"), None, {}, threads=1, progress=quiet)
    expected = run_float(graph, x)
    scale = float((expected**2).mean()) + 1e-9
    error = float(((composed(x) - expected) ** 2).mean())
    assert error <= 4 * float(((plain(x) - expected) ** 2).mean()) + 1e-3 * scale


def test_the_walk_computes_what_the_tables_do():
    graph, draw = residual_network(3)
    x = draw(64)
    chosen = Settings(8, 8, recover="full")
    seen = {}
    original = layer_module.recover_layer

    def spy(walk, step, *rest):
        found = original(walk, step, *rest)
        terms = sum((walk.value(term, slice(0, 64)).numpy() for term in step.terms), 0.0)
        seen[step.name] = found[1].numpy() + terms
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rapidnn.composer.recover.recover_layer", spy)
        composed = compose_graph(graph, x, chosen, None, {}, threads=1, progress=quiet)
    sums = {s.name for s in plan_graph(graph).steps if isinstance(s, PlannedSum)}
    assert set(seen) == sums
    expected = {}
    composed.run(x, observe=expected.__setitem__)
    for name, found in seen.items():
        step = composed.program.step[name]
        real = expected[name] * step.acc_scales[0]
        # The tables round biases, which may flip the code of a value that lies on a threshold.
        assert (np.abs(found - real) > 2 * step.acc_scales[0] + 1e-4).mean() < 0.05


def test_layers_over_the_limit_keep_their_codes_and_say_why(monkeypatch):
    monkeypatch.setattr(layer_module, "MAX_TAPS", 100)
    graph, draw = residual_network(4)
    composed = compose_graph(
        graph, draw(64), Settings(8, 8, recover="full"), None, {}, threads=1, progress=quiet
    )
    last = composed.info["recovery"]["layers"][-1]
    assert last["method"] == "bias"
    assert last["reason"] == "288 inputs a neuron are over the limit of 100"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_samples_do_no_harm(count):
    graph, draw = residual_network(5)
    x, unseen = draw(count), draw(64)
    plain, full = (
        compose_graph(graph, x, Settings(16, 16, recover=how), None, {}, threads=1, progress=quiet)
        for how in ("none", "full")
    )
    assert loss(graph, full, unseen) <= 1.5 * loss(graph, plain, unseen)


def test_constant_inputs_keep_their_codes():
    graph, _ = residual_network(6)
    x = np.full((8, 3, 6, 6), 0.0, np.float32)
    composed = compose_graph(graph, x, Settings(8, 8, recover="full"), None, {}, threads=1, progress=quiet)
    first = composed.info["recovery"]["layers"][0]
    assert first["method"] == "bias"
    assert "constant" in first["reason"]


def test_an_unknown_way_is_refused():
    with pytest.raises(ComposeError, match="recover='all': expected 'none', 'bias' or 'full'"):
        rapidnn.compose(None, np.zeros((1, 2), np.float32), recover="all")
