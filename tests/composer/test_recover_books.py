"""Codes and codebooks against second moments: never worse than rounding, exact where an exact answer is known."""

import itertools

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.composer.recover.books import decode, descend, error, feed_back, real_values, reconstruct, refit
from rapidnn.composer.settings import Settings
from rapidnn.composer.weights import weight_codebooks


def problem(seed, groups=1, outs=4, taps=6, size=4, granularity="layer"):
    """(target, moments, codebooks) of a layer with strongly correlated inputs."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(groups * outs, taps)).astype(np.float32)
    books = weight_codebooks(weight, size, Settings(size, size, granularity))
    mixed = rng.normal(size=(groups, 50, 2)) @ rng.normal(size=(groups, 2, taps))
    x = torch.from_numpy(mixed + 0.1 * rng.normal(size=(groups, 50, taps)))
    h = x.transpose(1, 2) @ x / 50 + 1e-6 * torch.eye(taps, dtype=torch.float64)
    return torch.from_numpy(weight.astype(np.float64)).reshape(groups, outs, taps), h, books


def rounded(target, h, books):
    codes = torch.from_numpy(books.codes.astype(np.int64)).reshape(target.shape)
    return error(target, h, real_values(books, len(target)), codes)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 3]), st.sampled_from(["layer", "channel", "group:2"]))
def test_reconstruction_beats_rounding_on_correlated_inputs(seed, groups, granularity):
    target, h, books = problem(seed, groups, granularity=granularity)
    found = reconstruct(
        target,
        h,
        books,
        4 * groups if granularity == "layer" else 2 if granularity == "group:2" else 1,
        refits=True,
    )
    values = real_values(found, groups)
    codes = torch.from_numpy(found.codes.astype(np.int64)).reshape(target.shape)
    assert error(target, h, values, codes) <= rounded(target, h, books) + 1e-12
    assert (np.diff(found.values, axis=1) >= 0).all()
    if granularity == "layer":
        assert (np.diff(found.values, axis=1) > 0).all()
    assert found.codes.max() < found.values.shape[1]


def test_one_output_comes_near_the_best_codes_there_are():
    ratios = []
    for seed in range(20):
        target, h, books = problem(seed, outs=1, taps=6, size=3, granularity="layer")
        values = real_values(books, 1)
        every = torch.tensor(list(itertools.product(range(values.shape[2]), repeat=6)))
        best = min(error(target, h, values, codes[None, None]) for codes in every)
        found = descend(target, h, values, feed_back(target, h, values))
        reached = error(target, h, values, found)
        assert reached >= best - 1e-12
        ratios.append((reached / best, rounded(target, h, books) / best))
    near, plain = np.median(ratios, axis=0)
    assert near < 2.5
    assert plain > 2 * near


def test_descent_never_raises_the_error():
    for seed in range(10):
        target, h, books = problem(seed, groups=2)
        values = real_values(books, 2)
        codes = torch.from_numpy(np.random.default_rng(seed).integers(0, 4, target.shape))
        assert error(target, h, values, descend(target, h, values, codes)) <= error(target, h, values, codes)


def test_independent_equal_inputs_make_feedback_plain_rounding():
    target, _, books = problem(3)
    values = real_values(books, 1)
    codes = feed_back(target, torch.eye(6, dtype=torch.float64)[None], values)
    nearest = (target[..., None] - values[0, 0]).abs().argmin(-1)
    assert torch.equal(codes, nearest)


def test_short_codebooks_keep_to_their_own_entries():
    weight = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 1.0, 1.0]], np.float32)
    books = weight_codebooks(weight, 4, Settings(4, 4, "channel"))
    target = torch.from_numpy(weight.astype(np.float64) * 10)[None].reshape(1, 2, 4)
    codes = feed_back(target, torch.eye(4, dtype=torch.float64)[None], real_values(books, 1))
    assert codes[0, 1].max() == 0


def test_refit_finds_the_values_that_made_the_weights():
    rng = np.random.default_rng(0)
    true = np.array([-90, -20, 40, 127]) * 0.01
    codes = rng.integers(0, 4, (1, 5, 12))
    target = torch.from_numpy(true[codes])
    h = torch.eye(12, dtype=torch.float64)[None]
    off = torch.tensor([[[-0.8, -0.3, 0.5, 1.0]]], dtype=torch.float64)
    found = refit(target, h, off, torch.from_numpy(codes), 8, 5)
    # The weights lie on a grid of 8 bits, so nothing is lost by it ...
    if found is not None:
        integers, scales = found
        assert np.allclose(integers * scales[:, None], true, atol=0.01)
    # ... and unused entries stay where they were.
    wide = refit(target, h, off, torch.from_numpy(np.minimum(codes, 2)), 16, 5)
    assert wide is not None
    assert np.isclose((wide[0] * wide[1][:, None])[0, -1], 1.0, atol=0.02)
    assert decode(off, torch.from_numpy(codes)).shape == (1, 5, 12)
