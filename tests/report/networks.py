"""Small composed networks, an evaluation and a cost for the report's tests."""

import numpy as np

from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.execute.evaluate import compare_outputs
from rapidnn.graph import Graph, Node, ops
from rapidnn.machine.network import estimate
from tests.strategies import quiet


class Net:
    """Adds nodes one after another; each reads the one before unless told otherwise."""

    def __init__(self, shape, seed=0):
        self.rng = np.random.default_rng(seed)
        self.nodes = [Node("input", ops.Input(shape), ())]

    def normal(self, *shape):
        return (self.rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    def add(self, name, op, *inputs):
        self.nodes.append(Node(name, op, inputs or (self.nodes[-1].name,)))
        return self

    def linear(self, name, inputs, outputs):
        return self.add(name, ops.Linear(self.normal(outputs, inputs), self.normal(outputs)))

    def conv(self, name, inputs, outputs, *source):
        weight = self.normal(outputs, inputs, 3, 3)
        op = ops.Conv(weight, self.normal(outputs), (1, 1), ((1, 1), (1, 1)), (1, 1), 1)
        return self.add(name, op, *source)

    def act(self, name, kind):
        return self.add(name, ops.Activation(kind))

    def compose(self, **settings):
        graph = Graph(tuple(self.nodes), self.nodes[-1].name)
        x = self.rng.normal(size=(24, *graph.input_shape)).astype(np.float32)
        made = Settings(**{"weights": 8, "inputs": 8, **settings})
        info = {"network": "test", "settings": made.to_json(), "calibration_samples": 24, "rapidnn": "0"}
        return compose_graph(graph, x, made, None, info, threads=1, progress=quiet)


def mlp(first="fc1", **settings):
    return Net((6,)).linear(first, 6, 5).act("relu", "relu").linear("out", 5, 3).compose(**settings)


def tanh_net(**settings):
    return Net((6,)).linear("fc", 6, 5).act("tanh", "tanh").linear("out", 5, 3).compose(**settings)


def cnn(**settings):
    """Padding, max pooling, a residual addition in an open accumulator, average pooling."""
    net = Net((2, 6, 6)).conv("conv1", 2, 4).act("relu1", "relu")
    net.add("pool", ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False))
    net.conv("conv2", 4, 4).act("relu2", "relu6").conv("conv3", 4, 4).add("add", ops.Add(), "conv3", "pool")
    net.act("relu3", "relu")
    net.add("mean", ops.AvgPool((3, 3), (3, 3), ((0, 0), (0, 0)), False, True))
    return net.add("flat", ops.Reshape((4,))).linear("out", 4, 3).compose(**settings)


def evaluation_of(composed, *, with_float=True, classes=3):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(40, *composed.program.input_shape)).astype(np.float32)
    outputs = composed(x)
    expected = outputs + 0.3 * rng.normal(size=outputs.shape)
    return compare_outputs(outputs, rng.integers(0, classes, 40), expected if with_float else None)


def cost_of(composed, **overrides):
    x = np.random.default_rng(2).normal(size=(4, *composed.program.input_shape)).astype(np.float32)
    return estimate(composed, x, overrides=overrides)


def attention(**settings):
    """Squeeze-and-excitation, a concatenation, zero stuffing, a constant, attention and a norm on the host."""
    net = Net((2, 6, 6)).conv("conv1", 2, 4).act("relu1", "relu")
    net.add("squeeze", ops.AvgPool((6, 6), (6, 6), ((0, 0), (0, 0)), False, True)).add(
        "vector", ops.Reshape((4,))
    )
    net.linear("excite", 4, 4).act("gate", "sigmoid").add("gates", ops.Reshape((4, 1, 1)))
    net.add("scale", ops.Multiply(), "relu1", "gates").add("cat", ops.Concat(0), "scale", "relu1")
    net.add("pool", ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False))
    net.add("stuff", ops.ZeroStuff((2, 2))).conv("conv2", 8, 3).add("take", ops.Take(0, (2, 0, 0)))
    net.add("flat", ops.Reshape((3, 25))).add("position", ops.AddConstant(net.normal(3, 25)))
    net.linear("query", 25, 4).add("key", ops.Linear(net.normal(4, 25), net.normal(4)), "position")
    net.add("turned", ops.Transpose((1, 0))).add("scores", ops.MatMul(), "query", "turned")
    net.add("weights", ops.Softmax(1, False)).add("mixed", ops.MatMul(), "weights", "query")
    net.add("norm", ops.LayerNorm(1, np.ones(4, np.float32), np.zeros(4, np.float32), 1e-5))
    return (
        net.linear("head", 4, 3)
        .add("flat2", ops.Reshape((9,)))
        .add("out", ops.Softmax(0, True))
        .compose(**settings)
    )
