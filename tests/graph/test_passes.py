from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.graph import ops
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.passes import (
    drop_noops,
    fold_batch_norm,
    fold_uniform_scales,
    lower_batch_norm,
    raise_activations,
    remove_dead,
    run_passes,
)
from rapidnn.graph.passes.activations import is_monotone
from tests.graph.graphs import graphs, values

PASSES = [
    drop_noops,
    fold_batch_norm,
    fold_uniform_scales,
    lower_batch_norm,
    raise_activations,
    remove_dead,
    run_passes,
]
RNG = np.random.default_rng(1)


def floats(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def chain(shape: tuple[int, ...], *operators: ops.Op) -> Graph:
    nodes = [Node("x", ops.Input(shape), ())]
    for k, op in enumerate(operators):
        nodes.append(Node(f"n{k}", op, (nodes[-1].name,)))
    return Graph(tuple(nodes), nodes[-1].name)


def kinds(graph: Graph) -> list[str]:
    return [ops.op_name(node.op) for node in graph][1:]


def conv(channels: int, out: int, kernel: int = 3, padding: int = 0) -> ops.Conv:
    pads = ((padding, padding),) * 2
    return ops.Conv(floats(out, channels, kernel, kernel), floats(out), (1, 1), pads, (1, 1), 1)


def norm(channels: int) -> ops.BatchNorm:
    return ops.BatchNorm(floats(channels), floats(channels))


RELU = ops.Activation("relu")
POOL = ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False)


def assert_equal(graph: Graph, rewritten: Graph) -> None:
    x = values(graph)
    wanted, found = run_float(graph, x), run_float(rewritten, x)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5 * (1 + np.abs(wanted).max()))


@pytest.mark.parametrize("rewrite", PASSES, ids=lambda p: p.__name__)
@settings(max_examples=60, deadline=None)
@given(graph=graphs())
def test_passes_keep_the_function(rewrite, graph: Graph) -> None:
    assert_equal(graph, rewrite(graph))


@settings(max_examples=100, deadline=None)
@given(graph=graphs(max_nodes=14))
def test_result_of_all_passes(graph: Graph) -> None:
    result = run_passes(graph)
    readers = result.consumers()
    for node in result:
        assert not isinstance(node.op, ops.BatchNorm)
        assert readers[node.name] or node.name in (result.output, result.input.name)
        if isinstance(node.op, ops.Reshape | ops.Transpose):
            assert not isinstance(result[node.inputs[0]].op, type(node.op))
        if isinstance(node.op, ops.Activation):
            source = result[node.inputs[0]]
            moved = isinstance(source.op, ops.Reshape | ops.Transpose | ops.Slice | ops.Take)
            moved |= isinstance(source.op, ops.MaxPool) and is_monotone(node.op)
            assert not moved or len(readers[source.name]) > 1 or source.name == result.output


@settings(max_examples=50, deadline=None)
@given(graph=graphs())
def test_passes_are_idempotent(graph: Graph) -> None:
    once = run_passes(graph)
    assert kinds(run_passes(once)) == kinds(once)


def test_norm_folds_into_convolution_and_keeps_its_name() -> None:
    graph = chain((2, 6, 6), conv(2, 4, padding=1), norm(4), RELU)
    folded = fold_batch_norm(graph)
    assert [(n.name, ops.op_name(n.op)) for n in folded] == [("x", "Input"), ("n0", "Conv"), ("n2", "relu")]
    assert_equal(graph, folded)


def test_norms_in_a_row_fold() -> None:
    graph = chain((5,), ops.Linear(floats(4, 5), floats(4)), norm(4), norm(4))
    assert kinds(fold_batch_norm(graph)) == ["Linear"]
    assert kinds(fold_batch_norm(chain((5,), norm(5), norm(5)))) == ["BatchNorm"]


