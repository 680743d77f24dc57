"""Random small float graphs for hypothesis."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from rapidnn.graph import ops
from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.shapes import Shape, infer_shape

INPUT_SHAPES = [(3,), (4, 3), (2, 7), (2, 5, 6), (3, 4, 4), (1, 6, 5), (2, 3, 4, 3)]
MAKERS = (
    "conv",
    "linear",
    "norm",
    "activation",
    "max",
    "mean",
    "reshape",
    "transpose",
    "slice",
    "pad",
    "add",
    "constant",
    "multiply",
    "concat",
    "take",
    "stuff",
    "softmax",
    "layer_norm",
    "matmul",
)
ACTIVATIONS = [
    ("relu", ()),
    ("relu6", ()),
    ("sigmoid", ()),
    ("tanh", ()),
    ("leaky_relu", (0.1,)),
    ("leaky_relu", (-0.5,)),
    ("elu", (1.5,)),
    ("elu", (-1.0,)),
    ("hard_sigmoid", (0.2, 0.5)),
    ("hard_sigmoid", (-0.5, -0.1)),
    ("hard_swish", ()),
    ("gelu", ()),
    ("gelu_tanh", ()),
    ("silu", ()),
    ("clip", (-0.5, 0.7)),
    ("clip", (0.2, 0.7)),
]


@dataclass
class Sketch:
    """A graph while it is drawn."""

    draw: st.DrawFn
    rng: np.random.Generator
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def put(self, op: ops.Op, *edges: str) -> None:
        name = f"n{len(self.nodes)}"
        self.shapes[name] = infer_shape(name, op, [self.shapes[e] for e in edges])
        self.nodes.append(Node(name, op, edges))

    def int(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def floats(self, *shape: int) -> np.ndarray:
        return self.rng.normal(size=shape).astype(np.float32)


@st.composite
def graphs(draw: st.DrawFn, *, max_nodes: int = 10) -> Graph:
    """A valid graph of up to ``max_nodes`` operators; branches and dead nodes occur."""
    sketch = Sketch(draw, np.random.default_rng(draw(st.integers(0, 2**16))))
    sketch.put(ops.Input(draw(st.sampled_from(INPUT_SHAPES))))
    for _ in range(draw(st.integers(1, max_nodes))):
        # Mostly a chain, at times a branch.
        edge = sketch.nodes[-1].name if sketch.int(0, 3) else draw(st.sampled_from(sketch.nodes)).name
        maker = draw(st.sampled_from(MAKERS))
        globals()[f"_{maker}"](sketch, edge, sketch.shapes[edge])
    return Graph(tuple(sketch.nodes), sketch.nodes[-1].name)


def values(graph: Graph, seed: int = 0, count: int = 3) -> np.ndarray:
    """A batch for the graph's input."""
    return (2 * np.random.default_rng(seed).normal(size=(count, *graph.input_shape))).astype(np.float32)


def _window(s: Sketch, spatial: Shape, *, padded: bool = True) -> tuple:
    kernel = tuple(s.int(1, min(3, n)) for n in spatial)
    stride = tuple(s.int(1, 3) for _ in spatial)
    padding = tuple((s.int(0, k - 1), s.int(0, k - 1)) if padded else (0, 0) for k in kernel)
    dilation = tuple(s.int(1, 2) if (k - 1) * 2 < n else 1 for k, n in zip(kernel, spatial, strict=True))
    return kernel, stride, padding, dilation


