"""docs/format.md is enough: a reader written from that page alone gives the package's integers and reals."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file

from rapidnn.execute.composed import ComposedNetwork
from tests.strategies import compositions, with_hostile_tables
from tests.tables import independent_reader as reader

RELAXED = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def assert_same(composed, x, path):
    composed.save(path)
    integers, real = reader.execute(reader.read(path)["program"], x)
    if integers is None:
        assert composed.program.ends_on_host
    else:
        np.testing.assert_array_equal(integers, composed.run(x, backend="reference"))
    assert real.dtype == np.float32
    np.testing.assert_array_equal(real, composed(x))


@RELAXED
@given(compositions())
def test_random_compositions(tmp_path_factory, made):
    _, composed, x = made
    assert_same(composed, x, tmp_path_factory.mktemp("page") / "net.rapidnn")


@settings(RELAXED, max_examples=20)
@given(compositions(), st.integers(0, 2**32 - 1))
def test_hostile_tables(tmp_path_factory, made, seed):
    _, composed, x = made
    program = with_hostile_tables(composed.program, np.random.default_rng(seed))
    hostile = ComposedNetwork(program, composed.preprocess, {"name": "größer ∞"})
    assert_same(hostile, x, tmp_path_factory.mktemp("page") / "net.rapidnn")


@settings(RELAXED, max_examples=5)
@given(compositions(), st.integers(0, 2**32 - 1))
def test_the_digests_on_the_page_find_a_changed_byte(tmp_path_factory, made, seed):
    path = tmp_path_factory.mktemp("page") / "net.rapidnn"
    made[1].save(path)
    with safe_open(path, framework="numpy") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    rng = np.random.default_rng(seed)
    name = rng.choice([name for name, t in tensors.items() if t.size])
    tensors[name] = tensors[name].copy()
    tensors[name].view(np.uint8).reshape(-1)[rng.integers(tensors[name].nbytes)] ^= 1
    save_file(tensors, path, metadata)
    with pytest.raises(ValueError, match="damaged"):
        reader.read(path)