def test_norm_folds_through_moves_of_the_channel_axis() -> None:
    linear = ops.Linear(floats(4, 5), floats(4))
    swapped = chain((3, 5), linear, ops.Transpose((1, 0)), norm(4), ops.Transpose((1, 0)))
    assert kinds(fold_batch_norm(swapped)) == ["Linear", "Transpose", "Transpose"]
    assert kinds(run_passes(swapped)) == ["Linear"]
    assert_equal(swapped, run_passes(swapped))
    viewed = chain((2, 6, 6), conv(2, 4, kernel=6), ops.Reshape((4,)), norm(4))
    assert kinds(fold_batch_norm(viewed)) == ["Conv", "Reshape"]


def test_norm_does_not_fold_where_it_must_not() -> None:
    rows = chain((3, 5), ops.Linear(floats(4, 5), floats(4)), norm(3))  # the channel axis is not the linear's
    assert kinds(fold_batch_norm(rows)) == ["Linear", "BatchNorm"]
    shared = Graph(
        (
            Node("x", ops.Input((2, 6, 6)), ()),
            Node("c", conv(2, 2, padding=1), ("x",)),
            Node("b", norm(2), ("c",)),
            Node("a", ops.Add(), ("b", "c")),
        ),
        "a",
    )
    assert kinds(fold_batch_norm(shared)) == ["Conv", "BatchNorm", "Add"]
    assert_equal(shared, run_passes(shared))
    reported = Graph(shared.nodes[:3], "c")
    assert fold_batch_norm(reported).output == "c"
    assert_equal(reported, fold_batch_norm(reported))


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 4, 5), (3, 4, 5, 2), (3, 2, 2, 2, 2)])
def test_standalone_norm_becomes_depthwise(shape: tuple[int, ...]) -> None:
    graph = chain(shape, norm(3), RELU)
    lowered = run_passes(graph)
    assert_equal(graph, lowered)
    inner = lowered["n0"].op
    assert isinstance(inner, ops.Conv)
    assert inner.groups == 3
    assert kinds(lowered)[kinds(lowered).index("Conv") + 1] == "relu"


def test_activation_moves_above_pool_and_shape_operators() -> None:
    graph = chain((2, 8, 8), conv(2, 3), POOL, ops.Reshape((27,)), ops.Activation("sigmoid"))
    raised = raise_activations(graph)
    assert kinds(raised) == ["Conv", "sigmoid", "MaxPool", "Reshape"]
    assert raised.output == "n2"
    assert_equal(graph, raised)


def test_activation_passes_padding_only_if_zero_stays_zero() -> None:
    pad = ops.Pad(((0, 0), (1, 0), (0, 2)))
    assert kinds(raise_activations(chain((2, 4, 4), pad, ops.Activation("tanh")))) == ["tanh", "Pad"]
    assert kinds(raise_activations(chain((2, 4, 4), pad, ops.Activation("sigmoid")))) == ["Pad", "sigmoid"]


def test_activation_stays_below_a_pool_that_others_read() -> None:
    graph = Graph(
        (
            Node("x", ops.Input((2, 4, 4)), ()),
            Node("p", POOL, ("x",)),
            Node("r", RELU, ("p",)),
            Node("a", ops.Add(), ("r", "p")),
        ),
        "a",
    )
    assert kinds(raise_activations(graph)) == ["MaxPool", "relu", "Add"]


def test_average_pool_is_not_passed() -> None:
    mean = ops.AvgPool((2, 2), (2, 2), ((0, 0), (0, 0)), False, False)
    assert kinds(raise_activations(chain((2, 4, 4), mean, RELU))) == ["AvgPool", "relu"]


