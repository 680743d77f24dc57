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


@pytest.mark.parametrize("gigabytes", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_a_stream_longer_than_memory(gigabytes):
    width = 20_000
    program = dense(width, 2, bits=12, products=None)
    composed = ComposedNetwork(program, Preprocess.identity((width,)), {})
    stream = Stream(gigabytes * 10**9 // (4 * width), width)
    labels = np.zeros(len(stream), np.int64)
    evaluate(composed, Stream(2048, width), labels[:2048])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = evaluate(composed, stream, labels)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert result.samples == len(stream)
    assert stream.most <= 1024
    assert grown < 64 << 20
