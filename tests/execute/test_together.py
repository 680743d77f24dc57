"""Threads that share the steps of one block, and codes of half a byte: the reference's integers either way."""

import numpy as np
import pytest

from rapidnn.tables.program import Window
from tests.execute.programs import convolution, dense
from tests.execute.test_native import check


def products(rng, weights, inputs, limit):
    return rng.integers(-limit, limit + 1, (weights, inputs))


@pytest.mark.parametrize("batch", [1, 2, 13, 64, 130, 200])
@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_share_a_linear_layer(batch, threads, monkeypatch):
    # Enough taps for more than one thread, channels that no number of threads divides.
    rng = np.random.default_rng(batch)
    taps = 2048 if batch > 2 else 16384
    program = dense(taps, 397, bits=16, products=products(rng, 20, 12, 1000), weights=20, inputs=12)
    check(program, rng.normal(size=(batch, taps)).astype(np.float32), monkeypatch, threads)


@pytest.mark.parametrize("batch", [1, 20, 70])
@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_threads_share_a_convolution(batch, threads, groups, monkeypatch):
    rng = np.random.default_rng(batch)
    window = Window((3, 3), (2, 1), ((1, 1), (0, 2)), (1, 1))
    shape = (16, 23, 17)
    made = products(rng, 16, 16, 30) if groups == 1 else None
    program = convolution(
        shape, 40, window, bits=16, products=made, groups=groups, weights=16, inputs=16, bias=True
    )
    check(program, rng.normal(size=(batch, *shape)).astype(np.float32), monkeypatch, threads)


@pytest.mark.parametrize("channels", [128, 200, 330])
@pytest.mark.parametrize(("weights", "limit"), [(16, 32767), (16, 100), (3, 1000)])
def test_codes_of_half_a_byte(channels, weights, limit, monkeypatch):
    rng = np.random.default_rng(channels + weights)
    taps = (1 << 20) // channels + 100  # more than are kept in whole bytes only
    program = dense(
        taps, channels, bits=16, products=products(rng, weights, 9, limit), weights=weights, inputs=9
    )
    check(program, rng.normal(size=(2, taps)).astype(np.float32), monkeypatch)
