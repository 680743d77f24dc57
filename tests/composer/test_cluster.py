from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.composer.cluster import cluster, encode, exact_thresholds, weighted_points
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.weights import channels_together, weight_codebooks
from rapidnn.errors import ComposeError


def sse_of(x, codebook):
    real = codebook.values * codebook.scale
    return float(((x[:, None] - real) ** 2).min(axis=1).sum())


def test_bins_cost_next_to_nothing_also_with_an_outlier():
    rng = np.random.default_rng(3)
    x = rng.normal(size=40_000).astype(np.float32)
    x[7] = 300 * np.abs(x).max()
    exact_values, exact_counts = np.unique(x.astype(np.float64), return_counts=True)
    exact = cluster((exact_values, exact_counts.astype(float)), 16, 16)
    binned = cluster(weighted_points(x), 16, 16)
    assert sse_of(x, binned) <= 1.001 * sse_of(x, exact)


def test_discrete_values_are_met_exactly():
    x = np.repeat(np.array([0.0, 0.5, 1.0, -2.0], np.float32), [5, 6, 7, 8])
    found = cluster(weighted_points(x), 4, 8)
    assert np.allclose(found.values * found.scale, [-2, 0, 0.5, 1], atol=1e-2)
    histogram = Histogram()
    histogram.add(np.full(99_999, 1.0, np.float32))
    assert histogram.points()[0].tolist() == [1.0]


def test_sixteen_bits_where_eight_lose_too_much():
    rng = np.random.default_rng(0)
    spread = np.concatenate([rng.normal(size=2000) * 1e-3, [1.0, -1.0]]).astype(np.float32)
    assert cluster(weighted_points(spread), 16, 8).bits == 16
    assert cluster(weighted_points(rng.normal(size=4000).astype(np.float32)), 4, 8).bits == 8


@pytest.mark.parametrize("x", [[3.0], [0.0], [-1.0, -1.0], [1e-30, 2e-30]])
def test_constant_and_tiny_tensors(x):
    found = cluster(weighted_points(np.array(x, np.float32)), 16, 8)
    assert np.allclose(found.values * found.scale, np.unique(x), rtol=1e-2, atol=0)


@given(
    x=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=60),
    size=st.integers(1, 20),
    bits=st.sampled_from([8, 16]),
    hold=st.booleans(),
)
def test_codebooks_are_valid(x, size, bits, hold):
    found = cluster(weighted_points(np.array(x, np.float32)), size, bits, hold_zero=hold)
    assert 1 <= len(found.values) <= size
    assert (np.diff(found.values) > 0).all()
    signed = found.values[0] < 0
    assert np.abs(found.values).max() <= (2 ** (found.bits - 1) - 1 if signed else 2**found.bits - 1)
    if hold:
        assert 0 in found.values


@given(
    values=st.lists(st.integers(-127, 127), min_size=2, max_size=20, unique=True),
    scale=st.floats(1e-6, 1e3),
    nudge=st.integers(-2, 2),
)
def test_input_thresholds_compare_exactly(values, scale, nudge):
    book = np.sort(np.array(values, np.int32))
    thresholds = exact_thresholds(book, scale)
    for t, a, b in zip(thresholds, book[:-1].tolist(), book[1:].tolist(), strict=True):
        x = t
        for _ in range(abs(nudge)):
            x = np.nextafter(x, np.float32(np.inf if nudge > 0 else -np.inf))
        assert bool(x > t) == (Fraction(float(x)) > Fraction(scale) * (a + b) / 2)


def test_encode_takes_the_nearest():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(7, 300)).astype(np.float32)
    found = cluster(weighted_points(x), 16, 8)
    real = found.values * found.scale
    chosen = np.abs(x - real[encode(x, found.values, found.scale)])
    assert np.allclose(chosen, np.abs(x[..., None] - real).min(axis=-1), atol=1e-6)


def test_a_group_of_channels_shares_a_codebook():
    rng = np.random.default_rng(0)
    weight = (rng.normal(size=(7, 50)) * np.arange(1, 8)[:, None]).astype(np.float32)

    def books(granularity, **options):
        settings = SimpleNamespace(granularity=granularity, operand_bits=16)
        return weight_codebooks(weight, 4, settings, **options)

    def error(found):
        rows = np.arange(7) % len(found.values)
        real = found.values * found.scales[:, None]
        return float(((real[rows[:, None], found.codes] - weight) ** 2).sum())

    groups = books("group:3")
    assert groups.values.shape == (7, 4)
    for same in ([0, 1, 2], [3, 4, 5]):
        assert (groups.values[same] == groups.values[same[0]]).all()
        assert len(set(groups.scales[same])) == 1
    assert (groups.scales[[0, 3, 6]] != groups.scales[[3, 6, 0]]).all()
    own = books("layer")
    alone = weight_codebooks(weight[3:6], 4, SimpleNamespace(granularity="layer", operand_bits=16))
    assert (alone.codes == groups.codes[3:6]).all()
    assert error(books("channel")) < error(groups) < error(own)
    for a, b in ((books("group:1"), books("channel")), (books("group:9"), own)):
        assert (a.values == b.values).all()
        assert (a.codes == b.codes).all()
    assert (books("group:3", hold_zero=True).values == 0).any(axis=1).all()
    weighted = books("layer", importance=np.repeat(np.eye(7)[2], 50).reshape(7, 50))
    alone = weight_codebooks(weight[2:3], 4, SimpleNamespace(granularity="layer", operand_bits=16))
    assert (weighted.values == alone.values).all()


@pytest.mark.parametrize("granularity", ["group:0", "group:", "group:x", "row"])
def test_unknown_granularity(granularity):
    with pytest.raises(ComposeError, match="group:N"):
        channels_together(granularity, 8)
