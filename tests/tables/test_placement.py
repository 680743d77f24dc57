"""Rows of activation tables: by slope, evenly, and optimally, which no other choice of rows beats."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.tables import placement
from rapidnn.tables.functions import PARAMETERS
from rapidnn.tables.placement import even_rows, nonuniform_rows, optimal_rows, place_rows, placement_error

KINDS = {kind: {0: (), 1: (0.2,), 2: (-1.0, 1.0)}[count] for kind, count in PARAMETERS.items()}
KINDS["hard_sigmoid"] = (0.2, 0.5)


def test_rows_are_dense_where_the_slope_is_large():
    z = nonuniform_rows("tanh", (), -6, 6, 64)
    gaps = np.diff(z)
    assert gaps.min() == gaps[len(gaps) // 2]
    assert gaps[0] > 5 * gaps.min()
    assert len(nonuniform_rows("tanh", (), 0.3, 0.3, 64)) == 1


def test_even_rows_leave_the_flat_part_out():
    z = even_rows("sigmoid", (), -1e6, 1e6, 16)
    assert np.allclose(np.diff(z), z[1] - z[0])
    assert -20 < z[0] < 0 < z[-1] < 20


@settings(deadline=None, max_examples=40)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    rows=st.integers(1, 12),
    spread=st.floats(0.1, 20),
    shift=st.floats(-3, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_optimal_rows_are_never_worse(kind, rows, spread, shift, seed):
    rng = np.random.default_rng(seed)
    points = np.unique(shift + spread * rng.standard_t(3, 300))
    weights = rng.integers(1, 50, len(points)).astype(float)
    errors = {}
    for name in placement.PLACEMENTS:
        z = place_rows(name, kind, KINDS[kind], points, weights, rows)
        assert 1 <= len(z) <= max(rows, 1)
        assert (np.diff(z) >= 0).all()
        errors[name] = placement_error(kind, KINDS[kind], z, points, weights)
    assert errors["optimal"] <= min(errors.values()) * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("kind", ["tanh", "gelu"])
def test_optimal_rows_are_the_best_of_all_choices(kind, monkeypatch):
    monkeypatch.setattr(placement, "_CANDIDATES", 6)
    rng = np.random.default_rng(3)
    points = np.sort(rng.normal(0.4, 1.5, 200))
    weights = rng.integers(1, 9, 200).astype(float)
    found = placement_error(kind, (), optimal_rows(kind, (), points, weights, 3), points, weights)
    share = np.cumsum(weights) / weights.sum()
    candidates = np.unique(
        np.concatenate(
            [
                nonuniform_rows(kind, (), points[0], points[-1], 3),
                even_rows(kind, (), points[0], points[-1], 3),
                np.interp((np.arange(6) + 0.5) / 6, share, points),
            ]
        )
    )
    best = min(
        placement_error(kind, (), np.array(chosen), points, weights) for chosen in combinations(candidates, 3)
    )
    assert found == pytest.approx(best, rel=1e-9)


def test_one_place_needs_one_row():
    points, weights = np.array([0.7]), np.array([12.0])
    for name in placement.PLACEMENTS:
        z = place_rows(name, "tanh", (), points, weights, 64)
        assert placement_error("tanh", (), z, points, weights) == 0
