"""Artifacts of earlier format versions stay readable and mean the same."""

from pathlib import Path

import numpy as np
import pytest

import rapidnn

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.rapidnn"))


@pytest.mark.parametrize("backend", ["cpu", "numpy", "reference"])
@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_earlier_formats_give_the_same_integers(file, backend):
    composed = rapidnn.load(file)
    with np.load(file.with_suffix(".npz"), allow_pickle=False) as data:
        np.testing.assert_array_equal(composed.accumulators(data["x"], backend=backend), data["accumulators"])
        np.testing.assert_array_equal(composed(data["x"], backend=backend), data["outputs"])


def test_there_is_one_for_every_earlier_version():
    assert [file.stem for file in GOLDEN] == ["format-1"]