@pytest.mark.parametrize(
    ("operators", "left"),
    [
        ([ops.Reshape((2, 4, 6))], []),
        ([ops.Transpose((0, 2, 1)), ops.Transpose((0, 2, 1))], []),
        ([ops.Reshape((48,)), ops.Reshape((8, 6))], ["Reshape"]),
        ([ops.Reshape((48,)), ops.Reshape((2, 4, 6))], []),
        ([ops.Slice((0, 0, 0), (2, 4, 6), (1, 1, 1))], []),
        ([ops.Slice((0, 0, 0), (2, 4, 6), (1, 2, 1)), ops.Slice((0, 0, 1), (2, 2, 6), (1, 1, 2))], ["Slice"]),
        ([ops.Pad(((0, 0),) * 3)], []),
        ([ops.Pad(((1, 0), (0, 0), (0, 0))), ops.Pad(((0, 2), (0, 0), (0, 1)))], ["Pad"]),
        ([ops.Pad(((0, 0), (1, 0), (0, 2))), conv(2, 3, padding=1)], ["Conv"]),
        ([ops.Pad(((1, 0), (1, 0), (0, 2))), conv(3, 3, padding=1)], ["Pad", "Conv"]),
        ([RELU, RELU], ["relu"]),
        ([RELU, ops.Activation("relu6")], ["relu6"]),
        ([ops.Activation("relu6"), RELU], ["relu6"]),
        ([ops.Activation("sigmoid"), RELU], ["sigmoid"]),
        ([ops.Activation("tanh"), RELU], ["tanh", "relu"]),
        ([ops.Activation("tanh"), ops.Activation("tanh")], ["tanh", "tanh"]),
        ([ops.AvgPool((1, 1), (1, 1), ((0, 0),) * 2, True, True)], []),
        ([ops.MaxPool((1, 1), (2, 2), ((0, 0),) * 2, (1, 1), False)], ["Slice"]),
    ],
)
def test_noops(operators: list[ops.Op], left: list[str]) -> None:
    graph = chain((2, 4, 6), *operators)
    result = remove_dead(drop_noops(graph))
    assert kinds(result) == left
    np.testing.assert_allclose(
        run_float(result, values(graph)), run_float(graph, values(graph)), rtol=1e-5, atol=1e-6
    )


@settings(max_examples=50, deadline=None)
@given(n=st.integers(1, 12), data=st.data())
def test_slices_compose(n: int, data: st.DataObject) -> None:
    def bounds(size: int) -> ops.Slice:
        start = data.draw(st.integers(0, size - 1))
        stop, step = data.draw(st.integers(start + 1, size)), data.draw(st.integers(1, 4))
        return ops.Slice((start,), (stop,), (step,))

    first = bounds(n)
    second = bounds(len(range(first.starts[0], first.stops[0], first.steps[0])))
    graph = chain((n,), first, second)
    result = drop_noops(graph)
    assert kinds(remove_dead(result)) in ([], ["Slice"])
    np.testing.assert_array_equal(run_float(result, values(graph)), run_float(graph, values(graph)))


def test_dead_nodes_go() -> None:
    graph = chain((4,), RELU, ops.Activation("tanh"))
    assert kinds(remove_dead(Graph(graph.nodes, "n0"))) == ["relu"]


def scale(value: float, count: int, shift: float = 0.0) -> ops.BatchNorm:
    return ops.BatchNorm(np.full(count, value, np.float32), np.full(count, shift, np.float32))


def packed(*extra: Node, output: str) -> Graph:
    """A linear layer of which one half is scaled and multiplied with the other."""
    nodes = [
        Node("x", ops.Input((4, 3)), ()),
        Node("qk", ops.Linear(floats(6, 3), floats(6)), ("x",)),
        Node("q", ops.Slice((0, 0), (4, 3), (1, 1)), ("qk",)),
        Node("k", ops.Slice((0, 3), (4, 6), (1, 1)), ("qk",)),
        Node("kt", ops.Transpose((1, 0)), ("k",)),
        *extra,
    ]
    return Graph(tuple(nodes), output)


