"""Fine-tuning: its forward pass is the reference on random graphs, training helps, checkpoints resume to the bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rapidnn
from rapidnn.composer.choices import choose
from rapidnn.composer.finetune import Schedule, TrainingData, finetune
from rapidnn.composer.finetune.check import check_forward
from rapidnn.composer.finetune.inputs import best_input, candidates
from rapidnn.composer.finetune.network import TrainableNetwork
from rapidnn.composer.finetune.precision import byte_operands
from rapidnn.composer.finetune.trainer import best_epoch
from rapidnn.composer.plan import plan_graph
from rapidnn.composer.sample import calibrate
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.errors import ComposeError, DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.frontends import import_model
from rapidnn.graph import Graph, Node, ops
from tests.strategies import graphs


def composition(graph, x, chosen):
    plan = plan_graph(graph, chosen.concat)
    histograms = calibrate(graph, x, sampled_edges(plan), threads=1)
    return plan, histograms, choose(plan, histograms, chosen)


def jolt(network, rng):
    """Move every parameter at random, as training would."""
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.from_numpy(rng.normal(size=tuple(parameter.shape)))
            parameter.add_((0.1 * noise).to(parameter.dtype))
    network.settle()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    graphs(max_nodes=7, host=True),
    st.sampled_from(["layer", "channel", "group:2"]),
    st.sampled_from([2, 4, 16, 40]),
    st.sampled_from([(8, 16), (8, 9), (16, 16)]),
    st.sampled_from(["unify", "reencode"]),
    st.integers(0, 2**16),
)
def test_forward_pass_is_the_reference(graph, granularity, size, bits, concat, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(6, *graph.input_shape)).astype(np.float32)
    chosen = Settings(size, size, granularity, 16, *bits, concat)
    plan, histograms, choices = composition(graph, x, chosen)
    network = TrainableNetwork(graph, plan, choices, chosen)
    for _ in range(2):
        program = tabulate(graph, plan, histograms, network.export(), chosen)
        network.refresh(program)
        with byte_operands(bits[0] == 8):
            check_forward(network, program, x, "cpu")
        jolt(network, rng)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(max_nodes=7, host=True), st.integers(0, 2**16))
def test_gradients_are_finite_and_reach_the_last_layer(graph, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(6, *graph.input_shape)).astype(np.float32)
    chosen = Settings(8, 8)
    plan, histograms, choices = composition(graph, x, chosen)
    network = TrainableNetwork(graph, plan, choices, chosen)
    network.refresh(tabulate(graph, plan, histograms, network.export(), chosen))
    out = network(torch.from_numpy(x))
    if not out.requires_grad:
        return
    (out * torch.randn_like(out)).sum().backward()
    grads = [p.grad for p in network.parameters() if p.grad is not None]
    assert grads
    assert all(torch.isfinite(g).all() for g in grads)


def wide_linear(taps=3000):
    weight = np.random.default_rng(0).normal(size=(4, taps)).astype(np.float32)
    nodes = (
        Node("x", ops.Input((taps,)), ()),
        Node("fc", ops.Linear(weight, np.ones(4, np.float32)), ("x",)),
        Node("relu", ops.Activation("relu"), ("fc",)),
        Node("out", ops.Linear(np.eye(4, dtype=np.float32), np.zeros(4, np.float32)), ("relu",)),
    )
    return Graph(nodes, "out")


def test_sums_that_float32_cannot_hold_are_exact():
    graph = wide_linear()
    x = np.abs(np.random.default_rng(1).normal(size=(6, 3000))).astype(np.float32)
    chosen = Settings(16, 16)
    plan, histograms, choices = composition(graph, x, chosen)
    network = TrainableNetwork(graph, plan, choices, chosen)
    program = tabulate(graph, plan, histograms, network.export(), chosen)
    assert program.step["fc"].bound > 2**24
    network.refresh(program)
    check_forward(network, program, x, "cpu")
    network._layer("fc").wide = False
    with pytest.raises(AssertionError, match="outgrew"):
        check_forward(network, program, x, "cpu")


def test_the_check_finds_a_network_that_computes_something_else():
    graph = wide_linear(30)
    x = np.random.default_rng(1).normal(size=(6, 30)).astype(np.float32)
    chosen = Settings(8, 8)
    plan, histograms, choices = composition(graph, x, chosen)
    network = TrainableNetwork(graph, plan, choices, chosen)
    program = tabulate(graph, plan, histograms, network.export(), chosen)
    network.refresh(program)
    with torch.no_grad():
        network._layer("fc").bias += 0.05
    with pytest.raises(AssertionError, match="'fc' differs"):
        check_forward(network, program, x, "cpu")


def problem(samples=600, seed=0):
    """A small network that solves a noisy problem of three classes well, and its data."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(3, 8))
    labels = rng.integers(0, 3, samples)
    x = (centers[labels] + 0.7 * rng.normal(size=(samples, 8))).astype(np.float32)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(8, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 32),
        torch.nn.ReLU(),
        torch.nn.Linear(32, 3),
    )
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(150):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(labels)).backward()
        optimiser.step()
    return model.eval(), x, labels