def _conv(s: Sketch, edge: str, shape: Shape) -> None:
    if not 2 <= len(shape) <= 4:
        return
    kernel, stride, padding, dilation = _window(s, shape[1:])
    groups = shape[0] if s.int(0, 2) == 0 else 1
    out = groups * s.int(1, 2)
    weight = s.floats(out, shape[0] // groups, *kernel)
    s.put(ops.Conv(weight, s.floats(out), stride, padding, dilation, groups), edge)


def _linear(s: Sketch, edge: str, shape: Shape) -> None:
    out = s.int(1, 4)
    s.put(ops.Linear(s.floats(out, shape[-1]), s.floats(out)), edge)


def _norm(s: Sketch, edge: str, shape: Shape) -> None:
    s.put(ops.BatchNorm(s.floats(shape[0]), s.floats(shape[0])), edge)


def _activation(s: Sketch, edge: str, shape: Shape) -> None:
    s.put(ops.Activation(*s.draw(st.sampled_from(ACTIVATIONS))), edge)


def _max(s: Sketch, edge: str, shape: Shape) -> None:
    if 2 <= len(shape) <= 4:
        kernel, stride, padding, dilation = _window(s, shape[1:])
        s.put(ops.MaxPool(kernel, stride, padding, dilation, s.draw(st.booleans())), edge)


def _mean(s: Sketch, edge: str, shape: Shape) -> None:
    if 2 <= len(shape) <= 4:
        kernel, stride, padding, _ = _window(s, shape[1:])
        s.put(ops.AvgPool(kernel, stride, padding, s.draw(st.booleans()), s.draw(st.booleans())), edge)


def _reshape(s: Sketch, edge: str, shape: Shape) -> None:
    size = math.prod(shape)
    options = [(size,), (1, size), (*shape, 1), shape, (shape[0], size // shape[0])]
    s.put(ops.Reshape(s.draw(st.sampled_from(options))), edge)


def _transpose(s: Sketch, edge: str, shape: Shape) -> None:
    s.put(ops.Transpose(tuple(s.draw(st.permutations(range(len(shape)))))), edge)


def _slice(s: Sketch, edge: str, shape: Shape) -> None:
    starts = tuple(s.int(0, n - 1) for n in shape)
    stops = tuple(s.int(a + 1, n) for a, n in zip(starts, shape, strict=True))
    s.put(ops.Slice(starts, stops, tuple(s.int(1, 2) for _ in shape)), edge)


def _pad(s: Sketch, edge: str, shape: Shape) -> None:
    s.put(ops.Pad(tuple((s.int(0, 1), s.int(0, 1)) for _ in shape)), edge)


def _add(s: Sketch, edge: str, shape: Shape) -> None:
    same = [name for name, other in s.shapes.items() if other == shape]
    s.put(ops.Add(), edge, s.draw(st.sampled_from(same)))


def _constant(s: Sketch, edge: str, shape: Shape) -> None:
    s.put(ops.AddConstant(s.floats(*(n if s.draw(st.booleans()) else 1 for n in shape))), edge)


def _multiply(s: Sketch, edge: str, shape: Shape) -> None:
    fits = [
        name
        for name, other in s.shapes.items()
        if len(other) == len(shape) and all(n == m or 1 in (n, m) for n, m in zip(other, shape, strict=True))
    ]
    s.put(ops.Multiply(), edge, s.draw(st.sampled_from(fits)))


def _concat(s: Sketch, edge: str, shape: Shape) -> None:
    axis = s.int(0, len(shape) - 1)
    same = [
        n
        for n, other in s.shapes.items()
        if len(other) == len(shape)
        and other[:axis] == shape[:axis]
        and other[axis + 1 :] == shape[axis + 1 :]
    ]
    others = s.draw(st.lists(st.sampled_from(same), max_size=2))
    s.put(ops.Concat(axis), edge, *others)


def _take(s: Sketch, edge: str, shape: Shape) -> None:
    axis = s.int(0, len(shape) - 1)
    indices = s.draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=5))
    s.put(ops.Take(axis, tuple(indices)), edge)


def _stuff(s: Sketch, edge: str, shape: Shape) -> None:
    if len(shape) > 1 and math.prod(shape) < 1000:
        s.put(ops.ZeroStuff(tuple(s.int(1, 2) for _ in shape[1:])), edge)


def _softmax(s: Sketch, edge: str, shape: Shape) -> None:
    s.put(ops.Softmax(s.int(0, len(shape) - 1), s.draw(st.booleans())), edge)


def _layer_norm(s: Sketch, edge: str, shape: Shape) -> None:
    axes = s.int(1, len(shape))
    s.put(ops.LayerNorm(axes, s.floats(*shape[-axes:]), s.floats(*shape[-axes:]), 0.1), edge)


def _matmul(s: Sketch, edge: str, shape: Shape) -> None:
    if len(shape) > 1:
        perm = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
        s.put(ops.Transpose(perm), edge)
        s.put(ops.MatMul(), edge, s.nodes[-1].name)
