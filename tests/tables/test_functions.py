from __future__ import annotations

import math

import numpy as np
import pytest

from rapidnn.graph import ops
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.passes.activations import is_monotone, zero_at_zero
from rapidnn.tables.functions import FLAT, PARAMETERS, function, saturation

CASES = [
    ("sigmoid", ()),
    ("tanh", ()),
    ("leaky_relu", (0.1,)),
    ("leaky_relu", (-0.2,)),
    ("leaky_relu", (0.0,)),
    ("elu", (1.0,)),
    ("elu", (-0.7,)),
    ("hard_sigmoid", (0.2, 0.5)),
    ("hard_sigmoid", (1 / 6, 0.5)),
    ("hard_sigmoid", (-0.25, 0.0)),
    ("hard_swish", ()),
    ("gelu", ()),
    ("gelu_tanh", ()),
    ("silu", ()),
    ("clip", (-1.5, 2.0)),
    ("clip", (0.5, 2.0)),
]
X = np.concatenate([np.linspace(-40, 40, 4001), [-3.0, 0.0, 3.0, 1e-9, -1e-9]])


def test_every_kind_is_covered() -> None:
    assert {kind for kind, _ in CASES} == set(PARAMETERS)


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_float_graph_agrees(kind: str, parameters: tuple[float, ...]) -> None:
    op = ops.Activation(kind, parameters)
    graph = Graph((Node("x", ops.Input((len(X),)), ()), Node("y", op, ("x",))), "y")
    x = X.astype(np.float32)[np.newaxis]
    np.testing.assert_allclose(
        run_float(graph, x), function(kind, parameters)(x.astype(np.float64)), atol=3e-6
    )


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_flat_beyond_the_saturation(kind: str, parameters: tuple[float, ...]) -> None:
    low, high = saturation(kind, parameters)
    f = function(kind, parameters)
    assert low <= high
    for edge, far in ((low, -1e4), (high, 1e4)):
        if math.isfinite(edge):
            unit = {"tanh": 2.0, "elu": abs(parameters[0]) if parameters else 1.0}.get(kind, 1.0)
            beyond = np.concatenate([np.linspace(edge, edge + np.sign(far), 100), [far]])
            assert np.abs(f(beyond) - f(np.array([far]))).max() <= FLAT * unit * (1 + 1e-9)
        else:  # linear: an equal step for an equal step
            steps = np.diff(f(np.array([far, far / 2, 0.0]) + far))
            assert steps[0] == pytest.approx(steps[1], rel=1e-6)
            assert steps[0] != 0


def test_erf_form_is_exact() -> None:
    x = np.linspace(-8, 8, 257)
    exact = [0.5 * v * math.erfc(-v / math.sqrt(2)) for v in x]
    np.testing.assert_allclose(function("gelu")(x), exact, rtol=1e-14)
    assert function("gelu")(np.array(1.0)) == pytest.approx(0.8413447460685429, abs=1e-12)


@pytest.mark.parametrize(("kind", "parameters"), CASES)
def test_what_passes_rely_on(kind: str, parameters: tuple[float, ...]) -> None:
    f, op = function(kind, parameters), ops.Activation(kind, parameters)
    assert zero_at_zero(op) == (float(f(np.array(0.0))) == 0)
    assert is_monotone(op) == bool((np.diff(f(np.sort(X))) >= 0).all())


@pytest.mark.parametrize(
    ("kind", "parameters"), [("relu", ()), ("tanh", (1.0,)), ("clip", (0.0,)), ("magic", ())]
)
def test_unknown_functions_are_refused(kind: str, parameters: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match=r"has no function|takes"):
        function(kind, parameters)
    with pytest.raises(ValueError, match=r"has no function|takes"):
        saturation(kind, parameters)
