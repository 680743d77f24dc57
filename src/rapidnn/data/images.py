"""A folder of images by class: ``FOLDER/<class>/<image>``, or the same below ``train`` and ``test``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import untrusted
from rapidnn.data.dataset import DataSet
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff"})

_WORKING_BYTES = 8
"""A pixel as Pillow decodes it (up to 4 bytes), converts it (up to 4), and at last as an array."""


def load_folder(path: Path, *, preprocess: Preprocess | None = None) -> DataSet:
    """Images by class, all of one size, classes in sorted order of their folders' names.

    Raw samples are uint8 (H, W) if every image is grey, else (H, W, 3) RGB. Subfolders named exactly
    ``train`` and ``test`` are the splits; otherwise there is one split. Default preprocess: divided by 255,
    channels first.

    Raises
    ------
    DataError
        If Pillow is missing, a class is empty, the splits' classes differ, an image cannot be read, is deeper
        than 8 bits, or has another size than the first.
    """
    _require_pillow()
    folders = {entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    if not folders:
        raise DataError(f"{path}: no class folders in it; FOLDER/<class>/<image> is expected")
    roots = [path / "train", path / "test"] if folders == {"train", "test"} else [path]
    names = [_class_names(root) for root in roots]
    if names[0] != names[-1]:
        raise DataError(
            f"{path}: train and test hold different classes: {sorted(set(names[0]) ^ set(names[-1]))}"
        )
    files = [
        [(label, file) for label, name in enumerate(names[0]) for file in _images(root / name)]
        for root in roots
    ]
    pictures = [_open_all([file for _, file in part]) for part in files]
    grey = all(picture.ndim == 2 for part in pictures for picture in part)
    _check_sizes([file for part in files for _, file in part], [p for part in pictures for p in part])
    xs = [np.stack([p if grey else _to_rgb(p) for p in part]) for part in pictures]
    ys = [np.array([label for label, _ in part], np.int64) for part in files]
    height, width = xs[0].shape[1:3]
    if preprocess is None:
        preprocess = Preprocess("nhwc", 255.0, (0.0,), (1.0,), (1 if grey else 3, height, width))
    preprocess.check(xs[0])
    two = len(roots) == 2
    return DataSet(
        name=str(path),
        x_train=xs[0],
        y_train=ys[0],
        x_test=xs[1] if two else None,
        y_test=ys[1] if two else None,
        classes=len(names[0]),
        preprocess=preprocess,
        class_names=tuple(names[0]),
    )


def _require_pillow() -> None:
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise DataError("reading a folder of images needs Pillow; install it (pip install pillow)") from None


def _class_names(root: Path) -> list[str]:
    names = sorted(
        entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")
    )
    if not names:
        raise DataError(f"{root}: no class folders in it; {root}/<class>/<image> is expected")
    return names


def _images(folder: Path) -> list[Path]:
    found = sorted(
        entry for entry in folder.iterdir() if entry.suffix.lower() in EXTENSIONS and entry.is_file()
    )
    if not found:
        raise DataError(f"{folder}: no images in it ({', '.join(sorted(EXTENSIONS))} are read)")
    return found


def _open_all(files: list[Path]) -> list[NDArray[Any]]:
    from PIL import Image

    pictures: list[NDArray[Any]] = []
    limit, used, wanted = untrusted.limit_bytes(), 0, None
    for file in files:
        try:
            with Image.open(file) as image:
                if image.mode.startswith(("I", "F")):
                    raise DataError(
                        f"{file}: pixels of mode {image.mode} are deeper than 8 bits; convert it first"
                    )
                grey = image.mode in ("L", "1")
                # Before a pixel is decoded: a small file can declare a huge picture.
                _check_size(file, image.size, files[0], wanted or image.size)
                wanted = image.size
                pixels = image.size[0] * image.size[1]
                if used + pixels * _WORKING_BYTES > limit:
                    raise DataError(
                        f"{file}: the images unpack to over {limit} bytes; "
                        f"{untrusted.LIMIT_VARIABLE} raises that limit"
                    )
                used += pixels * (1 if grey else 3)
                pictures.append(np.asarray(image.convert("L" if grey else "RGB"), np.uint8))
        except DataError:
            raise
        except Exception as error:  # each decoder raises its own kinds on damaged bytes
            raise DataError(f"{file}: not a readable image: {untrusted.one_line(error)}") from None
    return pictures


def _check_size(file: Path, got: tuple[int, int], first: Path, want: tuple[int, int]) -> None:
    if got != want:
        raise DataError(
            f"{file}: {got[0]} x {got[1]} pixels, but {first} has {want[0]} x {want[1]}; "
            "all must be of one size"
        )


def _check_sizes(files: list[Path], pictures: list[NDArray[Any]]) -> None:
    want = pictures[0].shape[:2]
    for file, picture in zip(files, pictures, strict=True):
        got = picture.shape[:2]
        _check_size(file, (got[1], got[0]), files[0], (want[1], want[0]))


def _to_rgb(picture: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(picture[..., np.newaxis], 3, axis=2) if picture.ndim == 2 else picture
