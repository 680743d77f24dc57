"""Which inputs the taps of a window read: coordinates, and how many fall inside the input rather than its padding."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.program import Window

Int64 = NDArray[np.int64]


def tap_coordinates(window: Window, axis: int, positions: int) -> Int64:
    """Input coordinate of each tap of each output position along one axis, padding included: ``(positions, k)``."""
    starts = np.arange(positions) * window.stride[axis] - window.padding[axis][0]
    return np.asarray(
        starts[:, np.newaxis] + np.arange(window.kernel[axis]) * window.dilation[axis], np.int64
    )


def taps_inside(window: Window, spatial_in: tuple[int, ...], spatial_out: tuple[int, ...]) -> Int64:
    """Taps per output position that read the input and not its padding: int64 of shape ``spatial_out``."""
    counts = np.ones((), np.int64)
    for axis, (size, positions) in enumerate(zip(spatial_in, spatial_out, strict=True)):
        at = tap_coordinates(window, axis, positions)
        counts = np.multiply.outer(counts, ((at >= 0) & (at < size)).sum(axis=1))
    return np.asarray(counts, np.int64)


def window_taps(
    window: Window, spatial_in: tuple[int, ...], spatial_out: tuple[int, ...], flat_positions: Int64
) -> tuple[Int64, NDArray[np.bool_]]:
    """Flat input offset of each tap of the given output positions, and whether it is inside the input.

    Both have shape ``(S, prod(kernel))``, taps in C order of the kernel; the offset of an outside tap is 0.
    """
    rows = len(flat_positions)
    offset = np.zeros((rows, 1), np.int64)
    inside = np.ones((rows, 1), bool)
    places = np.unravel_index(flat_positions, spatial_out)
    for axis, size in enumerate(spatial_in):
        at = tap_coordinates(window, axis, spatial_out[axis])[places[axis]]
        within = (at >= 0) & (at < size)
        offset = (offset[:, :, np.newaxis] * size + np.where(within, at, 0)[:, np.newaxis, :]).reshape(
            rows, -1
        )
        inside = (inside[:, :, np.newaxis] & within[:, np.newaxis, :]).reshape(rows, -1)
    return np.where(inside, offset, 0), inside


def positions_of(shape: tuple[int, ...]) -> int:
    """Number of spatial positions of a value of shape ``(C, *spatial)``."""
    return math.prod(shape[1:])
