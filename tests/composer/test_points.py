"""Weighted points against the values they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.composer.points import thin, weighted_points
from rapidnn.errors import ComposeError
from tests.composer.test_kmeans_native import exhaustive_sse

RNG = np.random.default_rng(11)
MANY = 40_000  # more than are sorted, so they are counted in bins
DISTRIBUTIONS = {
    "normal": RNG.normal(size=MANY),
    "outlier": np.append(RNG.normal(size=MANY - 1), 1500),
    "long-tailed": RNG.standard_t(2, size=MANY),
    "narrow": 1 + 1e-3 * RNG.normal(size=MANY),
    "very narrow": 1 + 1e-5 * RNG.normal(size=MANY),
    "rectified": np.maximum(RNG.normal(size=MANY), 0),
    "few": RNG.normal(size=3000),
}


def nearest_sse(x, centers, weights=None):
    """Squared error of ascending x about the nearest of ascending centers."""
    index = np.searchsorted((centers[1:] + centers[:-1]) / 2, x)
    return float(np.average((x - centers[index]) ** 2, weights=weights)) * len(x)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("size", [4, 16, 64])
def test_points_are_as_good_as_the_values(name, size):
    x = DISTRIBUTIONS[name].astype(np.float32)
    values, counts = np.unique(x.astype(np.float64), return_counts=True)
    optimum = _native.kmeans(values, counts.astype(np.float64), size, False)[2]
    points = weighted_points(x, size=size)
    assert points[1].sum() == len(x)
    assert (np.diff(points[0]) > 0).all()
    assert np.isclose(points[0] @ points[1], x.astype(np.float64).sum())
    centers = _native.kmeans(*points, size, False)[0]
    assert optimum * (1 - 1e-9) <= nearest_sse(np.sort(x.astype(np.float64)), centers) <= 1.001 * optimum


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [16, 256])
def test_the_number_of_threads_changes_nothing(weighted, size):
    x = np.random.default_rng(0).normal(size=(3, 400_001)).astype(np.float32)
    importance = np.random.default_rng(1).exponential(size=x.shape) ** 4 if weighted else None
    first = weighted_points(x, importance, size=size, threads=1)
    for threads in (2, 5):
        again = weighted_points(x, importance, size=size, threads=threads)
        assert (first[0] == again[0]).all()
        assert (first[1] == again[1]).all()
    turned = weighted_points(x.T, None if importance is None else importance.T, size=size)
    assert (first[0] == turned[0]).all()
    assert (first[1] == turned[1]).all()


def test_other_layouts_and_mapped_files(tmp_path):
    x = np.random.default_rng(0).normal(size=(300, 700)).astype(np.float32)
    expected = weighted_points(x)
    file = np.lib.format.open_memmap(tmp_path / "w.npy", "w+", np.float32, x.shape)
    file[:] = x
    for same in (file, x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        found = weighted_points(same)
        assert (found[0] == expected[0]).all()
        assert (found[1] == expected[1]).all()


@given(
    x=st.lists(st.integers(-20, 20), min_size=1, max_size=8),
    importance=st.lists(st.integers(0, 9), min_size=8, max_size=8),
    size=st.integers(1, 4),
)
def test_importance_against_exhaustive_search(x, importance, size):
    values, weights = np.array(x, np.float32), np.array(importance[: len(x)], np.float64)
    points = weighted_points(values, weights, size=size)
    if not weights.any():
        weights = np.ones(len(x))
    order = np.argsort(values, kind="stable")
    kept = order[weights[order] > 0]
    best = exhaustive_sse(values[kept].astype(np.float64), weights[kept], size, False)
    assert np.isclose(_native.kmeans(*points, size, False)[2], best, atol=1e-9)


def test_importance_in_bins_is_a_weighted_sum():
    rng = np.random.default_rng(5)
    x = rng.normal(size=MANY).astype(np.float32)
    importance = 10.0 ** rng.uniform(-6, 3, size=MANY)
    values, weights = weighted_points(x, importance, size=16)
    assert np.isclose(weights.sum(), importance.sum(), rtol=1e-9)
    assert np.isclose(values @ weights, x.astype(np.float64) @ importance, rtol=1e-6)
    centers = _native.kmeans(values, weights, 16, False)[0]
    order = np.argsort(x)
    exact = np.unique(x.astype(np.float64), return_inverse=True)
    optimum = _native.kmeans(exact[0], np.bincount(exact[1], importance), 16, False)[2]
    error = nearest_sse(x[order].astype(np.float64), centers, importance[order]) * importance.mean()
    assert optimum * (1 - 1e-9) <= error <= 1.001 * optimum
    plain = _native.kmeans(*weighted_points(x, size=16), 16, False)[0]
    assert nearest_sse(x[order].astype(np.float64), plain, importance[order]) * importance.mean() > error


def test_zero_stays_a_point_of_its_own():
    x = np.append(np.random.default_rng(2).normal(size=MANY) * 1e-3, np.zeros(MANY)).astype(np.float32)
    values, weights = weighted_points(x, size=4)
    assert len(values) <= 512
    assert weights[values == 0].tolist() == [MANY]


def test_thinning_keeps_mass_and_mean():
    values = np.sort(np.random.default_rng(0).normal(size=5000))
    weights = np.random.default_rng(1).integers(1, 9, 5000).astype(np.float64)
    thinned = thin((values, weights), 8)
    assert len(thinned[0]) <= 512
    assert np.isclose(thinned[1].sum(), weights.sum())
    assert np.isclose(thinned[0] @ thinned[1], values @ weights)
    assert thin(thinned, 16) is thinned


@pytest.mark.parametrize("count", [10, MANY])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(count, bad):
    x = np.ones(count, np.float32)
    x[3] = bad
    with pytest.raises(ComposeError, match="NaN or infinity"):
        weighted_points(x)


@pytest.mark.parametrize(
    "importance", [np.ones(3), np.array([1.0, -1]), np.array([np.nan, 1]), np.array([np.inf, 1])]
)
def test_bad_importance(importance):
    with pytest.raises(ComposeError, match="importance"):
        weighted_points(np.ones(2, np.float32), importance)
