"""Integers as bytes: a table is a sum of planes of unsigned bytes, each less a zero point, times a power of 256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.program import UInt8


@dataclass(frozen=True, eq=False)
class Plane:
    """Stands for ``(data - zero) << shift``."""

    data: UInt8
    zero: int
    shift: int


def planes(values: NDArray[np.integer[Any]]) -> list[Plane]:
    """As few planes as hold the values: one if a byte does under some zero point, else whole bytes."""
    wide = values.astype(np.int64)
    low, high = int(wide.min(initial=0)), int(wide.max(initial=0))
    if low >= -255 and high - low <= 255:
        return [Plane((wide - low).astype(np.uint8), -low, 0)]
    count = 2
    while not _fits(low >> 8 * (count - 1), high >> 8 * (count - 1)):
        count += 1
    found = [Plane((wide >> 8 * b & 255).astype(np.uint8), 0, 8 * b) for b in range(count - 1)]
    top = wide >> 8 * (count - 1)
    zero = -int(top.min(initial=0))
    return [*found, Plane((top + zero).astype(np.uint8), zero, 8 * (count - 1))]


def _fits(low: int, high: int) -> bool:
    return low >= -255 and high - low <= 255