def test_compose_with_finetune_loses_less_and_tells_of_it(tmp_path):
    model, x, labels = problem()
    plain = rapidnn.compose(model, x[:300], 2, 3, validation=(x[:300], labels[:300]), recover="none")
    tuned = rapidnn.compose(
        model, x[:300], 2, 3, validation=(x[:300], labels[:300]), finetune=(x[300:], labels[300:]), epochs=5
    )
    record = tuned.info["finetune"]
    # Three input values: one of the five epochs went into the choice of the input's codebook.
    assert [epoch["epoch"] for epoch in record["epochs"]] == [0, 1, 2, 3, 4]
    assert len(record["input_trials"]) == 4
    taken = record["epochs"][record["best_epoch"]]["validation_accuracy"]
    assert taken == tuned.info["validation"]["accuracy"]
    assert taken > plain.info["validation"]["accuracy"]
    tuned.save(tmp_path / "t.rapidnn")
    loaded = rapidnn.load(tmp_path / "t.rapidnn")
    assert np.array_equal(loaded(x), tuned(x, backend="reference"))
    assert loaded.info["finetune"] == record


def test_trials_pick_the_input_codebook_that_agrees_most():
    graph = wide_linear(5)
    x = np.random.default_rng(1).normal(size=(50, 5)).astype(np.float32)
    plan, histograms, choices = composition(graph, x, Settings(4, 4))
    options = candidates(plan, histograms, choices)
    assert options[0] is choices
    books = [option.groups["x"] for option in options]
    rms = np.sqrt((x.astype(float) ** 2).mean())
    for book, ends in zip(books[1:], (0.8, 1.2, 1.6), strict=True):
        assert np.allclose(book.values * book.scale, rms * ends * np.array([-1, -1 / 3, 1 / 3, 1]), atol=0.02)
        assert book.pad_code is None
    results = iter([(0.5, 0.1), (0.7, 0.3), (0.7, 0.2), (0.6, 0.0)])
    best, trials = best_input(options, plan, lambda option: next(results))
    assert best is options[2]
    assert [trial.agreement for trial in trials] == [0.5, 0.7, 0.7, 0.6]
    # Nothing to try where there are more values, or none below zero.
    assert len(candidates(plan, histograms, composition(graph, x, Settings(4, 8))[2])) == 1
    plan, histograms, choices = composition(graph, np.abs(x), Settings(4, 4))
    assert len(candidates(plan, histograms, choices)) == 1


def test_a_tenth_is_held_out_by_default():
    model, x, labels = problem()
    tuned = rapidnn.compose(model, x, 4, 4, finetune=(x, labels), epochs=1)
    assert tuned.info["finetune"]["samples"] == 540
    assert tuned.info["validation"]["samples"] == 60


class StopError(Exception):
    """Stands for an interruption."""


