"""How a raw array becomes a network's float32 input: exact, deterministic, stored in the artifact."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError

Layout = Literal["none", "nchw", "nhwc"]
_FIELDS = ("layout", "divisor", "mean", "std", "shape")


@dataclass(frozen=True)
class Preprocess:
    """The steps from a raw batch to the network's input, each one float32 operation per element, in order.

    1. float32 of the raw value;
    2. ``/ divisor`` (float32);
    3. to channel-first: ``nhwc`` moves the last axis of a sample to the front, ``nchw`` leaves it; in both a
       sample of two axes (H, W) becomes (1, H, W); ``none`` leaves the sample as it is;
    4. ``- mean[c]`` then ``/ std[c]`` (float32), c the index on the sample's first axis; one entry serves
       all;
    5. reshape (C order) to ``(N, *shape)``. Only a change to one axis (an image for a multi-layer perceptron)
       or a channel axis of extent 1 in front is a legal reshape: anything else would mix up axes silently.

    Attributes
    ----------
    layout
        How a raw sample is laid out (SPEC section 4): ``none`` for feature vectors, ``nchw`` or ``nhwc`` for
        images.
    divisor
        Positive; 255 for images of bytes.
    mean, std
        As many as channels, or one each; ``std`` positive; in units of the divided value.
    shape
        Shape of one network input, without the batch.

    Raises
    ------
    DataError
        If a field is out of its range.
    """

    layout: Layout
    divisor: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.layout not in get_args(Layout):
            raise DataError(f"preprocess layout {self.layout!r} is unknown; use none, nchw or nhwc")
        if not _positive(self.divisor):
            raise DataError(f"preprocess divisor must be a positive number, not {self.divisor!r}")
        if not self.mean or len(self.mean) != len(self.std):
            raise DataError(
                f"preprocess mean and std need one entry each per channel, "
                f"not {len(self.mean)} and {len(self.std)}"
            )
        if not all(_finite(value) for value in self.mean):
            raise DataError(f"preprocess mean must be finite numbers, not {self.mean!r}")
        if not all(_positive(value) for value in self.std):
            raise DataError(f"preprocess std must be positive numbers, not {self.std!r}")
        if not self.shape or not all(_extent(value) for value in self.shape):
            raise DataError(
                f"preprocess shape must be positive extents without the batch, not {self.shape!r}"
            )

    @classmethod
    def identity(cls, shape: tuple[int, ...]) -> Preprocess:
        """Raw values as they are, one sample of ``shape``."""
        return cls("none", 1.0, (0.0,), (1.0,), tuple(shape))

    def for_shape(self, shape: tuple[int, ...]) -> Preprocess:
        """The same steps for a network input of another shape of equal size, such as (784,) for (1, 28, 28).

        Raises
        ------
        DataError
            If the sizes differ.
        """
        if math.prod(shape) != math.prod(self.shape):
            raise DataError(
                f"the data has shape {self.shape} per sample, but the network expects {tuple(shape)}"
            )
        return replace(self, shape=tuple(shape))

    def check(self, x: NDArray[Any]) -> None:
        """Whether a raw batch ``(N, ...)`` fits.

        Raises
        ------
        DataError
            If its type is not a real number's, or its shape does not lead to ``shape`` or to as many channels
            as there are means; the message names the shape got and the one expected.
        """
        if x.dtype.kind not in "uif":
            raise DataError(f"the data is of type {x.dtype}; integers or real floats are expected")
        if x.ndim < 2:
            raise DataError(
                f"the data has shape {x.shape}; a batch axis and a sample of shape {self.shape} are expected"
            )
        first = self._channel_first(x.shape[1:])
        flat = len(self.shape) == 1 and math.prod(first) == self.shape[0]
        if not flat and self.shape not in (first, (1, *first)):
            raise DataError(
                f"the data has samples of shape {x.shape[1:]}; samples in layout {self.layout} for a network "
                f"input of shape {self.shape} are expected"
            )
        if len(self.mean) not in (1, first[0]):
            raise DataError(
                f"the data has {first[0]} channels, but the preprocess mean has {len(self.mean)} entries"
            )

    def apply(self, x: NDArray[Any]) -> NDArray[np.float32]:
        """Raw batch ``(N, ...)``, integers or floats -> C-contiguous float32 ``(N, *shape)``, a fresh array.

        Raises
        ------
        DataError
            If the batch does not fit (see `check`) or holds a NaN. Infinities pass.
        """
        x = np.asarray(x)
        self.check(x)
        if x.dtype.kind == "f" and np.isnan(x).any():
            sample = int(np.argmax(np.isnan(x.reshape(len(x), -1)).any(axis=1)))
            raise DataError(f"the data holds a NaN (first in sample {sample}); clean the data first")
        y = x.astype(np.float32)
        if self.divisor != 1.0:
            y /= np.float32(self.divisor)
        if self.layout == "nhwc" and y.ndim == 4:
            y = y.transpose(0, 3, 1, 2)
        y = np.ascontiguousarray(y).reshape(len(y), *self._channel_first(x.shape[1:]))
        channel = (-1,) + (1,) * (y.ndim - 2)
        if any(self.mean):
            y -= np.array(self.mean, np.float32).reshape(channel)
        if any(value != 1.0 for value in self.std):
            y /= np.array(self.std, np.float32).reshape(channel)
        return y.reshape(len(y), *self.shape)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the field names, as the artifact stores them."""
        return {
            "layout": self.layout,
            "divisor": self.divisor,
            "mean": list(self.mean),
            "std": list(self.std),
            "shape": list(self.shape),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Preprocess:
        """The inverse of `to_json`.

        Raises
        ------
        DataError
            If a field is missing, unknown, of the wrong type, or out of its range.
        """
        if not isinstance(record, Mapping) or set(record) != set(_FIELDS):
            shown = sorted(record) if isinstance(record, Mapping) else type(record).__name__
            raise DataError(f"a preprocess record holds {', '.join(_FIELDS)}, not {shown}")
        for name in ("mean", "std", "shape"):
            if not isinstance(record[name], list | tuple):
                raise DataError(f"preprocess {name} must be a list of numbers, not {record[name]!r}")
        if not all(_finite(v) for v in (record["divisor"], *record["mean"], *record["std"])):
            raise DataError("preprocess divisor, mean and std must be finite numbers")
        return cls(
            record["layout"],
            float(record["divisor"]),
            tuple(map(float, record["mean"])),
            tuple(map(float, record["std"])),
            tuple(record["shape"]),
        )

    def _channel_first(self, sample: tuple[int, ...]) -> tuple[int, ...]:
        if self.layout != "none" and len(sample) == 2:
            return (1, *sample)
        return (sample[-1], *sample[:-1]) if self.layout == "nhwc" and len(sample) == 3 else sample


def _finite(value: object) -> bool:
    # Not math.isfinite, which fails on integers of hundreds of digits.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _positive(value: object) -> bool:
    return _finite(value) and value > 0  # type: ignore[operator]  # _finite has checked the type


def _extent(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
