"""Product tables as outer products of bytes plus a rest: exact, within bytes, the same integers in all kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.execute import packing
from rapidnn.execute.native import KERNELS_VARIABLE, NativeNetwork
from rapidnn.execute.reference import run_reference
from rapidnn.execute.splitting import splits, with_remainders
from rapidnn.tables.products import product_table
from rapidnn.tables.program import Window
from tests.execute.programs import convolution, dense, network
from tests.execute.test_engines import inputs

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def assert_bytes(split):
    assert np.abs(split.weights).max(initial=0) <= 127
    for row in split.inputs:
        assert row.max() <= (255 if row.min() >= 0 else 127)
        assert row.min() >= -127


def operands(rng, count, signed):
    return np.sort(rng.choice(np.arange(-127 if signed else 0, 128), count, replace=False)).astype(np.int32)


@RELAXED
@given(st.integers(0, 2**32 - 1), st.integers(1, 64), st.integers(1, 64), st.sampled_from([1, 200, 32767]))
def test_any_table_is_its_splits(seed, rows, entries, magnitude):
    rng = np.random.default_rng(seed)
    table = rng.integers(-magnitude, magnitude, (rows, entries), endpoint=True)
    if seed % 2:
        table = np.rint(np.outer(rng.normal(size=rows), rng.normal(size=entries)) * magnitude).astype(
            np.int64
        )
    for split in splits(table, rng.integers(0, 9, rows).astype(np.float64)):
        assert_bytes(split)
        np.testing.assert_array_equal(split.weights @ split.inputs + split.rest, table)


@RELAXED
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.integers(1, 7), st.booleans())
def test_rounded_products_of_bytes_leave_no_rest(seed, rows, entries, shift, signed):
    rng = np.random.default_rng(seed)
    w, u = operands(rng, rows, True), operands(rng, entries, signed)
    table = product_table(w[np.newaxis], u, shift, 16)[0]
    split = with_remainders(w.astype(np.int64), u.astype(np.int64), table, shift)
    assert split is not None
    assert_bytes(split)
    assert len(split.inputs) <= 1 + 2 ** (shift - 1)
    np.testing.assert_array_equal(split.weights @ split.inputs, table.astype(np.int64) << shift)


@RELAXED
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_other_tables_are_refused_or_exact(seed, shift):
    rng = np.random.default_rng(seed)
    w, u = operands(rng, 16, True), operands(rng, 16, False)
    table = product_table(w[np.newaxis], u, shift, 16)[0].copy()
    table.flat[rng.integers(table.size, size=3)] = rng.choice([-32768, 32767], 3)
    split = with_remainders(w.astype(np.int64), u.astype(np.int64), table, shift)
    if split is not None:
        np.testing.assert_array_equal(split.weights @ split.inputs, table.astype(np.int64) << shift)


def rounded(rng, shift):
    """A rounded table of bytes, with the operands that made it."""
    w, u = operands(rng, 16, True), operands(rng, 16, False)
    return w, u, product_table(w[np.newaxis], u, shift, 16)[0]


@pytest.mark.parametrize("path", _native.kernel_paths())
@pytest.mark.parametrize("kind", ["dense", "long", "convolution"])
def test_kernels_run_tables_without_rest(monkeypatch, path, kind):
    rng = np.random.default_rng(7)
    shift = 2 if kind == "convolution" else 5  # few outer products, so that they are the cheapest form
    w, u, table = rounded(rng, shift)
    common = {"bits": 16, "products": table, "weights": 16, "inputs": 16, "bias": True}
    shape: tuple[int, ...] = (3, 9, 6)
    if kind == "convolution":
        program = convolution(shape, 21, Window((3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)), **common)
    else:
        shape = (300,) if kind == "dense" else (2600,)
        program = dense(shape[0], 37, **common)
    step = program.steps[1]
    group = program.group_of[step.source]
    step = replace(step, values=w[np.newaxis].astype(step.values.dtype), shift=shift)
    program = replace(
        program,
        steps=(program.steps[0], step, *program.steps[2:]),
        groups=tuple(
            replace(g, values=u.astype(g.values.dtype)) if g is group else g for g in program.groups
        ),
    )
    assert packing.remainder_split(program.steps[1], program.group_of[step.source]) is not None
    monkeypatch.setenv(KERNELS_VARIABLE, path)
    for batch in (1, 64, 130):
        x = inputs(rng, batch, *shape)
        found = NativeNetwork(network(program).program).run(x, threads=2, use_factors=False)
        np.testing.assert_array_equal(found[:40], run_reference(program, x[:40]))


def test_sums_that_would_not_fit_are_refused():
    rng = np.random.default_rng(3)
    w, u, table = rounded(rng, 7)
    made = dense(2**18, 1, bits=16, products=table, weights=16, inputs=16)
    step = made.steps[1]
    group = replace(made.group_of[step.source], values=u)
    step = replace(step, values=w[np.newaxis], shift=7)
    assert np.abs(table).max() > 100
    assert packing.remainder_split(step, group) is None
