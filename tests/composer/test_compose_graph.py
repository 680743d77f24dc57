"""A composition with the largest codebooks follows the float network: every operator's meaning, end to end."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.graph.float_exec import run_float
from tests.strategies import graphs, quiet


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs(max_nodes=6, host=False), st.sampled_from(["layer", "channel"]))
def test_large_codebooks_follow_the_float_network(graph, granularity):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(8, *graph.input_shape)).astype(np.float32)
    # One codebook for x and x**8, as concatenating them would ask for, cannot serve both.
    chosen = Settings(256, 256, granularity, 4096, operand_bits=16, product_bits=28, concat="reencode")
    composed = compose_graph(graph, x, chosen, None, {}, threads=1, progress=quiet)
    expected = run_float(graph, x)
    found = composed(x)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    error = np.sqrt(((found - expected) ** 2).mean())
    assert error <= 0.03 * np.sqrt((expected**2).mean()) + 1e-6
