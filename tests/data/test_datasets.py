from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.data import DataSet, Preprocess, load_data, names
from rapidnn.data.dataset import held_out
from rapidnn.errors import DataError

REAL = os.environ.get("RAPIDNN_DATA", "")
"""Read at import: the tests themselves run without it."""


def save(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_digits_has_a_fixed_stratified_split() -> None:
    data = load_data("digits")
    assert data.x_train is not None
    assert data.x_test is not None
    assert (data.x_train.shape, data.x_test.shape) == ((1437, 8, 8), (360, 8, 8))
    assert data.x_train.dtype == np.uint8
    train, test = np.bincount(data.y_train), np.bincount(data.y_test)
    assert np.abs(test - (train + test) * 360 / 1797).max() < 1
    prepared = data.preprocess.apply(data.x_test)
    assert (prepared.shape[1:], prepared.min(), prepared.max()) == ((1, 8, 8), 0, 1)


def test_npz_with_both_splits(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 6)
    path = save(
        tmp_path / "a.npz", x_train=x, y_train=np.array([0, 1, 2, 0]), x_test=x[:2], y_test=np.array([1, 0])
    )
    data = load_data(path)
    assert (data.classes, data.single, data.preprocess) == (3, False, Preprocess.identity((6,)))
    assert np.array_equal(data.split("test")[0], x[:2])
    assert data.split("test")[1].dtype == np.int64
    assert len(data.split()[0]) == 4
    assert len(data.split(default="test")[0]) == 2


def test_npz_with_one_set_of_samples(tmp_path: Path) -> None:
    data = load_data(
        str(save(tmp_path / "a.npz", inputs=np.zeros((3, 4)), labels=np.array([0, 1, 1], np.uint8)))
    )
    assert data.single
    assert len(data.split(default="test")[0]) == 3
    with pytest.raises(DataError, match="has no test split, only one set of samples"):
        data.split("test")


@pytest.mark.parametrize(
    ("shape", "dtype", "want"),
    [
        ((5, 28, 28), np.uint8, Preprocess("nchw", 255.0, (0.0,), (1.0,), (1, 28, 28))),
        ((5, 16, 16, 3), np.uint8, Preprocess("nhwc", 255.0, (0.0,), (1.0,), (3, 16, 16))),
        ((5, 3, 16, 16), np.uint8, Preprocess("nchw", 255.0, (0.0,), (1.0,), (3, 16, 16))),
        ((5, 3, 16, 16), np.float32, Preprocess.identity((3, 16, 16))),
        ((5, 20), np.uint8, Preprocess.identity((20,))),
    ],
)
def test_preprocess_of_a_plain_npz(tmp_path: Path, shape, dtype, want) -> None:
    path = save(tmp_path / "a.npz", inputs=np.zeros(shape, dtype), labels=np.zeros(5, int))
    assert load_data(path).preprocess == want


def test_the_users_preprocess_wins_and_is_checked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", inputs=np.zeros((5, 4, 4), np.uint8), labels=np.zeros(5, int))
    mine = Preprocess("nchw", 16.0, (0.0,), (1.0,), (16,))
    assert load_data(path, preprocess=mine).preprocess == mine
    with pytest.raises(DataError, match=r"a.npz: the data has samples of shape \(4, 4\)"):
        load_data(path, preprocess=Preprocess.identity((17,)))


GOOD = {"inputs": np.zeros((4, 3)), "labels": np.array([0, 1, 2, 0])}
TWO = {"x_train": np.zeros((2, 3)), "y_train": np.array([0, 1])}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": GOOD["labels"]}, "found the keys"),
        ({"images": GOOD["inputs"]}, r"found the keys \['images'\]"),
        (GOOD | {"labels": np.array([0, 1])}, "4 inputs but 2 labels"),
        (GOOD | {"labels": np.array([0, -1, 0, 0])}, "label -1 is negative"),
        (GOOD | {"labels": np.array([0.0, 1, 0, 0])}, "labels are of type float64"),
        (GOOD | {"labels": np.zeros((4, 3), int)}, r"labels have shape \(4, 3\)"),
        (GOOD | {"inputs": np.full((4, 3), np.nan)}, "hold a NaN"),
        (GOOD | {"inputs": np.array(["a"] * 4)}, "sample of at least one axis"),
        (GOOD | {"inputs": np.array([["a"]] * 4)}, "numbers with the batch first"),
        (GOOD | {"inputs": np.zeros((0, 3)), "labels": np.zeros(0, int)}, "no samples"),
        (TWO | {"x_test": np.zeros((2, 3))}, "must come together"),
        (TWO | {"x_test": np.zeros((2, 4)), "y_test": np.array([0, 1])}, "they must be equal"),
    ],
)
def test_unusable_arrays_are_named_in_one_line(tmp_path: Path, arrays: dict, message: str) -> None:
    path = save(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message) as error:
        load_data(path)
    assert "a.npz" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_named_in_one_line(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.npz", **GOOD).read_bytes()
    pickled = np.array([{}, 1], dtype=object)
    np.savez(tmp_path / "pickled.npz", inputs=pickled, labels=np.array([0, 1]))
    np.save(tmp_path / "single.npy", GOOD["inputs"])
    cases = {"cut.npz": whole[: len(whole) // 2], "noise.npz": b"hello", "empty.npz": b""}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    for name in (*cases, "pickled.npz", "single.npy"):
        with pytest.raises(DataError, match=name) as error:
            load_data(tmp_path / name)
        assert "\n" not in str(error.value)


def test_unknown_names_and_paths() -> None:
    with pytest.raises(DataError, match="unknown data set or path 'mnits'; known are digits, mnist"):
        load_data("mnits")
    with pytest.raises(DataError, match=r"nowhere.npz: no such file"):
        load_data("nowhere.npz")
    assert set(names()) >= {
        "digits",
        "mnist",
        "fashion-mnist",
        "isolet",
        "har",
        "har-inertial",
        "cifar10",
        "cifar100",
    }


def test_the_data_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPIDNN_DATA", str(tmp_path))
    x = np.zeros((2, 28, 28), np.uint8)
    save(tmp_path / "mnist.npz", x_train=x, y_train=np.array([9, 0]), x_test=x, y_test=np.array([1, 0]))
    data = load_data("mnist")
    assert (data.classes, data.preprocess.shape) == (10, (1, 28, 28))
    save(tmp_path / "isolet.npz", inputs=np.zeros((2, 616)), labels=np.array([0, 1]))
    with pytest.raises(DataError, match="isolet"):
        load_data("isolet")
    save(tmp_path / "cifar10.npz", inputs=np.zeros((2, 32, 32, 3), np.uint8), labels=np.array([0, 10]))
    with pytest.raises(DataError, match="label 10 is out of range for 10 classes"):
        load_data("cifar10")
    monkeypatch.setenv("RAPIDNN_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"RAPIDNN_DATA names .*absent"):
        load_data("mnist")


def test_an_unwritable_cache_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RAPIDNN_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="cannot write the data cache"):
        load_data("mnist", mirror="http://127.0.0.1:9")


@given(st.lists(st.integers(0, 5), min_size=2, max_size=200), st.data())
def test_held_out_is_exact_and_stratified(labels: list[int], data: st.DataObject) -> None:
    y = np.array(labels)
    count = data.draw(st.integers(0, len(y)))
    mask = held_out(y, count, np.random.default_rng(0))
    assert mask.sum() == count
    share = count / len(y)
    for c in np.unique(y):
        assert abs(mask[y == c].sum() - share * (y == c).sum()) < 1


def test_validation_split_is_deterministic_and_a_partition() -> None:
    x = np.arange(200, dtype=np.int32)[:, None]
    y = np.tile(np.arange(4), 50)
    data = DataSet("t", x, y, None, None, 4, Preprocess.identity((1,)))
    first, again = data.validation_split(), data.validation_split()
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    x_fit, y_fit, x_val, y_val = first
    assert (len(x_val), len(x_fit)) == (20, 180)
    assert np.array_equal(np.sort(np.concatenate([x_fit, x_val]), axis=0), x)
    assert np.array_equal(y_fit, y[x_fit[:, 0]])
    assert np.bincount(y_val).tolist() == [5, 5, 5, 5]
    with pytest.raises(DataError, match="too few to hold out"):
        DataSet("t", x[:2], y[:2], None, None, 4, Preprocess.identity((1,))).validation_split()


@pytest.mark.skipif(not REAL, reason="RAPIDNN_DATA names no folder of real data")
@pytest.mark.parametrize("name", ["mnist", "isolet", "har-inertial", "cifar10"])
def test_real_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAPIDNN_DATA", REAL)
    data = load_data(name)
    x, y = data.split("test")
    assert data.preprocess.apply(x[:10]).shape == (10, *data.preprocess.shape)
    assert set(np.unique(y)) == set(range(data.classes))
