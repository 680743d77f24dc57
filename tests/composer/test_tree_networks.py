"""Networks of tree codebooks: every level is a program of its own, with the finest's codes less their low bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import rapidnn
from rapidnn.composer.compose import compose_graph
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError, DataError
from rapidnn.tables.levels import bits
from rapidnn.tables.program import EncodeInput, WeightedSum
from tests.strategies import graphs
from tests.tables import independent_reader as reader

RELAXED = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
CNN = nn.Sequential(
    nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 6, 3, padding=1), nn.Tanh(),
    nn.Flatten(), nn.Linear(6 * 16, 5),
).eval()  # fmt: skip


def quiet(stage, done, total):
    pass


def images(count, seed=0):
    return np.random.default_rng(seed).standard_normal((count, 2, 8, 8)).astype(np.float32)


def codes_of(program, x):
    seen = {}
    composed = rapidnn.ComposedNetwork(program, rapidnn.Preprocess.identity(program.input_shape), {})
    composed.run(x, backend="reference", observe=seen.__setitem__)
    return seen


@RELAXED
@given(
    st.tuples(graphs(), st.integers(0, 99)),
    st.sampled_from([2, 4, 16]),
    st.sampled_from([4, 16]),
    st.sampled_from([2, 4, 256]),
)
def test_every_level_is_exact_on_every_backend(tmp_path_factory, made, weights, inputs, optimal):
    graph, seed = made
    x = np.random.default_rng(seed).normal(size=(8, *graph.input_shape)).astype(np.float32)
    chosen = Settings(weights, inputs, tree=optimal)
    composed = compose_graph(graph, x, chosen, None, {}, threads=1, progress=quiet)
    path = tmp_path_factory.mktemp("tree") / "net.rapidnn"
    composed.save(path)
    document, loaded = reader.read(path), rapidnn.load(path)
    depth = max(bits(group.size) for group in composed.program.groups)
    assert loaded.levels.keys() == composed.levels.keys()
    for level in range(1, depth):
        expected = composed.at_level(level).run(x[:5], backend="reference")
        for backend in ("cpu", "numpy", "torch"):
            np.testing.assert_array_equal(loaded.at_level(level).run(x[:5], backend=backend), expected)
        integers, _ = reader.execute(document["levels"][str(level)], x[:5])
        if integers is not None:
            np.testing.assert_array_equal(integers, expected)


def test_codes_of_a_level_are_the_finest_without_low_bits():
    x = images(100)
    composed = rapidnn.compose(CNN, x, 16, 16, tree=True)
    first = composed.program.steps[0]
    assert isinstance(first, EncodeInput)
    for level, program in composed.levels.items():
        seen = {
            name: codes_of(network, x[:4])
            for name, network in (("finest", composed.program), ("level", program))
        }
        np.testing.assert_array_equal(seen["level"][first.name], seen["finest"][first.name] >> (4 - level))
        for step in program.steps:
            if isinstance(step, WeightedSum):
                whole = composed.program.step[step.name].weight_codes
                np.testing.assert_array_equal(step.weight_codes, whole >> (4 - level))
                assert step.values.shape[1] == 2**level


def test_zero_stays_zero_where_padding_reads_it():
    composed = rapidnn.compose(CNN, images(100), 16, 16, tree=4)
    for program in (composed.program, *composed.levels.values()):
        for step in program.steps:
            if isinstance(step, WeightedSum) and step.window is not None:
                group = program.group_of[step.source]
                assert group.values[group.pad_code] == 0


def test_the_same_bytes_for_any_number_of_threads(tmp_path):
    for threads in (1, 2):
        rapidnn.compose(CNN, images(300), 16, 8, tree=True, threads=threads).save(
            tmp_path / f"{threads}.rapidnn"
        )
    assert (tmp_path / "1.rapidnn").read_bytes() == (tmp_path / "2.rapidnn").read_bytes()


def test_every_level_is_validated():
    x = images(60)
    composed = rapidnn.compose(CNN, x, 16, 16, tree=True, validation=(x, np.zeros(60, np.int64)))
    assert sorted(composed.info["levels"]) == ["1", "2", "3"]
    assert composed.info["levels"]["3"]["samples"] == 60


def test_what_is_not_possible_is_refused():
    x = images(60)
    with pytest.raises(ComposeError, match="power of two"):
        rapidnn.compose(CNN, x, 16, 12, tree=True)
    with pytest.raises(ComposeError, match="power of two"):
        rapidnn.compose(CNN, x, 16, 16, tree=5)
    with pytest.raises(ComposeError, match="leave tree or max_loss out"):
        rapidnn.compose(CNN, x, 16, 16, tree=True, max_loss=0.1, validation=(x, np.zeros(60, np.int64)))
    flat = rapidnn.compose(CNN, x, 16, 16)
    with pytest.raises(DataError, match="compose with tree"):
        flat.at_level(3)
    assert flat.at_level(4) is flat
