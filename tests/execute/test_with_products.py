"""Replaced product tables, one per neuron where cells are stuck: the same integers on every engine."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
from rapidnn.execute.composed import load
from rapidnn.execute.native import supports
from rapidnn.graph import Graph, Node, ops
from rapidnn.tables.program import WeightedSum
from rapidnn.tables.validate import validate
from tests.execute.engines import assert_engines_equal
from tests.execute.programs import dense, network
from tests.strategies import compositions, quiet
from tests.tables import independent_reader

RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def stuck(program, rng):
    """Per-neuron tables in which some cells hold the extremes of their width."""
    damaged = {}
    for step in program.steps:
        if isinstance(step, WeightedSum):
            tables = np.broadcast_to(step.products, (step.channels, *step.products.shape[1:])).copy()
            cells = rng.random(tables.shape) < rng.choice([0.01, 0.3])
            extremes = [-(2 ** (step.product_bits - 1)), 2 ** (step.product_bits - 1) - 1, 0]
            tables[cells] = rng.choice(extremes, size=int(cells.sum()))
            damaged[step.name] = tables
    return damaged


@RELAXED
@given(compositions(), st.sampled_from([1, 3, 70]), st.integers(0, 2**32 - 1))
def test_stuck_cells(made, batch, seed):
    _, composed, x = made
    rng = np.random.default_rng(seed)
    try:
        damaged = composed.with_products(stuck(composed.program, rng))
    except DataError as error:  # wide products may reach further than sums may
        assume("2**31" not in str(error))
        raise
    validate(damaged.program)
    assert_engines_equal(damaged, x[rng.integers(len(x), size=batch)])


def test_a_residual_enters_damaged_neurons_through_the_layer_wide_row(tmp_path):
    """A layer-wide row beside tables per neuron: axes with as many sets as neurons must not be mixed up."""
    composed, x = residual_network()
    rng = np.random.default_rng(5)
    damaged = composed.with_products(stuck(composed.program, rng))
    sums = [s for s in damaged.program.steps if isinstance(s, WeightedSum) and s.residuals]
    assert sums
    assert all(len(s.products) > 1 and len(s.residuals[0].rows) == 1 for s in sums)
    assert_engines_equal(damaged, x)
    path = tmp_path / "damaged.rapidnn"
    damaged.save(path)
    again = load(path)
    assert (again.accumulators(x) == damaged.accumulators(x, backend="reference")).all()
    assert not (again.accumulators(x) == composed.accumulators(x)).all()
    assert (
        independent_reader.execute(independent_reader.read(path)["program"], x)[0] == again.accumulators(x)
    ).all()


def residual_network():
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.normal(size=shape).astype(np.float32)

    nodes = (
        Node("input", ops.Input((3, 6, 6)), ()),
        Node("a", ops.Conv(normal(3, 3, 3, 3), normal(3), (1, 1), ((1, 1), (1, 1)), (1, 1), 1), ("input",)),
        Node("sum", ops.Add(), ("a", "input")),
        Node("relu", ops.Activation("relu"), ("sum",)),
        Node("flat", ops.Reshape((108,)), ("relu",)),
        Node("out", ops.Linear(normal(5, 108), normal(5)), ("flat",)),
    )
    x = rng.normal(size=(70, 3, 6, 6)).astype(np.float32)
    return compose_graph(Graph(nodes, "out"), x, Settings(16, 16), None, {}, threads=1, progress=quiet), x


def test_the_tables_are_the_neurons_own():
    """Against the definition: out[o] = sum over k of P[o, c[o, k], x[k]]."""
    rng = np.random.default_rng(6)
    composed = network(dense(30, 4, bits=16, products=None))
    step = composed.program.step["fc"]
    tables = rng.integers(-(2**15), 2**15, (4, 4, 6))
    x = rng.normal(size=(8, 30)).astype(np.float32)
    codes = np.searchsorted(composed.program.steps[0].thresholds, x)
    expected = [
        [sum(tables[o, step.weight_codes[o, k], row[k]] for k in range(30)) for o in range(4)]
        for row in codes
    ]
    damaged = composed.with_products({"fc": tables})
    assert (damaged.accumulators(x) == expected).all()
    assert_engines_equal(damaged, x)
    whole = composed.with_products({"fc": tables[0]})
    assert whole.program.step["fc"].products.shape == (1, 4, 6)
    assert_engines_equal(whole, x)


@pytest.mark.parametrize(
    ("products", "message"),
    [
        ({"fd": np.zeros((4, 6), int)}, "no layer of that name has product tables; there are fc"),
        ({"x": np.zeros((4, 6), int)}, "no layer of that name"),
        ({"fc": np.zeros((4, 6))}, "of type float64"),
        ({"fc": np.zeros((3, 4, 6), int)}, r"\(2, 4, 6\) or \(4, 6\) is expected"),
        ({"fc": np.full((4, 6), 2**15)}, "16 bits hold -32768 to 32767"),
    ],
)
def test_refusals(products, message):
    with pytest.raises(DataError, match=message):
        network(dense(3, 2, bits=16, products=None)).with_products(products)


def test_sums_that_could_overflow_are_refused():
    composed = network(dense(8, 2, bits=31, products=None))
    with pytest.raises(DataError, match=r"could reach 8589934584; sums must stay below 2\*\*31"):
        composed.with_products({"fc": np.full((4, 6), 2**30 - 1)})


def test_supports_damaged_tables():
    assert supports(network(dense(3, 2, bits=16, products=np.ones((2, 4, 6)))).program)
