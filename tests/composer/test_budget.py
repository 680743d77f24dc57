"""Sizes chosen for a bound on the loss: predictions, the search, and what compose() records."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import rapidnn
from rapidnn.composer.budget import SIZES, Search
from rapidnn.composer.choices import choose
from rapidnn.composer.decode import decoded, decoded_weight
from rapidnn.composer.energy import EnergyTable, energy_of
from rapidnn.composer.plan import plan_graph
from rapidnn.composer.pricing import FREE, Allowed, Prices, Units
from rapidnn.composer.sample import calibrate
from rapidnn.composer.sensitivity import Sensitivity, measure
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges
from rapidnn.errors import ComposeError
from rapidnn.execute.evaluate import Evaluation
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.float_exec import run_changed, run_float


def network():
    """conv - relu - average pool - linear, with a residual branch."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    pads = ((1, 1), (1, 1))
    one, two = (1, 1), ((0, 0), (0, 0))
    return Graph(
        (
            Node("x", ops.Input((2, 6, 6)), ()),
            Node("a", ops.Conv(normal(4, 2, 3, 3), normal(4), one, pads, one, 1), ("x",)),
            Node("ra", ops.Activation("relu"), ("a",)),
            Node("b", ops.Conv(normal(4, 4, 3, 3) / 3, normal(4), one, pads, one, 1), ("ra",)),
            Node("s", ops.Add(), ("b", "ra")),
            Node("rs", ops.Activation("relu"), ("s",)),
            Node("p", ops.AvgPool((6, 6), (6, 6), two, False, True), ("rs",)),
            Node("f", ops.Reshape((4,)), ("p",)),
            Node("y", ops.Linear(normal(3, 4), normal(3)), ("f",)),
        ),
        "y",
    )


@pytest.fixture(scope="module")
def probed():
    graph = network()
    x = np.random.default_rng(1).normal(size=(40, 2, 6, 6)).astype(np.float32)
    plan = plan_graph(graph)
    histograms = calibrate(graph, x, sampled_edges(plan), threads=1)
    choices = {size: choose(plan, histograms, Settings(size, size)) for size in (2, 4, 16)}
    return graph, x, plan, choices


def test_run_changed_equals_a_network_with_the_change(probed):
    graph, x, _, choices = probed
    values = {}
    run_float(graph, x, values.__setitem__)
    book = choices[4].layers["b"].books
    weight = decoded_weight(book)
    nodes = [replace(n, op=replace(n.op, weight=weight)) if n.name == "b" else n for n in graph]
    changed_values = {}
    run_float(Graph(tuple(nodes), "y"), x, changed_values.__setitem__)
    found = run_changed(graph, values, {"b": lambda _: changed_values["b"]}, "y")
    assert torch.equal(found, changed_values["y"])
    assert torch.equal(run_changed(graph, values, {}, "y"), values["y"])
    twice = run_changed(graph, values, {"ra": lambda v: v * 2, "s": lambda v: v * 0}, "p")
    assert torch.equal(twice, torch.zeros_like(values["p"]))


def test_sensitivity_falls_with_size_and_does_not_depend_on_threads(probed):
    graph, x, plan, choices = probed
    one, three = (measure(graph, plan, choices, x, threads=n) for n in (1, 3))
    assert one == three
    assert set(one.layers) == {"a", "b", "y"}
    assert set(one.groups) == {"x", "ra", "rs", "p:code"}
    for noise in (*one.layers.values(), *one.groups.values()):
        assert noise[2] > noise[16] >= 0


def test_decoded_values_are_the_nearest(probed):
    _, x, _, choices = probed
    group = choices[4].groups["x"]
    real = group.values * group.scale
    nearest = np.abs(x[..., None] - real).min(axis=-1)
    np.testing.assert_allclose(np.abs(decoded(x, group) - x), nearest, atol=1e-6)


def test_units_follow_the_readers(probed):
    _, _, plan, _ = probed
    units = Units.of(plan)
    assert units.reads == {"a": "x", "b": "ra", "y": "p:code"}
    assert units.groups[FREE] == ("rs",)
    allowed = units.allowed(Settings({"a": 6, "*": 64}, {"y": 4, "*": 16}), SIZES)
    assert allowed.weights["a"] == (2, 3, 4, 6)
    assert allowed.inputs["p:code"] == (2, 3, 4)
    sized = allowed.equal(16)
    chosen = units.settings(sized, Settings(product_bits=12))
    assert chosen.product_bits == 12
    assert chosen.weights == {"a": 6, "b": 16, "y": 16}
    assert chosen.inputs == {"a": 16, "b": 16, "y": 4, FREE: 16}
    assert ("weights", "a", 4) in allowed.smaller(sized)


def two_layers():
    """Layers p and q that read x and h: q costs ten times p, and matters a tenth."""
    sizes = (2, 4, 8)
    units = Units({"p": "x", "q": "h"}, {"x": ("x",), "h": ("h",)})
    noise = {size: 1.0 / size**2 for size in sizes}
    small = {size: 0.1 / size**2 for size in sizes}
    sensitivity = Sensitivity({"p": noise, "q": small}, {"x": noise, "h": small}, 1)
    pairs = {(w, u): float(w * u) for w in sizes for u in sizes}
    energy = EnergyTable(
        {"p": pairs, "q": {pair: 10 * cost for pair, cost in pairs.items()}},
        {"x": dict.fromkeys(sizes, 1.0), "h": dict.fromkeys(sizes, 1.0)},
    )
    allowed = Allowed({"p": sizes, "q": sizes}, {"x": sizes, "h": sizes})
    return Prices(units, allowed, sensitivity, energy)


