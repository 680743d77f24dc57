"""The limits of size: very deep, very narrow, very wide, empty, and longer than memory; exact or refused."""

import resource
from dataclasses import replace

import numpy as np
import pytest

import rapidnn
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.data import Preprocess
from rapidnn.errors import DataError
from rapidnn.execute.composed import BACKENDS, ComposedNetwork, load
from rapidnn.execute.evaluate import evaluate
from rapidnn.execute.kernel_tables import minor_steps
from rapidnn.graph import Graph, Node, ops
from tests.execute.engines import assert_engines_equal
from tests.execute.programs import dense, network
from tests.strategies import quiet


def chain(layers, width, rng):
    nodes = [Node("input", ops.Input((width,)), ())]
    for i in range(layers):
        weight = np.eye(width, dtype=np.float32) + rng.normal(size=(width, width)).astype(np.float32) / 50
        nodes.append(Node(f"fc{i}", ops.Linear(weight, np.zeros(width, np.float32)), (nodes[-1].name,)))
        nodes.append(Node(f"relu{i}", ops.Activation("relu"), (nodes[-1].name,)))
    return Graph(tuple(nodes), nodes[-2].name)


def composed_chain(layers, width):
    rng = np.random.default_rng(0)
    x = np.abs(rng.normal(size=(20, width))).astype(np.float32)
    graph = chain(layers, width, rng)
    settings = Settings(8, 8, recover="none")
    return compose_graph(graph, x, settings, None, {}, threads=1, progress=quiet), x


def test_a_deep_network(tmp_path):
    composed, x = composed_chain(150, 2)
    path = tmp_path / "deep.rapidnn"
    composed.save(path)
    again = load(path)
    assert len(again.program.steps) == 300
    assert (again.accumulators(x) == composed.accumulators(x, backend="numpy")).all()


@pytest.mark.slow
def test_ten_thousand_layers(tmp_path):
    composed, x = composed_chain(10_000, 2)
    path = tmp_path / "deep.rapidnn"
    composed.save(path)
    again = load(path)
    assert len(again.program.steps) == 20_000
    sums = composed.accumulators(x, backend="numpy")
    assert sums.any()
    for backend in ("cpu", "reference", "torch"):
        assert (again.accumulators(x, backend=backend) == sums).all(), backend
    cost = rapidnn.estimate(again, x)
    assert cost.latency_ns >= sum(layer.stage_ns for layer in cost.by_layer if layer.name != "input") > 0
    assert cost.macs == 40_000


def test_packing_searches_where_it_pays():
    few, many = (composed_chain(layers, 2)[0].program for layers in (100, 103))
    assert not minor_steps(few)
    assert minor_steps(many) == {"fc100", "fc101", "fc102"}
    last = replace(many.steps[-1], weight_codes=np.zeros((2, 1 << 15), np.uint8))
    assert minor_steps(replace(many, steps=(*many.steps[:-1], last))) == {"fc99", "fc100", "fc101"}


def test_one_neuron(tmp_path):
    composed, x = composed_chain(1, 1)
    assert composed.program.step["fc0"].weight_codes.shape == (1, 1)
    assert_engines_equal(composed, x)
    composed.save(tmp_path / "one.rapidnn")
    assert (load(tmp_path / "one.rapidnn").accumulators(x) == composed.accumulators(x)).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_samples(backend):
    composed, _ = composed_chain(2, 3)
    empty = np.zeros((0, 3), np.float32)
    assert composed(empty, backend=backend).shape == (0, 3)
    assert composed.accumulators(empty, backend=backend).dtype == np.int32
    with pytest.raises(DataError, match="at least 1"):
        evaluate(composed, empty, np.zeros(0, int), backend=backend)


@pytest.mark.parametrize("weights", [1, 2, 256])
@pytest.mark.parametrize("inputs", [1, 2, 256])
def test_codebooks_at_their_limits(weights, inputs):
    program = dense(7, 5, bits=16, products=None, weights=weights, inputs=inputs, bias=True)
    assert_engines_equal(
        network(program), np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32) * 50
    )


@pytest.mark.parametrize("taps", [1, 100_000])
def test_inputs_of_a_neuron_at_their_limits(taps):
    program = dense(taps, 2, bits=12, products=None)
    composed = network(program)
    x = np.random.default_rng(0).normal(size=(3, taps)).astype(np.float32)
    assert (composed.accumulators(x) == composed.accumulators(x, backend="numpy")).all()


def test_sums_at_the_bound_are_exact_and_beyond_it_refused():
    composed = network(dense(2, 1, bits=31, products=None, bias=False))
    most = np.full((4, 6), 2**30 - 1)
    at = composed.with_products({"fc": most})
    assert at.program.step["fc"].bound == 2**31 - 2
    assert_engines_equal(at, np.zeros((3, 2), np.float32))
    assert (at.accumulators(np.zeros((1, 2))) == 2**31 - 2).all()
    least = composed.with_products({"fc": 1 - most})
    assert (least.accumulators(np.zeros((1, 2))) == -(2**31) + 4).all()
    with pytest.raises(DataError, match=r"2147483648; sums must stay below 2\*\*31"):
        composed.with_products({"fc": np.full((4, 6), -(2**30))})


class Stream:
    """Samples that are made when they are asked for: an array's face, nothing stored."""

    def __init__(self, count, width):
        self.shape, self.ndim, self.dtype = (count, width), 2, np.dtype(np.float32)
        self.row = np.linspace(-1, 1, width, dtype=np.float32)
        self.most = 0

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, where):
        count = len(range(*where.indices(len(self))))
        self.most = max(self.most, count)
        return np.broadcast_to(self.row, (count, len(self.row))) * np.float32(1 + where.start % 7)


class Sliced:
    """Values of a function of the sample's number, asked for by slices."""

    def __init__(self, count, value, shape=()):
        self.shape, self.value = (count, *shape), value

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, where):
        return self.value(np.arange(*where.indices(len(self))))


@pytest.mark.parametrize(
    ("size", "width"), [(2 * 10**8, 400), pytest.param(10**11, 20_000, marks=pytest.mark.slow)]
)
def test_a_stream_longer_than_memory(size, width):
    classes = 20
    program = dense(width, classes, bits=12, products=None)
    composed = ComposedNetwork(program, Preprocess.identity((width,)), {})
    # A batch repeats one sample, one of seven.
    kinds = np.concatenate([composed(Stream(8, width)[k : k + 1]) for k in range(7)])

    def streams(count):
        labels = Sliced(count, lambda number: number % 3)
        scores = Sliced(count, lambda number: 2 * kinds[(number - number % 1024) % 7], (classes,))
        return Stream(count, width), labels, scores

    *warm, scores = streams(2048)
    evaluate(composed, *warm, float_outputs=scores)
    samples, labels, scores = streams(size // (4 * width))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = evaluate(composed, samples, labels, float_outputs=scores)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert result.samples == len(samples)
    assert result.class_samples[:4] == (*(len(range(k, len(samples), 3)) for k in range(3)), 0)
    assert result.agreement == 1
    assert result.sqnr_db == pytest.approx(20 * np.log10(2))  # the float network's scores are twice ours
    assert samples.most <= 1024
    assert grown < 4 << 20  # 10 MB of outputs, or 100
