"""Product tables split into byte dot products and a residual: exact or refused, the same integers in all kernels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.execute.native import KERNELS_VARIABLE, NativeNetwork
from rapidnn.execute.reference import run_reference
from rapidnn.execute.residual import offsets, residual_table, split_products
from rapidnn.tables.products import product_table
from rapidnn.tables.program import WeightedSum, Window
from tests.execute.programs import convolution, dense, network
from tests.execute.test_engines import inputs

RELAXED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def composed_table(rng, weights, codes, bits, signed):
    w = np.sort(rng.choice(np.arange(-30000, 30000), weights, replace=False)).astype(np.int32)
    low = -30000 if signed else 0
    u = np.sort(rng.choice(np.arange(low, 30000), codes, replace=False)).astype(np.int32)
    shift = next(s for s in range(40) if np.rint(9e8 / 2.0**s) <= 2 ** (bits - 1) - 1)
    return product_table(w[np.newaxis], u, shift, bits)[0]


def whole(split):
    """The table put together as the kernels do it: operands are bytes above an offset, which is taken off again."""
    operands = split.inputs + offsets(split)[:, np.newaxis]
    assert operands.min() >= 0
    assert operands.max() <= 255
    assert np.abs(split.weights).max() <= 127
    assert offsets(split).max() <= 255
    dots = split.weights.T @ operands - (split.weights.T @ offsets(split))[:, np.newaxis]
    return dots + split.least + residual_table(split)[:, : len(dots)].T


@RELAXED
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 64),
    st.integers(1, 64),
    st.sampled_from([8, 11, 16]),
    st.booleans(),
)
def test_composed_tables_split_exactly(seed, weights, codes, bits, signed):
    table = composed_table(np.random.default_rng(seed), weights, codes, bits, signed)
    split = split_products(table)
    assert split is not None
    np.testing.assert_array_equal(whole(split), table)
    assert split.segment * split.peak <= 255


@RELAXED
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(1, 1), (3, 5), (16, 16), (64, 64)]),
    st.sampled_from(["random", "extremes", "constant", "damaged"]),
)
def test_any_table_splits_exactly_or_not_at_all(seed, size, kind):
    rng = np.random.default_rng(seed)
    if kind == "random":
        table = rng.integers(-32768, 32768, size)
    elif kind == "extremes":
        table = rng.choice([-32768, 32767], size)
    elif kind == "constant":
        table = np.full(size, rng.choice([-32768, 0, 32767]))
    else:
        table = np.outer(rng.integers(-90, 90, size[0]), rng.integers(0, 200, size[1]))
        table.flat[rng.integers(table.size, size=3)] = rng.choice([-32768, 32767], 3)
    split = split_products(table.astype(np.int16), large=bool(seed % 2))
    if split is not None:
        np.testing.assert_array_equal(whole(split), table)


@pytest.mark.parametrize("path", _native.kernel_paths())
@pytest.mark.parametrize(
    ("taps", "channels", "batch"), [(3, 2, 40), (37, 70, 33), (784, 64, 9), (2500, 5, 64), (300, 130, 129)]
)
def test_the_kernels_add_dot_products_and_residuals(monkeypatch, path, taps, channels, batch):
    rng = np.random.default_rng(taps)
    for weights, codes, bits in ((64, 64, 11), (16, 16, 16), (64, 40, 16), (5, 3, 11)):
        products = composed_table(rng, weights, codes, bits, signed=bool(taps % 2))
        made = dense(
            taps, channels, bits=16, products=products, weights=weights, inputs=codes, seed=taps, bias=True
        )
        program = network(made).program
        assert isinstance(program.steps[1], WeightedSum)
        x = inputs(rng, batch, taps)
        monkeypatch.setenv(KERNELS_VARIABLE, path)
        found = NativeNetwork(program).run(x, threads=1, use_factors=False)
        np.testing.assert_array_equal(found, run_reference(program, x))


def test_a_damaged_table_is_still_exact(monkeypatch):
    rng = np.random.default_rng(5)
    products = composed_table(rng, 16, 16, 11, signed=False)
    program = network(
        dense(50, 64, bits=16, products=products, weights=16, inputs=16, seed=1, bias=True)
    ).program
    step = program.steps[1]
    broken = step.products.copy()
    broken[0, 3, 7], broken[0, 9, 0] = 1023, -1023
    damaged = replace(
        program, steps=(program.steps[0], replace(step, products=broken, bound=50 * 1023 + 2**20))
    )
    x = inputs(rng, 40, 50)
    for path in _native.kernel_paths():
        monkeypatch.setenv(KERNELS_VARIABLE, path)
        np.testing.assert_array_equal(
            NativeNetwork(damaged).run(x, threads=1, use_factors=False), run_reference(damaged, x)
        )


SPARSE = [
    ("dense", (257,), 65, None, 1, 8),
    ("dense", (600,), 200, None, 1, 11),
    ("dense", (256,), 128, None, 1, 9),
    ("convolution", (30, 7, 7), 130, (3, 3), 1, 1),
    ("convolution", (300, 3, 4), 64, (1, 1), 1, 3),
    ("convolution", (6, 9, 9), 20, (3, 3), 2, 2),
]


@pytest.mark.parametrize("path", _native.kernel_paths())
@pytest.mark.parametrize(("kind", "shape", "channels", "kernel", "groups", "batch"), SPARSE)
@pytest.mark.parametrize("zeros", [0.0, 0.6, 1.0])
def test_inputs_that_leave_nothing_are_left_out(
    monkeypatch, path, kind, shape, channels, kernel, groups, batch, zeros
):
    rng = np.random.default_rng(channels)
    monkeypatch.setenv(KERNELS_VARIABLE, path)
    for weights, codes, signed in ((16, 16, False), (64, 64, True), (7, 33, False)):
        products = composed_table(rng, weights, codes, 11, signed)
        products[:, codes // 2] = 0  # the code of 0 in these programs
        how = {"bits": 16, "products": products, "weights": weights, "inputs": codes, "seed": 3, "bias": True}
        if kind == "dense":
            made = dense(shape[0], channels, **how)
        else:
            window = Window(kernel, (1, 1), ((1, 1), (1, 1)), (1, 1))
            made = convolution(shape, channels, window, groups=groups, **how)
        program = network(made).program
        x = inputs(rng, batch, *shape)
        x[rng.random(x.shape) < zeros] = 0
        packed = NativeNetwork(program)
        packed._network.taps_per_thread = 1
        expected = run_reference(program, x)
        for threads in (1, 2):
            found = packed.run(x, threads=threads, use_factors=False)
            np.testing.assert_array_equal(found, expected)