def test_the_hull_is_least_energy_for_its_noise():
    prices = two_layers()
    hull = prices.hull()
    energies = [prices.energy_pj(sized) for sized in hull]
    noises = [prices.noise(sized) for sized in hull]
    assert energies == sorted(energies)
    assert noises == sorted(noises, reverse=True)
    assert hull[0] == prices.allowed.equal(2)
    assert hull[-1] == prices.allowed.equal(8)
    sizes = (2, 4, 8)
    every = [
        prices.allowed.equal(2).moved(("weights", "p", a)).moved(("weights", "q", b))
        .moved(("inputs", "x", c)).moved(("inputs", "h", d))
        for a in sizes for b in sizes for c in sizes for d in sizes
    ]  # fmt: skip
    for sized in hull:
        rivals = [s for s in every if prices.noise(s) <= prices.noise(sized)]
        assert prices.energy_pj(sized) == min(map(prices.energy_pj, rivals))


def search(loss_of, bound):
    """A search in which a program is its settings, and its loss a function of them."""
    prices = two_layers()
    shown = []

    def verify(settings):
        return Evaluation(1, 0.5, 0.0, (), (), 0.5, loss_of(settings), 1.0, None)

    made = Search(prices, Settings(), lambda s: s, verify, bound, lambda *stage: shown.append(stage))
    return made, made.run(), shown


def by_noise(settings):
    prices = two_layers()
    sized = prices.allowed.equal(2)
    for layer, unit in prices.units.reads.items():
        sized = sized.moved(("weights", layer, settings.weights[layer]))
        sized = sized.moved(("inputs", unit, settings.inputs[layer]))
    return prices.noise(sized) / 10


def test_the_search_finds_a_cheaper_choice_than_equal_sizes():
    made, found, shown = search(by_noise, 0.02)
    assert found.loss <= 0.02
    assert made.equal_at == 4
    prices = made.prices
    assert prices.energy_pj(found.sized) < prices.energy_pj(made.equal.sized)
    # No single step down keeps the bound.
    for move in prices.allowed.smaller(found.sized):
        chosen = prices.units.settings(found.sized.moved(move), Settings())
        assert by_noise(chosen) > 0.02
    assert shown


def test_where_nothing_meets_the_bound_the_least_loss_is_kept():
    made, found, _ = search(lambda settings: 0.2 + by_noise(settings), 0.1)
    assert made.equal is None
    assert found.sized == made.prices.allowed.equal(8)


def test_a_misleading_prediction_cannot_break_the_bound():
    """The truth turns the prediction round: only p's weights must be small."""

    def contrary(settings):
        return 0.0 if settings.weights["p"] >= 8 and settings.inputs["q"] >= 4 else 0.3

    _, found, _ = search(contrary, 0.01)
    assert found.loss == 0.0


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.fc1 = torch.nn.Linear(20, 24)
        self.fc2 = torch.nn.Linear(24, 4)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


def labelled(module):
    x = np.random.default_rng(5).normal(size=(600, 20)).astype(np.float32)
    with torch.no_grad():
        labels = module(torch.from_numpy(x)).numpy().argmax(axis=1)
    return x[:200], (x[200:], labels[200:])


def test_compose_keeps_a_bound_and_records_it():
    module = Net().eval()
    calibration, validation = labelled(module)
    first, second = (
        rapidnn.compose(module, calibration, 16, 16, max_loss=0.1, validation=validation, threads=n)
        for n in (1, 2)
    )
    record = first.info["max_loss"]
    assert record == second.info["max_loss"]
    assert record["met"]
    assert record["loss"] <= 0.1
    x, labels = validation
    assert record["loss"] == pytest.approx(1 - (first(x).argmax(axis=1) == labels).mean())
    assert first.info["validation"]["loss"] == record["loss"]
    assert record["energy_uj"] == pytest.approx(energy_of(first.program, calibration[:32]).energy_pj / 1e6)
    assert record["energy_uj"] <= record["equal_size"]["energy_uj"]
    assert len(record["tried"]) >= 3
    weights = first.info["settings"]["weights"]
    assert {name: first.program.step[name].values.shape[1] for name in weights} == weights


def test_an_impossible_bound_gives_the_best_network_and_says_so():
    module = Net().eval()
    calibration, validation = labelled(module)
    composed = rapidnn.compose(module, calibration, 4, 4, max_loss=0.0, validation=validation)
    record = composed.info["max_loss"]
    assert not record["met"]
    assert record["equal_size"] is None
    assert record["loss"] == min(trial["loss"] for trial in record["tried"]) > 0
    sizes = composed.info["settings"]["weights"].values()
    assert all(size <= 4 for size in sizes)


@pytest.mark.parametrize("bound", [-0.1, 1.0, float("nan"), True])
def test_a_bound_that_is_no_share_is_refused(bound):
    with pytest.raises(ComposeError, match="share from 0"):
        rapidnn.compose(Net(), np.zeros((4, 20), np.float32), max_loss=bound, validation=([], []))


def test_a_bound_needs_validation_data():
    with pytest.raises(ComposeError, match="validation="):
        rapidnn.compose(Net(), np.zeros((4, 20), np.float32), max_loss=0.01)
