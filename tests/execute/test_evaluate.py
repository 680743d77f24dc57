"""Figures of an evaluation: against their definitions, the same batch by batch and at once, and what is refused."""

import numpy as np
import pytest

from rapidnn.data import Preprocess
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation, compare_outputs, evaluate
from tests.execute.programs import dense

SAMPLES, CLASSES = 2500, 6


@pytest.fixture(scope="module")
def made():
    rng = np.random.default_rng(0)
    composed = ComposedNetwork(dense(9, CLASSES, bits=12, products=None), Preprocess.identity((9,)), {})
    x = rng.normal(size=(SAMPLES, 9)).astype(np.float32)
    outputs = composed(x)
    expected = outputs + rng.normal(size=outputs.shape).astype(np.float32) * outputs.std()
    return composed, x, rng.integers(CLASSES - 1, size=SAMPLES), outputs, expected


def test_figures_are_what_they_say(made):
    composed, x, labels, outputs, expected = made
    found = evaluate(composed, x, labels, float_outputs=expected)
    right, float_right = outputs.argmax(1) == labels, expected.argmax(1) == labels
    noise = outputs.astype(np.float64) - expected
    assert found.samples == SAMPLES
    assert found.accuracy == right.mean()
    assert found.accuracy_stderr == pytest.approx(right.std() / np.sqrt(SAMPLES))
    assert found.class_samples == (*(int((labels == c).sum()) for c in range(CLASSES - 1)), 0)
    assert found.class_accuracy == (*(right[labels == c].mean() for c in range(CLASSES - 1)), None)
    assert found.float_accuracy == float_right.mean()
    assert found.loss == found.float_accuracy - found.accuracy
    assert found.agreement == (outputs.argmax(1) == expected.argmax(1)).mean()
    power = (expected.astype(np.float64) ** 2).sum()
    assert found.sqnr_db == pytest.approx(10 * np.log10(power / (noise**2).sum()))


def test_the_same_at_once(made):
    composed, x, labels, outputs, expected = made
    for scores in (None, expected, outputs):
        found = evaluate(composed, x, labels, float_outputs=scores)
        assert found == compare_outputs(outputs, labels, scores)
        assert isinstance(found, Evaluation)
    assert found.sqnr_db is None


@pytest.mark.parametrize(
    ("labels", "expected", "message"),
    [
        (np.zeros(7, int), None, "9 samples but 7 labels"),
        (np.zeros(9), None, "type float64"),
        (np.full(9, CLASSES), None, "labels run from 6 to 6"),
        (np.full(9, -1), None, "labels run from -1"),
        (np.zeros(9, int), np.zeros((9, 3), np.float32), r"shape \(9, 3\), the composed one's \(9, 6\)"),
        (np.zeros(9, int), np.zeros((8, 6), np.float32), r"shape \(8, 6\)"),
    ],
)
def test_what_is_refused(made, labels, expected, message):
    composed, x, *_ = made
    with pytest.raises(DataError, match=message):
        evaluate(composed, x[:9], labels, float_outputs=expected)
    with pytest.raises(DataError, match=message):
        compare_outputs(composed(x[:9]), labels, expected)
