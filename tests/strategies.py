"""Hypothesis strategies: random float graphs, their compositions, and programs with hostile tables."""

from dataclasses import replace

import numpy as np
from hypothesis import reject
from hypothesis import strategies as st

from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.shapes import infer_shape
from rapidnn.tables.products import neuron_bounds
from rapidnn.tables.program import Program, WeightedSum

ACTIVATIONS = (
    ops.Activation("relu"),
    ops.Activation("relu6"),
    ops.Activation("sigmoid"),
    ops.Activation("tanh"),
    ops.Activation("leaky_relu", (0.1,)),
    ops.Activation("hard_swish"),
    ops.Activation("gelu"),
    ops.Activation("silu"),
    ops.Activation("clip", (-0.5, 1.5)),
)


def quiet(stage, done, total):
    """A progress callback that shows nothing."""


class _Builder:
    def __init__(self, draw, rng, shape):
        self.draw, self.rng = draw, rng
        self.nodes = [Node("input", ops.Input(shape), ())]
        self.shapes = {"input": shape}

    def add(self, op, *inputs):
        name = f"n{len(self.nodes)}"
        shape = infer_shape(name, op, [self.shapes[e] for e in inputs])
        self.nodes.append(Node(name, op, inputs))
        self.shapes[name] = shape
        return name

    def normal(self, *shape, scale=1.0):
        return (self.rng.normal(size=shape) * scale).astype(np.float32)

    def pick(self, *choices):
        return self.draw(st.sampled_from(choices))

    def conv(self, edge):
        channels, *spatial = self.shapes[edge]
        groups = self.pick(1, 1, channels, *(g for g in (2,) if channels % g == 0))
        out = groups * self.pick(1, 2, 3)
        kernel = tuple(self.pick(1, 2, 3) for _ in spatial)
        padding = tuple((self.pick(0, 1), self.pick(0, 1)) for _ in spatial)
        dilation = tuple(self.pick(1, 1, 2) for _ in spatial)
        fits = all(
            (k - 1) * d < n + a + b
            for k, d, n, (a, b) in zip(kernel, dilation, spatial, padding, strict=True)
        )
        if not fits:
            kernel, dilation = tuple(1 for _ in spatial), tuple(1 for _ in spatial)
        weight = self.normal(out, channels // groups, *kernel)
        stride = tuple(self.pick(1, 1, 2) for _ in spatial)
        return self.add(ops.Conv(weight, self.normal(out), stride, padding, dilation, groups), edge)

    def pool(self, edge):
        spatial = self.shapes[edge][1:]
        kernel = tuple(min(n, self.pick(1, 2, 3)) for n in spatial)
        stride = tuple(self.pick(1, 2) for _ in spatial)
        padding = tuple((self.pick(0, k // 2), self.pick(0, k // 2)) for k in kernel)
        if self.draw(st.booleans()):
            return self.add(
                ops.MaxPool(kernel, stride, padding, (1,) * len(kernel), self.pick(True, False)), edge
            )
        return self.add(
            ops.AvgPool(kernel, stride, padding, self.pick(True, False), self.pick(True, False)), edge
        )

    def linear(self, edge):
        features = self.shapes[edge][-1]
        out = self.pick(1, 3, 5)
        return self.add(ops.Linear(self.normal(out, features), self.normal(out)), edge)

    def shape_op(self, edge):
        shape = self.shapes[edge]
        kind = self.pick("slice", "pad", "transpose", "reshape", "take", "stuff")
        if kind == "take":
            axis = self.draw(st.integers(0, len(shape) - 1))
            indices = self.draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=6))
            return self.add(ops.Take(axis, tuple(indices)), edge)
        if kind == "stuff":
            return self.add(ops.ZeroStuff(tuple(self.pick(1, 2) for _ in shape[1:])), edge)
        if kind == "slice":
            return self.add(ops.Slice((0,) * len(shape), shape, tuple(self.pick(1, 2) for _ in shape)), edge)
        if kind == "pad":
            return self.add(ops.Pad(tuple((self.pick(0, 1), self.pick(0, 1)) for _ in shape)), edge)
        if kind == "transpose":
            return self.add(ops.Transpose(tuple(reversed(range(len(shape))))), edge)
        return self.add(ops.Reshape((int(np.prod(shape)),)), edge)

    def sum(self, edge):
        same = [e for e, s in self.shapes.items() if s == self.shapes[edge]]
        return self.add(ops.Add(), edge, self.pick(*same))

    def product(self, edge):
        same = [e for e, s in self.shapes.items() if s == self.shapes[edge]]
        return self.add(ops.Multiply(), edge, self.pick(*same))

    def constant(self, edge):
        shape = tuple(self.pick(1, n) for n in self.shapes[edge])
        return self.add(ops.AddConstant(self.normal(*shape)), edge)

    def concat(self, edge):
        shape = self.shapes[edge]
        axis = self.draw(st.integers(0, len(shape) - 1))
        fits = [
            e
            for e, s in self.shapes.items()
            if len(s) == len(shape)
            and all(a == b or i == axis for i, (a, b) in enumerate(zip(s, shape, strict=True)))
        ]
        return self.add(ops.Concat(axis), edge, *(self.pick(*fits) for _ in range(self.pick(1, 2))))

    def host(self, edge):
        shape = self.shapes[edge]
        kind = self.pick("softmax", "norm", "matmul")
        if kind == "norm":
            return self.add(ops.LayerNorm(1, self.normal(shape[-1]), self.normal(shape[-1]), 1e-5), edge)
        if kind == "matmul" and len(shape) > 1:
            last = len(shape) - 1
            other = self.add(ops.Transpose((*range(last - 1), last, last - 1)), edge)
            return self.add(ops.MatMul(), edge, other)
        return self.add(
            ops.Softmax(self.draw(st.integers(0, len(shape) - 1)), self.draw(st.booleans())), edge
        )


@st.composite
def graphs(draw, max_nodes=8, host=True):
    """A random float graph without batch normalisation, small enough to run literally; perhaps with host operators."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from([(5,), (2, 6), (2, 5, 4), (4, 6, 6)]))
    build = _Builder(draw, rng, shape)
    edge = "input"
    for _ in range(draw(st.integers(1, max_nodes))):
        spatial = len(build.shapes[edge]) > 1
        kinds = ["linear", "activation", "sum", "product", "constant", "concat", *(["host"] if host else [])]
        kinds += ["conv", "conv", "pool", "shape"] if spatial else []
        kind = draw(st.sampled_from(kinds))
        if kind == "activation":
            edge = build.add(build.pick(*ACTIVATIONS), edge)
        elif kind == "sum":
            edge = build.sum(edge)
        else:
            edge = getattr(build, {"shape": "shape_op"}.get(kind, kind))(edge)
    return Graph(tuple(build.nodes), edge)


@st.composite
def settings(draw):
    """Composition settings over their whole ranges."""
    return Settings(
        weights=draw(st.sampled_from([1, 2, 4, 16, 64, 256])),
        inputs=draw(st.sampled_from([1, 2, 4, 16, 64, 256])),
        granularity=draw(st.sampled_from(["layer", "channel"])),
        activation_rows=draw(st.sampled_from([1, 8, 64])),
        operand_bits=draw(st.sampled_from([8, 16])),
        product_bits=draw(st.sampled_from([8, 11, 16, 24])),
        concat=draw(st.sampled_from(["unify", "reencode"])),
    )


@st.composite
def compositions(draw):
    """(graph, composed network, inputs float32) with random settings; calibrated on other inputs."""
    graph, chosen = draw(graphs()), draw(settings())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = graph.input_shape
    calibration = rng.normal(size=(8, *shape)).astype(np.float32)
    try:
        composed = compose_graph(graph, calibration, chosen, None, {}, threads=1, progress=quiet)
    except ComposeError as error:  # a legal refusal: the sums cannot be bounded
        if "2**31" not in str(error):
            raise
        reject()
    x = rng.normal(size=(draw(st.integers(1, 4)), *shape)).astype(np.float32) * 2
    x.flat[draw(st.integers(0, x.size - 1))] = draw(st.sampled_from([np.inf, -np.inf, 0.0, 1e30]))
    return graph, composed, x


def with_hostile_tables(program: Program, rng: np.random.Generator) -> Program:
    """The program with every product table replaced by extremes of either sign and random entries."""
    steps = tuple(
        _with_hostile_products(step, rng) if isinstance(step, WeightedSum) else step for step in program.steps
    )
    return replace(program, steps=steps)


def _with_hostile_products(step: WeightedSum, rng: np.random.Generator) -> WeightedSum:
    limit = 2 ** (step.product_bits - 1) - 1
    products = rng.integers(-limit, limit, step.products.shape, endpoint=True)
    extreme = rng.random(products.shape) < 0.5
    products[extreme] = rng.choice([-limit, limit], size=int(extreme.sum()))
    products = products.astype(step.products.dtype)
    bound = neuron_bounds(products, step.weight_codes) + np.abs(step.bias.astype(np.int64))
    for term in step.residuals:
        bound = bound + np.abs(term.rows.astype(np.int64)).max(axis=1)
    if bound.max() >= 2**31:
        return step
    return replace(step, products=products, bound=int(bound.max()))
