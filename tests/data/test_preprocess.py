from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rapidnn.data import Preprocess
from rapidnn.errors import DataError

RGB = Preprocess("nhwc", 255.0, (0.5, 0.25, 0.0), (0.5, 0.25, 2.0), (3, 4, 5))


@given(hnp.arrays(np.uint8, (2, 4, 5, 3)))
def test_nhwc_is_each_step_in_float32(x: np.ndarray) -> None:
    got = RGB.apply(x)
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    for c in range(3):
        want = (x[..., c].astype(np.float32) / np.float32(255) - np.float32(RGB.mean[c])) / np.float32(
            RGB.std[c]
        )
        assert np.array_equal(got[:, c], want)


def test_flat_shape_lays_channels_end_to_end() -> None:
    x = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    assert np.array_equal(RGB.for_shape((60,)).apply(x), RGB.apply(x).reshape(2, 60))


def test_grey_images_get_a_channel_axis() -> None:
    x = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)
    for layout in ("nchw", "nhwc"):
        got = Preprocess(layout, 2.0, (0.0,), (1.0,), (1, 4, 5)).apply(x)
        assert np.array_equal(got, (x / 2).astype(np.float32)[:, None])


def test_none_takes_statistics_per_first_axis() -> None:
    x = np.ones((3, 2, 4))
    got = Preprocess("none", 1.0, (1.0, 0.0), (1.0, 2.0), (8,)).apply(x)
    assert got.tolist() == [[0.0] * 4 + [0.5] * 4] * 3


def test_the_callers_array_is_left_alone() -> None:
    x = np.ones((2, 3), np.float32)
    Preprocess("none", 2.0, (1.0,), (1.0,), (3,)).apply(x)
    assert np.array_equal(x, np.ones((2, 3)))
    identity = Preprocess.identity((3,)).apply(x)
    identity[:] = 0
    assert np.array_equal(x, np.ones((2, 3)))


def test_infinities_pass_and_nan_does_not() -> None:
    p = Preprocess.identity((2,))
    assert np.isinf(p.apply(np.array([[np.inf, -np.inf]]))).all()
    with pytest.raises(DataError, match=r"NaN \(first in sample 1\)"):
        p.apply(np.array([[0.0, 0.0], [0.0, np.nan]]))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3, 4, 5), np.uint8), r"shape \(3, 4, 5\).*nhwc.*\(3, 4, 5\) are expected"),
        (np.zeros((2, 5, 4, 3), np.uint8), r"shape \(5, 4, 3\)"),
        (np.zeros((2, 60), np.uint8), r"shape \(60,\)"),
        (np.zeros(60, np.uint8), "batch axis"),
        (np.zeros((2, 4, 5, 3), np.complex64), "type complex64"),
        (np.zeros((2, 4, 5, 3), np.bool_), "type bool"),
    ],
)
def test_a_raw_array_that_does_not_fit_is_refused(x: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        RGB.check(x)
    assert "\n" not in str(error.value)


def test_wrong_number_of_channels_for_the_statistics() -> None:
    with pytest.raises(DataError, match="4 channels, but the preprocess mean has 3"):
        Preprocess("nhwc", 1.0, (0.0,) * 3, (1.0,) * 3, (4, 2, 2)).check(np.zeros((1, 2, 2, 4)))


def test_for_shape_refuses_another_size() -> None:
    with pytest.raises(DataError, match=r"\(3, 4, 5\) per sample, but the network expects \(61,\)"):
        RGB.for_shape((61,))


@given(
    st.sampled_from(["none", "nchw", "nhwc"]),
    st.floats(1e-3, 1e6),
    st.lists(st.tuples(st.floats(-10, 10), st.floats(0.1, 10)), min_size=1, max_size=4),
    st.lists(st.integers(1, 300), min_size=1, max_size=3),
)
def test_json_round_trip(layout, divisor, stats, shape) -> None:
    mean, std = zip(*stats, strict=True)
    p = Preprocess(layout, divisor, mean, std, tuple(shape))
    assert Preprocess.from_json(json.loads(json.dumps(p.to_json()))) == p


@pytest.mark.parametrize(
    "change",
    [
        {"layout": "hwc"},
        {"layout": ["nchw"]},
        {"divisor": 0},
        {"divisor": float("nan")},
        {"divisor": 10**400},
        {"divisor": "255"},
        {"divisor": True},
        {"mean": [0.0, 1.0]},
        {"mean": []},
        {"mean": [None, 0, 0]},
        {"mean": 0.5},
        {"std": [1.0, 0.0, 1.0]},
        {"std": [1.0, float("inf"), 1.0]},
        {"shape": []},
        {"shape": [3, 0, 5]},
        {"shape": [3, 4.0, 5]},
        {"shape": "345"},
        {"extra": 1},
    ],
)
def test_nonsense_records_are_refused(change: dict) -> None:
    with pytest.raises(DataError) as error:
        Preprocess.from_json(RGB.to_json() | change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("record", [None, [], {}, {"layout": "nchw"}])
def test_records_of_another_form_are_refused(record) -> None:
    with pytest.raises(DataError, match="a preprocess record holds layout"):
        Preprocess.from_json(record)
