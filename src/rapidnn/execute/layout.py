"""Where the taps of a weighted sum lie in the native executor's edges."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.reference import taps
from rapidnn.graph.shapes import Shape
from rapidnn.tables.program import Int32, WeightedSum


def walk(step: WeightedSum, source: Shape, shape: Shape, places: int) -> tuple[Int32, Int32, Int32]:
    """For every output position its runs of taps: (where its runs start, place in the kernel, first element).

    Without a window a position's taps are ``places`` equal parts of a row of the source.
    """
    if step.window is None:
        count = math.prod(shape[:-1])
        ends = np.arange(count + 1) * places
        start = np.arange(count * places) * (source[-1] // places)
        return _int32(ends), _int32(np.tile(np.arange(places), count)), _int32(start)
    w, spatial = step.window, shape[1:]
    grid = np.arange(math.prod(source[1:])).reshape(1, 1, *source[1:])
    found = list(taps(grid, w.kernel, w.stride, w.padding, w.dilation, spatial))
    base = np.stack([values.reshape(-1) for _, values, _ in found], axis=1) * source[0]
    real = np.stack([real.reshape(-1) for _, _, real in found], axis=1)
    first = np.concatenate([[0], np.cumsum(real.sum(axis=1))])
    place = np.broadcast_to(np.arange(len(found)), real.shape)
    return _int32(first), _int32(place[real]), _int32(base[real])


def image(step: WeightedSum, source: Shape, shape: Shape, places: int) -> tuple[Int32, Int32, int, int]:
    """The padded input as a line of places.

    Returns
    -------
    The source position at each place, -1 for padding; the first place of every run, ``(output positions, runs)``,
    ascending; how many places follow one another in a run; and how many in a row, which a run never leaves.
    """
    if step.window is None:
        count = math.prod(source[:-1]) * places
        row = _int32(np.arange(count))
        return row, row.reshape(-1, places), 1, 1
    w, spatial = step.window, shape[1:]
    grid = np.pad(np.arange(math.prod(source[1:])).reshape(source[1:]), w.padding, constant_values=-1)
    line = np.arange(grid.size).reshape(1, 1, *grid.shape)
    none = tuple((0, 0) for _ in w.kernel)
    found = taps(line, w.kernel, w.stride, none, w.dilation, spatial)
    start = np.stack([values.reshape(-1) for _, values, _ in found], axis=1)
    width = w.kernel[-1] if w.dilation[-1] == 1 else 1
    return _int32(grid.reshape(-1)), _int32(start[:, ::width]), width, grid.shape[-1]


def _int32(values: NDArray[Any]) -> Int32:
    return np.ascontiguousarray(values, np.int32)
