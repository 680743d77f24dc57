"""The native k-means against exhaustive search, and the histogram against NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn import _native


def exhaustive_sse(values, weights, k, fix_zero):
    best = np.inf
    for cuts in itertools.combinations_with_replacement(range(len(values) + 1), k - 1):
        bounds = [0, *cuts, len(values)]
        own, about_zero = [], []
        for i, j in itertools.pairwise(bounds):
            v, w = values[i:j], weights[i:j]
            mean = np.average(v, weights=w) if j > i else 0.0
            own.append(float((w * (v - mean) ** 2).sum()))
            about_zero.append(float((w * v**2).sum()))
        total = sum(own)
        if fix_zero:
            total = min(total - a + z for a, z in zip(own, about_zero, strict=True))
        best = min(best, total)
    return best


@given(
    values=st.lists(st.integers(-40, 40), min_size=1, max_size=8, unique=True),
    weights=st.lists(st.integers(1, 9), min_size=8, max_size=8),
    k=st.integers(1, 4),
    fix_zero=st.booleans(),
    outlier=st.sampled_from([1.0, 300.0]),
)
def test_kmeans_is_the_global_optimum(values, weights, k, fix_zero, outlier):
    v = np.sort(np.array(values, np.float64))
    v[-1] *= outlier if v[-1] > 0 else 1.0
    w = np.array(weights[: len(v)], np.float64)
    centers, ends, sse = _native.kmeans(v, w, k, fix_zero)
    # Splits are judged by differences of sums over all points, hence to their resolution.
    assert np.isclose(sse, exhaustive_sse(v, w, k, fix_zero), rtol=1e-9, atol=1e-14 * (w @ (v * v)))
    assert (np.diff(centers) > 0).all()
    assert len(centers) <= k
    assert ends[-1] == len(v)
    assert (np.diff(ends) >= 0).all()
    starts = np.concatenate([[0], ends[:-1]])
    spread = sum((w[i:j] * (v[i:j] - c) ** 2).sum() for i, j, c in zip(starts, ends, centers, strict=True))
    assert np.isclose(sse, spread, rtol=1e-9, atol=1e-9)
    if fix_zero:
        assert 0.0 in centers


def test_histogram_counts_every_value_and_merges_exactly():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=5000), [0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38]]).astype(np.float32)
    whole, parts = np.zeros((2, 65536), np.int64), np.zeros((2, 65536), np.int64)
    _native.add_to_histogram(x, *whole)
    for chunk in np.array_split(rng.permutation(x), 7):
        _native.add_to_histogram(chunk, *parts)
    assert whole[0].sum() == len(x)
    assert (whole == parts).all()
    bits = x.view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits ^ np.uint32(0x80000000))
    assert (whole[0] == np.bincount(ordered >> 16, minlength=65536)).all()


def test_finer_bins_add_up_to_the_coarse_ones():
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=300_000), [0.0, -0.0, 1e-40, -1e-40, 3e38, -3e38]]).astype(np.float32)
    coarse = np.zeros((2, 65536), np.int64)
    _native.add_to_histogram(x, *coarse, threads=2)
    fine = np.zeros((2, 65536 * 8), np.int64)
    _native.add_to_histogram(x, *fine, threads=2)
    assert (fine.reshape(2, 65536, 8).sum(axis=2) == coarse).all()
    shift = rng.integers(10, 17, 65536).astype(np.uint8)
    slots = 1 << (16 - shift.astype(np.int64))
    first = (np.cumsum(slots) - slots).astype(np.uint32)
    mixed = np.zeros((2, slots.sum()), np.int64)
    _native.count_fine(x, first, shift, *mixed, threads=3)
    assert (np.add.reduceat(mixed, first.astype(np.int64), axis=1) == coarse).all()
    words = np.zeros(4 * slots.sum(), np.uint64)
    _native.weigh_fine(x, np.full(len(x), 0.5), 41, first, shift, words, threads=3)
    weighed = words[0::2].astype(object) + words[1::2].astype(object) * 2**64
    assert (mixed.astype(object) * 2**40 == weighed.reshape(-1, 2).T).all()
    with pytest.raises(ValueError, match="slots"):
        _native.count_fine(x, first, shift, *mixed[:, :-1].copy())
