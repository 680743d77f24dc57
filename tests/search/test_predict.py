"""Predicted losses: the fit, and that they save measurements without changing what is verified."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.search.predict import LEAST, expect, isotonic
from rapidnn.search.subject import Measured
from rapidnn.search.trial import Bar, rungs
from tests.search.searches import SPACE, search

VALUES = st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20)


@given(VALUES, st.data())
def test_isotonic_is_rising_and_no_rising_sequence_is_nearer(values, data):
    target = np.array(values, float)
    fitted = isotonic(target)
    assert (np.diff(fitted) >= 0).all()
    other = np.sort(data.draw(st.lists(st.floats(-1, 1), min_size=len(values), max_size=len(values))))
    assert ((fitted - target) ** 2).sum() <= ((other - target) ** 2).sum() + 1e-9


def test_a_prediction_needs_trials_and_lies_among_them():
    seen = [(float(i), i / 100) for i in range(LEAST)]
    assert expect(3.0, seen[:-1]) is None
    found = expect(3.5, seen)
    assert found is not None
    assert found.loss == pytest.approx(0.035)
    assert found.least == pytest.approx(0.035)
    noisy = expect(3.5, [(x, y + (-1) ** int(x) * 0.01) for x, y in seen])
    assert noisy is not None
    assert noisy.least < noisy.loss - 0.005


@given(st.integers(1, 100_000))
def test_rungs_double_up_to_the_whole_set(samples):
    found = rungs(samples)
    assert found[-1] == samples
    assert all(a < b <= 3 * a for a, b in itertools.pairwise(found))


@given(st.integers(0, 50), st.integers(0, 50), st.integers(100, 1000))
def test_a_measured_loss_has_the_paired_error(lost, won, samples):
    found = Measured.of(lost, won, samples)
    values = np.r_[np.ones(lost), -np.ones(won), np.zeros(samples - lost - won)]
    assert found.loss == pytest.approx(values.mean())
    assert found.stderr >= values.std() / np.sqrt(samples)


def test_a_bar_is_cleared_by_what_the_front_does_not_beat():
    bar = Bar(("loss", "energy"), (), ((0.1, 5.0),))
    assert not bar.cleared({"energy": 6.0}, 0.2)
    assert bar.cleared({"energy": 6.0}, 0.05)
    assert bar.cleared({"energy": 4.0}, 0.2)


def test_predictions_save_measurements_and_the_front_stays_verified(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text(SPACE.replace("[2, 4, 16]", "[1, 2, 4, 16]"))
    found = search(tmp_path / "with", path, trials=160)
    without = search(tmp_path / "without", path, trials=160, predict=False)
    assert any(t.known_by == "predicted" for t in found.trials)
    assert not any(t.known_by == "predicted" for t in without.trials)
    assert all(t.known_by == "verified" for t in found.front)
    best = min(t.figures["loss"] for t in without.front)
    assert min(t.figures["loss"] for t in found.front) <= best + 0.01
