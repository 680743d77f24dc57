"""Data sets as ``.npz`` files: reading them strictly, and writing the cache's files atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import untrusted
from rapidnn.data.dataset import DataSet, as_labels
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError
from rapidnn.files import atomic_path

_SINGLE = ("inputs", "labels")
_NAMED = 20
"""How many foreign keys an error names."""
_SPLITS = ("x_train", "y_train", "x_test", "y_test")


def load_npz(
    path: Path, *, name: str | None = None, preprocess: Preprocess | None = None, classes: int | None = None
) -> DataSet:
    """A data set from an ``.npz``: inputs and labels, or x_train, y_train, x_test, y_test.

    ``preprocess`` defaults to a guess from the arrays (see `guess_preprocess`), ``classes`` to the greatest
    label plus one.

    Raises
    ------
    DataError
        If the file is missing, damaged, holds other keys or pickled objects, or its arrays are unusable.
    """
    arrays = read_arrays(path)
    shown = name or str(path)
    parts: tuple[NDArray[Any] | None, ...]
    if set(_SINGLE) <= set(arrays):
        parts = (arrays["inputs"], arrays["labels"], None, None)
    elif {"x_train", "y_train"} <= set(arrays) or {"x_test", "y_test"} <= set(arrays):
        parts = (arrays.get("x_train"), arrays.get("y_train"), arrays.get("x_test"), arrays.get("y_test"))
    else:
        raise DataError(
            f"{path}: found the keys {sorted(arrays)}; inputs and labels, or x_train, y_train, "
            "x_test and y_test are expected"
        )
    return make_data_set(shown, *parts, preprocess=preprocess, classes=classes)


def make_data_set(
    name: str,
    x_train: NDArray[Any] | None,
    y_train: NDArray[Any] | None,
    x_test: NDArray[Any] | None,
    y_test: NDArray[Any] | None,
    *,
    preprocess: Preprocess | None,
    classes: int | None,
) -> DataSet:
    """A validated `DataSet` from raw arrays: int64 labels, one sample shape that fits ``preprocess``."""
    train = None if y_train is None else as_labels(f"{name} (train)", y_train)
    test = None if y_test is None else as_labels(f"{name} (test)", y_test)
    if classes is None:
        classes = 1 + max((int(y.max()) for y in (train, test) if y is not None and len(y)), default=0)
    given = [x for x in (x_train, x_test) if x is not None]
    if len(given) == 2 and given[0].shape[1:] != given[1].shape[1:]:
        raise DataError(
            f"{name}: training samples have shape {given[0].shape[1:]}, test samples {given[1].shape[1:]}; "
            "they must be equal"
        )
    if preprocess is None:
        if not given or given[0].ndim < 2:
            raise DataError(
                f"{name}: inputs with the batch first and a sample of at least one axis are expected"
            )
        preprocess = guess_preprocess(given[0])
    data = DataSet(name, x_train, train, x_test, test, classes, preprocess)
    for x in given:
        try:
            preprocess.check(x)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None
    return data


def guess_preprocess(x: NDArray[Any]) -> Preprocess:
    """What an array of samples ``(N, ...)`` most likely is.

    Bytes of rank 3, or of rank 4 with 1 or 3 channels first or last, are images: divided by 255, laid out
    channel-first. Everything else is taken as it is. Floats are never scaled: nobody can tell what was done
    to them.
    """
    sample = tuple(x.shape[1:])
    if x.dtype == np.uint8 and len(sample) == 2:
        return Preprocess("nchw", 255.0, (0.0,), (1.0,), (1, *sample))
    if x.dtype == np.uint8 and len(sample) == 3:
        if sample[0] in (1, 3):
            return Preprocess("nchw", 255.0, (0.0,), (1.0,), sample)
        if sample[2] in (1, 3):
            return Preprocess("nhwc", 255.0, (0.0,), (1.0,), (sample[2], *sample[:2]))
    return Preprocess.identity(sample)


def write_npz(path: Path, arrays: dict[str, NDArray[Any]]) -> None:
    """Write ``arrays`` so that ``path`` is either absent, its old content, or complete."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        # numpy's own signature takes allow_pickle between the file and the arrays, which mypy reads as an array.
        np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an ``.npz`` that have a meaning here; if there are none, empty ones under the keys it has.

    Raises
    ------
    DataError
        If the file is missing, damaged, or holds pickled objects.
    """
    if not path.is_file():
        raise DataError(
            f"{path}: no such file; give a data set's name, an .npz, or a folder of images by class"
        )
    if _begins_as_single_array(path):
        raise DataError(f"{path}: a single array; an .npz with inputs and labels is expected")
    try:
        arrays, names = untrusted.read_npz(path, lambda key: key in (*_SINGLE, *_SPLITS))
    except untrusted.UnreadableError as error:
        raise DataError(f"{path}: not a readable .npz of plain arrays: {error}") from None
    return arrays or _foreign([untrusted.one_line(name) for name in names[:_NAMED]])


def _begins_as_single_array(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(6) == b"\x93NUMPY"
    except OSError:
        return False


def _foreign(keys: list[str]) -> dict[str, NDArray[Any]]:
    """Empty arrays under the keys found, only so that the error can name them."""
    return {key: np.empty(0) for key in keys}