def test_a_scale_folds_into_its_part_of_a_layer() -> None:
    graph = packed(Node("s", scale(0.5, 4, 0.25), ("q",)), Node("y", ops.MatMul(), ("s", "kt")), output="y")
    folded = fold_uniform_scales(graph)
    assert "BatchNorm" not in kinds(folded)
    assert (folded["qk"].op.weight[3:] == graph["qk"].op.weight[3:]).all()
    assert_equal(graph, folded)


def test_a_scale_folds_through_a_product_of_activations() -> None:
    graph = packed(Node("m", ops.MatMul(), ("q", "kt")), Node("y", scale(0.5, 4), ("m",)), output="y")
    folded = fold_uniform_scales(graph)
    assert "BatchNorm" not in kinds(folded)
    assert_equal(graph, folded)


@pytest.mark.parametrize(
    "extra",
    [
        [Node("m", ops.MatMul(), ("q", "kt")), Node("y", scale(0.5, 4, 0.1), ("m",))],  # a shift of a product
        [Node("s", scale(0.5, 4), ("q",)), Node("y", ops.Add(), ("s", "q"))],  # others read what is scaled
        [Node("m", ops.MatMul(), ("q", "kt")), Node("s", scale(0.5, 4), ("m",)), Node("y", ops.Add(), ("s", "m"))],
        [Node("s", scale(0.5, 4), ("q",)), Node("r", ops.Slice((0, 2), (4, 5), (1, 1)), ("qk",)),
         Node("y", ops.Add(), ("s", "r"))],  # an overlapping part
    ],
)  # fmt: skip
def test_scales_that_must_stay(extra: list[Node]) -> None:
    graph = packed(*extra, output="y")
    folded = fold_uniform_scales(graph)
    assert "BatchNorm" in kinds(folded)
    assert_equal(graph, folded)


def test_a_norm_folds_into_a_layer_norm() -> None:
    op = ops.LayerNorm(1, floats(5), floats(5), 0.1)
    graph = chain((4, 5), op, ops.Transpose((1, 0)), norm(5), ops.Transpose((1, 0)))
    assert kinds(run_passes(graph)) == ["LayerNorm"]
    assert_equal(graph, run_passes(graph))


def test_constants_add_up_and_takes_compose() -> None:
    graph = chain(
        (4, 5), ops.AddConstant(floats(4, 5)), ops.AddConstant(floats(5)), ops.Take(0, (3, 3, 0)), ops.Take(0, (2, 0)),
        ops.Take(1, (0, 1, 2, 3, 4)), ops.Concat(0), ops.AddConstant(np.zeros((1, 5), np.float32)),
    )  # fmt: skip
    assert kinds(run_passes(graph)) == ["AddConstant", "Take"]
    assert_equal(graph, run_passes(graph))


@pytest.mark.parametrize(
    ("op", "activation", "raised"),
    [
        (POOL, ops.Activation("gelu"), False),
        (POOL, ops.Activation("leaky_relu", (0.1,)), True),
        (POOL, ops.Activation("leaky_relu", (-0.1,)), False),
        (ops.Pad(((0, 0), (1, 1), (1, 1))), ops.Activation("gelu"), True),
        (ops.Pad(((0, 0), (1, 1), (1, 1))), ops.Activation("hard_sigmoid", (0.2, 0.5)), False),
        (ops.Pad(((0, 0), (1, 1), (1, 1))), ops.Activation("clip", (0.1, 0.5)), False),
        (ops.ZeroStuff((2, 2)), ops.Activation("silu"), True),
        (ops.ZeroStuff((2, 2)), ops.Activation("sigmoid"), False),
        (ops.Take(1, (0, 0, 1, 1)), ops.Activation("sigmoid"), True),
    ],
)
def test_activations_rise_where_that_is_equal(op: ops.Op, activation: ops.Activation, raised: bool) -> None:
    graph = chain((2, 4, 4), op, activation)
    order = kinds(raise_activations(graph))
    assert (order[0] == activation.kind) is raised
    assert_equal(graph, raise_activations(graph))
