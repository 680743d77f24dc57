"""Tree codebooks: nested, ascending, optimal at the level that was named, zero where it is held."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn import _native
from rapidnn.composer.cluster import cluster, midpoints
from rapidnn.composer.points import weighted_points
from rapidnn.composer.tree import tree_codebook
from rapidnn.errors import ComposeError

NORMAL = weighted_points(np.random.default_rng(0).normal(size=60_000).astype(np.float32), size=256)


def read(tree, points, level):
    """Squared error and codes of a level, from the definition."""
    x, weights = points
    leaves = tree.leaves
    codes = np.searchsorted(midpoints(leaves.values, leaves.scale), x) >> (tree.depth - level)
    book = tree.levels[level - 1]
    return float(weights @ (x - book.values[codes] * book.scale) ** 2), codes


@given(
    x=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=80),
    depth=st.integers(1, 6),
    named=st.integers(1, 6),
    bits=st.sampled_from([8, 16]),
    hold=st.booleans(),
    positive=st.booleans(),
)
def test_trees_are_valid(x, depth, named, bits, hold, positive):
    values = np.abs(np.array(x, np.float32)) if positive else np.array(x, np.float32)
    points = weighted_points(values)
    tree = tree_codebook(points, depth, bits, optimal_level=min(named, depth), hold_zero=hold)
    assert tree.depth == depth
    for level, book in enumerate(tree.levels, start=1):
        assert len(book.values) == 2**level
        assert book.bits == tree.leaves.bits >= bits
        assert (np.diff(book.values) > 0).all()
        signed = book.values[0] < 0
        assert np.abs(book.values).max() <= (2 ** (book.bits - 1) - 1 if signed else 2**book.bits - 1)
        error, codes = read(tree, points, level)
        resolution = 1e-9 * (points[1] @ points[0] ** 2)
        assert np.isclose(error, book.sse, atol=resolution)
        assert error >= book.optimal_sse - resolution
        if hold:
            zero = int(np.flatnonzero(tree.leaves.values == 0)[0])
            assert book.values[zero >> (depth - level)] == 0
        if level < depth:
            finer = read(tree, points, level + 1)[1]
            assert (codes == finer >> 1).all()


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("named", [1, 2, 4, 6])
def test_the_named_level_is_the_flat_optimum(named, hold):
    tree = tree_codebook(NORMAL, 6, 16, optimal_level=named, hold_zero=hold)
    ratios = [book.sse / book.optimal_sse for book in tree.levels]
    assert ratios[named - 1] < 1.001
    if named > 1:
        assert max(ratios) < 1.6
    if named == 6:
        flat = cluster(NORMAL, 64, 16, hold_zero=hold)
        assert np.isclose(tree.leaves.sse, flat.sse, rtol=1e-3)
        assert ratios[3] > 1.001


def test_naming_a_level_helps_it():
    leaf, named = tree_codebook(NORMAL, 6, 16), tree_codebook(NORMAL, 6, 16, optimal_level=4)
    assert named.levels[3].sse < leaf.levels[3].sse
    assert leaf.leaves.sse < named.leaves.sse


def test_means_are_those_of_the_points_read():
    tree = tree_codebook(NORMAL, 5, 16, optimal_level=3)
    for level in (1, 2, 3, 4):
        _, codes = read(tree, NORMAL, level)
        book = tree.levels[level - 1]
        mean = np.bincount(codes, NORMAL[0] * NORMAL[1]) / np.bincount(codes, NORMAL[1])
        assert np.abs(book.values * book.scale - mean).max() <= book.scale


def test_fewer_points_than_leaves_are_met_exactly():
    points = (np.array([-3.0, 0.0, 1.0, 2.0, 10.0]), np.array([5.0, 1.0, 2.0, 2.0, 1.0]))
    tree = tree_codebook(points, 4, 16)
    assert len(tree.leaves.values) == 16
    assert tree.leaves.sse < 1e-3
    assert tree.levels[2].sse < 1e-3
    assert tree_codebook((np.array([0.0]), np.ones(1)), 3, 8, hold_zero=True).leaves.values.tolist() == list(
        range(8)
    )


def test_a_grid_without_room_is_widened():
    assert tree_codebook(NORMAL, 8, 8).leaves.bits == 16
    positive = (np.arange(300.0), np.ones(300))
    assert tree_codebook(positive, 8, 8).leaves.bits in (8, 16)


def test_leaves_of_the_named_level_are_its_cells():
    tree = tree_codebook(NORMAL, 6, 16, optimal_level=4)
    _, codes = read(tree, NORMAL, 4)
    ends = _native.kmeans(*NORMAL, 16, False)[1]
    cells = np.searchsorted(ends, np.arange(len(NORMAL[0])), side="right")
    assert NORMAL[1][codes != cells].sum() < 1e-3 * NORMAL[1].sum()


@pytest.mark.parametrize(
    ("depth", "level", "word"), [(0, None, "depth 0"), (9, None, "depth 9"), (3, 4, "optimal_level=4")]
)
def test_bad_sizes(depth, level, word):
    with pytest.raises(ComposeError, match=word):
        tree_codebook(NORMAL, depth, 8, optimal_level=level)
