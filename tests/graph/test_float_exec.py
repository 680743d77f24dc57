from __future__ import annotations

import itertools
import warnings
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.errors import DataError
from rapidnn.graph import ops
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.pooling import pool_divisors
from tests.graph.graphs import graphs, values


def single(shape: tuple[int, ...], op: ops.Op) -> Graph:
    return Graph((Node("x", ops.Input(shape), ()), Node("y", op, ("x",))), "y")


def windows(n: int, k: int, s: int, d: int, pads: tuple[int, int], count: int) -> list[list[int | None]]:
    """For each output position the input positions of its window, None for a place in the explicit padding."""
    result = []
    for m in range(count):
        places = [m * s - pads[0] + j * d for j in range(k)]
        inside = [p if 0 <= p < n else None for p in places if p < n + pads[1]]
        result.append(inside)
    return result


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_pools_follow_their_definition(data: st.DataObject) -> None:
    draw = data.draw
    spatial = tuple(draw(st.lists(st.integers(3, 7), min_size=1, max_size=2)))
    kernel = tuple(draw(st.integers(1, 3)) for _ in spatial)
    stride = tuple(draw(st.integers(1, 3)) for _ in spatial)
    pads = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in kernel)
    ceil, counted, maximum = draw(st.booleans()), draw(st.booleans()), draw(st.booleans())
    ones = (1,) * len(spatial)
    op = (
        ops.MaxPool(kernel, stride, pads, ones, ceil)
        if maximum
        else ops.AvgPool(kernel, stride, pads, ceil, counted)
    )
    graph = single((2, *spatial), op)
    x = values(graph)
    found = run_float(graph, x)
    axes = [
        windows(n, k, s, 1, p, m)
        for n, k, s, p, m in zip(spatial, kernel, stride, pads, found.shape[2:], strict=True)
    ]
    for place in itertools.product(*(range(m) for m in found.shape[2:])):
        cells = list(itertools.product(*(axes[a][m] for a, m in enumerate(place))))
        real = [x[(slice(None), slice(None), *cell)] for cell in cells if None not in cell]
        if maximum:
            wanted = np.max(real, axis=0)
        else:
            wanted = np.sum(real, axis=0) / (len(cells) if counted else len(real))
            assert pool_divisors(op, spatial)[place] == (len(cells) if counted else len(real))
        np.testing.assert_allclose(found[(slice(None), slice(None), *place)], wanted, rtol=1e-5, atol=1e-6)


def test_dilated_max_pool_and_asymmetric_convolution() -> None:
    pool = single((2, 7, 7), ops.MaxPool((2, 3), (1, 2), ((1, 1), (2, 2)), (2, 2), False))
    x = values(pool)
    padded = torch.nn.functional.pad(torch.tensor(x), (2, 2, 1, 1), value=-np.inf)
    wanted = torch.nn.functional.max_pool2d(padded, (2, 3), (1, 2), 0, (2, 2))
    np.testing.assert_array_equal(run_float(pool, x), wanted.numpy())
    weight = np.random.default_rng(0).normal(size=(4, 1, 2, 3)).astype(np.float32)
    bias = np.arange(4, dtype=np.float32)
    conv = single((2, 7, 7), ops.Conv(weight, bias, (2, 1), ((0, 1), (2, 0)), (1, 2), 2))
    padded = torch.nn.functional.pad(torch.tensor(x), (2, 0, 0, 1))
    wanted = torch.nn.functional.conv2d(
        padded, torch.tensor(weight), torch.tensor(bias), (2, 1), 0, (1, 2), 2
    )
    np.testing.assert_allclose(run_float(conv, x), wanted.numpy(), rtol=1e-5, atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(graph=graphs())
def test_observer_sees_every_edge_in_order_with_its_shape(graph: Graph) -> None:
    seen: dict[str, tuple[int, ...]] = {}
    result = run_float(graph, values(graph), lambda name, value: seen.update({name: tuple(value.shape[1:])}))
    assert seen == graph.shapes
    assert list(seen) == [node.name for node in graph]
    assert result.shape[1:] == graph.output_shape
    assert result.dtype == np.float32


def test_values_are_freed_after_their_last_reader() -> None:
    relu = ops.Activation("tanh")
    names = [f"n{k}" for k in range(6)]
    nodes = [Node("x", ops.Input((50,)), ())]
    nodes += [Node(name, relu, (nodes[-1].name if k == 0 else names[k - 1],)) for k, name in enumerate(names)]
    dead = Node("dead", relu, ("n1",))
    graph = Graph((*nodes[:4], dead, *nodes[4:]), "n5")
    alive: dict[str, weakref.ref[torch.Tensor]] = {}

    def observe(name: str, value: torch.Tensor) -> None:
        held = {other for other, ref in alive.items() if ref() is not None}
        if name in ("n4", "n5"):
            assert held == {f"n{int(name[1]) - 1}"}
        alive[name] = weakref.ref(value)

    run_float(graph, values(graph), observe)


def test_read_only_weights_are_used_in_place_without_a_warning() -> None:
    weight, bias = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    weight.flags.writeable = bias.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = run_float(single((3,), ops.Linear(weight, bias)), np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(result, [[3, 3]])


def test_the_result_is_no_view_of_the_input() -> None:
    x = np.ones((1, 3), np.float32)
    result = run_float(single((3,), ops.Reshape((1, 3))), x)
    x[:] = 5
    assert (result == 1).all()


@pytest.mark.parametrize("x", [np.ones((2, 4), np.float32), np.ones((2, 3)), np.ones(3, np.float32)])
def test_wrong_batches_are_refused(x: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"float32 \(N, 3\)"):
        run_float(single((3,), ops.Activation("relu")), x)
