from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest

from rapidnn.data import Preprocess, load_data
from rapidnn.errors import DataError

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


def put(path: Path, array: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


def rgb(seed: int, size: tuple[int, int] = (6, 5)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def test_classes_are_sorted_folders(tmp_path: Path) -> None:
    put(tmp_path / "b" / "2.png", rgb(2))
    put(tmp_path / "b" / "1.png", rgb(1))
    put(tmp_path / "a" / "x.PNG", rgb(0))
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    data = load_data(tmp_path)
    assert data.class_names == ("a", "b")
    assert data.preprocess == Preprocess("nhwc", 255.0, (0.0,), (1.0,), (3, 6, 5))
    x, y = data.split()
    assert y.tolist() == [0, 1, 1]
    assert np.array_equal(x, np.stack([rgb(0), rgb(1), rgb(2)]))


def test_grey_images_and_splits(tmp_path: Path) -> None:
    for split in ("train", "test"):
        put(tmp_path / split / "a" / "1.png", rgb(1)[..., 0])
        put(tmp_path / split / "b" / "1.png", rgb(2)[..., 0])
    data = load_data(str(tmp_path))
    assert data.preprocess.shape == (1, 6, 5)
    assert data.preprocess.apply(data.split("test")[0]).shape == (2, 1, 6, 5)
    assert not data.single


def test_grey_among_colour_becomes_colour(tmp_path: Path) -> None:
    put(tmp_path / "a" / "1.png", rgb(1)[..., 0])
    put(tmp_path / "b" / "1.png", rgb(2))
    x, _ = load_data(tmp_path).split()
    assert np.array_equal(x[0], np.repeat(rgb(1)[..., :1], 3, axis=2))


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        load_data(tmp_path)
    (tmp_path / "a").mkdir()
    with pytest.raises(DataError, match="no images in it"):
        load_data(tmp_path)
    put(tmp_path / "a" / "1.png", rgb(1))
    put(tmp_path / "a" / "2.png", rgb(2, (6, 4)))
    with pytest.raises(DataError, match=r"2.png: 4 x 6 pixels, but .*1.png has 5 x 6"):
        load_data(tmp_path)
    (tmp_path / "a" / "2.png").write_bytes((tmp_path / "a" / "1.png").read_bytes()[:60])
    with pytest.raises(DataError, match=r"2.png: not a readable image"):
        load_data(tmp_path)
    put(tmp_path / "a" / "2.png", np.zeros((6, 5), np.uint16))
    with pytest.raises(DataError, match="deeper than 8 bits"):
        load_data(tmp_path)


def test_splits_with_other_classes_are_refused(tmp_path: Path) -> None:
    put(tmp_path / "train" / "a" / "1.png", rgb(1))
    put(tmp_path / "test" / "b" / "1.png", rgb(1))
    with pytest.raises(DataError, match=r"different classes: \['a', 'b'\]"):
        load_data(tmp_path)


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a" / "1.png", rgb(1))
    original = builtins.__import__

    def refusing(name: str, *args, **kwargs):
        if name == "PIL":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refusing)
    with pytest.raises(DataError, match="needs Pillow"):
        load_data(tmp_path)