def test_interrupted_training_goes_on_to_the_same_bits(tmp_path):
    model, x, labels = problem()
    chosen, graph = Settings(3, 3), import_model(model, x)
    parts = composition(graph, x, chosen)
    data = TrainingData(x, labels, noise=0.1)

    def run(checkpoint, progress=None, epochs=4):
        schedule = Schedule(epochs=epochs, try_inputs=False)
        tuned = finetune(
            graph, *parts, chosen, data, schedule=schedule, seed=3, checkpoint=checkpoint, progress=progress
        )
        program = tabulate(graph, *parts[:2], tuned.choices, chosen)
        composed = ComposedNetwork(program, rapidnn.Preprocess.identity((8,)), tuned.report.to_json())
        composed.save(tmp_path / "artifact")
        return (tmp_path / "artifact").read_bytes()

    def stop(stage, done, total):
        if stage.startswith("epoch 3") and done == 2:
            raise StopError

    whole = run(None)
    state = tmp_path / "state"
    with pytest.raises(StopError):
        run(state, stop)
    assert run(state) == whole
    assert run(state) == whole  # a finished training's state gives its result
    with pytest.raises(ComposeError, match="another training"):
        run(state, epochs=3)
    state.write_bytes(b"nonsense")
    with pytest.raises(ComposeError, match="cannot be read"):
        run(state)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"finetune": (np.zeros((4, 7), np.float32), np.zeros(4, int))}, DataError, "shape"),
        ({"finetune": (np.zeros((4, 8), np.float32), np.zeros(3, int))}, DataError, "one integer label per"),
        ({"finetune": (np.zeros((4, 8), np.float32), np.full(4, 3))}, ComposeError, "label 3 has no score"),
        ({"epochs": 0}, ComposeError, "epochs=0"),
        ({"device": "nowhere"}, ComposeError, "use cpu"),
        ({"tree": True}, ComposeError, "tree"),
    ],
)
def test_mistakes_are_told_in_one_line(change, error, message):
    model, x, labels = problem(60)
    with pytest.raises(error, match=message) as caught:
        rapidnn.compose(model, x, 4, 4, **({"finetune": (x, labels)} | change))
    assert "\n" not in str(caught.value)


def test_max_loss_trains_only_if_no_sizes_keep_the_bound():
    model, x, labels = problem()
    common = {"validation": (x[:300], labels[:300]), "finetune": (x[300:], labels[300:]), "epochs": 5}
    easy = rapidnn.compose(model, x[:200], 64, 64, max_loss=0.5, **common)
    assert "finetune" not in easy.info
    assert easy.info["max_loss"]["met"]
    hard = rapidnn.compose(model, x[:200], 2, 3, max_loss=0.02, **common)
    untrained = min(trial["loss"] for trial in hard.info["max_loss"]["tried"])
    assert untrained > 0.02
    assert hard.info["max_loss"]["loss"] < untrained
    assert hard.info["max_loss"]["loss"] == hard.info["validation"]["loss"]


def test_the_last_epoch_within_chance_of_the_best_is_taken():
    from rapidnn.composer.finetune import EpochReport

    reports = [EpochReport(n, None, a) for n, a in enumerate([0.5, 0.9, 0.89, 0.8])]
    assert best_epoch(reports, 100) == 2
    assert best_epoch(reports, 100_000) == 1


def test_images_are_changed_and_batches_cover_an_epoch():
    data = TrainingData(
        np.arange(50 * 16, dtype=np.uint8).reshape(50, 4, 4), np.arange(50), augment="shift-flip", pixels=1
    )
    data = replace(data, preprocess=rapidnn.Preprocess("nchw", 255.0, (0.0,), (1.0,), (1, 4, 4)))
    data = data.checked((1, 4, 4))
    assert data.changes
    seen = [list(data.batches(16, np.random.default_rng(s))) for s in (0, 0, 1)]
    assert len(seen[0]) == data.batch_count(16) == 3
    assert all(
        np.array_equal(a, b) for p, q in zip(seen[0], seen[1], strict=True) for a, b in zip(p, q, strict=True)
    )
    assert not np.array_equal(seen[0][0][0], seen[2][0][0])


def test_finetune_refuses_networks_without_logits():
    graph = Graph((Node("x", ops.Input((2, 3)), ()), Node("y", ops.Activation("relu"), ("x",))), "y")
    x = np.ones((4, 2, 3), np.float32)
    plan, histograms, choices = composition(graph, x, Settings())
    with pytest.raises(ComposeError, match="one score per class"):
        finetune(graph, plan, histograms, choices, Settings(), TrainingData(x, np.zeros(4, int)))
    with pytest.raises(ComposeError, match="batch_size"):
        Schedule(batch_size=0)
