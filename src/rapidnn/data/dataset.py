"""One labelled data set in memory: raw arrays by split, their preprocessing, and how to hold a part out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError

Labels = NDArray[np.int64]
Split = Literal["train", "test"]


@dataclass(frozen=True, eq=False)
class DataSet:
    """A labelled data set.

    Attributes
    ----------
    name
        What the user called it; errors quote it.
    x_train, x_test
        Raw samples, batch first, integers or floats as the source has them; None where there is no such
        split.
    y_train, y_test
        int64 labels from 0, one per sample.
    classes
        Number of classes; every label is below it.
    preprocess
        From a raw batch to a network's input.
    class_names
        Sorted names for a folder of images, else empty.

    Raises
    ------
    DataError
        If inputs and labels disagree in number, a label is outside 0..classes-1, an input is NaN, or both
        splits are absent.
    """

    name: str
    x_train: NDArray[Any] | None
    y_train: Labels | None
    x_test: NDArray[Any] | None
    y_test: Labels | None
    classes: int
    preprocess: Preprocess
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.x_train is None and self.x_test is None:
            raise DataError(f"{self.name}: there are neither training nor test samples")
        for split, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            if x is not None and y is not None:
                _check_split(f"{self.name} ({split})", x, y, self.classes)
            elif x is not None or y is not None:
                raise DataError(
                    f"{self.name} ({split}): inputs and labels must come together; one of them is missing"
                )

    @property
    def single(self) -> bool:
        """Whether there is one split only, as in an ``.npz`` of ``inputs`` and ``labels``."""
        return self.x_train is None or self.x_test is None

    def split(self, which: Split | None = None, *, default: Split = "train") -> tuple[NDArray[Any], Labels]:
        """Raw samples and labels of one split.

        With ``which`` None the ``default`` split is taken, or the only one there is.

        Raises
        ------
        DataError
            If the split asked for by name is absent.
        """
        train = None if self.x_train is None or self.y_train is None else (self.x_train, self.y_train)
        test = None if self.x_test is None or self.y_test is None else (self.x_test, self.y_test)
        if which not in (None, "train", "test"):
            raise DataError(f"unknown split {which!r}; use train or test")
        found = train if (which or default) == "train" else test
        if found is None and which is None:
            found = train or test
        if found is None:
            raise DataError(
                f"{self.name} has no {which} split, only one set of samples; leave the split out to use it"
            )
        return found

    def validation_split(self, *, fraction: float = 0.1) -> tuple[NDArray[Any], Labels, NDArray[Any], Labels]:
        """Hold a stratified part of the training samples out: ``(x_fit, y_fit, x_val, y_val)``.

        The parts depend on the labels alone, so training, composing and exploring hold out the same samples. Samples
        keep their order; test samples are never touched. Each class gives its share within one sample.

        Raises
        ------
        DataError
            If there are no training samples, or too few to hold any out.
        """
        x, y = self.split("train")
        count = round(len(y) * fraction)
        if not 0 < count < len(y):
            raise DataError(
                f"{self.name}: {len(y)} training samples are too few to hold out a share of {fraction}"
            )
        held = held_out(y, count, np.random.default_rng(0))
        return x[~held], y[~held], x[held], y[held]


def held_out(labels: Labels, count: int, rng: np.random.Generator | None) -> NDArray[np.bool_]:
    """A stratified choice of exactly ``count`` samples, as a mask.

    Samples are shuffled (not with ``rng`` None), ordered by class, and taken at even spacing, so that each
    class gives its share within one sample.
    """
    n = len(labels)
    order = np.arange(n) if rng is None else rng.permutation(n)
    order = order[np.argsort(labels[order], kind="stable")]
    place = np.arange(n, dtype=np.int64)
    chosen = (place + 1) * count // n > place * count // n
    mask = np.zeros(n, np.bool_)
    mask[order[chosen]] = True
    return mask


def as_labels(where: str, labels: NDArray[Any]) -> Labels:
    """Labels as int64.

    Raises
    ------
    DataError
        If they are not one axis of integers >= 0 (whole floats are not accepted either: a label is an index).
    """
    if labels.ndim != 1:
        raise DataError(f"{where}: labels have shape {labels.shape}; one integer per sample is expected")
    if labels.dtype.kind not in "ui":
        raise DataError(f"{where}: labels are of type {labels.dtype}; integers from 0 are expected")
    if len(labels) and int(labels.min()) < 0:
        raise DataError(f"{where}: label {int(labels.min())} is negative; labels are integers from 0")
    return labels.astype(np.int64)


def _check_split(where: str, x: NDArray[Any], y: Labels, classes: int) -> None:
    if len(x) != len(y):
        raise DataError(f"{where}: {len(x)} inputs but {len(y)} labels; there must be one label per input")
    if len(x) == 0:
        raise DataError(f"{where}: there are no samples")
    if x.ndim < 2 or x.dtype.kind not in "uif":
        raise DataError(
            f"{where}: inputs are {x.dtype} of shape {x.shape}; numbers with the batch first are expected"
        )
    if int(y.max()) >= classes:
        raise DataError(f"{where}: label {int(y.max())} is out of range for {classes} classes")
    if x.dtype.kind == "f" and np.isnan(x).any():
        sample = int(np.argmax(np.isnan(x.reshape(len(x), -1)).any(axis=1)))
        raise DataError(f"{where}: inputs hold a NaN (first in sample {sample}); clean the data first")
