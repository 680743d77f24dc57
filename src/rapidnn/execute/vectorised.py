"""The portable executor for daily use: NumPy at matrix speed where that is exact, table gathers where it is not.

Two laws make it equal to the reference. A matrix product of integers in floating point is exact in any order while
every partial sum stays below 2**24 (float32) or 2**53 (float64), and the artifact's ``bound`` is above every partial
sum; it may be used only where the product table equals the outer product of the codebooks, which is checked. And the
fused thresholds equal the two nearest searches on every int32 (``tests/tables/test_activation.py``).
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from rapidnn.execute.inputs import check_input
from rapidnn.execute.reference import Edge, Ints, Observer, run_step
from rapidnn.tables.program import (
    CodeGroup,
    Encode,
    EncodeInput,
    EncodeReal,
    Int32,
    Program,
    Step,
    UInt8,
    WeightedSum,
    Window,
    sources_of,
)

_PATCH_BYTES = 64 << 20
_GATHER_COLUMNS = 4096
_KNOWN_FACTORS: WeakKeyDictionary[WeightedSum, tuple[CodeGroup, NDArray[np.floating] | None]] = (
    WeakKeyDictionary()
)
"""Decoded weights of the steps seen, each with the code group they hold for: batches need not decode them again."""


def run_vectorised(program: Program, x: NDArray[np.float32], observe: Observer | None = None) -> Edge:
    """Same contract and same integers as :func:`rapidnn.execute.reference.run_reference`."""
    edges: dict[str, Edge] = {}
    for step, finished in zip(program.steps, last_uses(program), strict=True):
        edges[step.name] = _run(program, step, edges, x)
        if observe is not None:
            observe(step.name, edges[step.name])
        for name in finished:
            del edges[name]
    return edges[program.output]


def last_uses(program: Program) -> list[list[str]]:
    """For each step the edges that nothing reads after it."""
    last: dict[str, int] = {}
    for position, step in enumerate(program.steps):
        for name in [step.name, *sources_of(step)]:
            last[name] = position
    last.pop(program.output)
    finished: list[list[str]] = [[] for _ in program.steps]
    for name, position in last.items():
        finished[position].append(name)
    return finished


def _run(program: Program, step: Step, edges: dict[str, Edge], x: NDArray[np.float32]) -> Edge:
    match step:
        case EncodeInput():
            return _encode_real(step.thresholds, check_input(program, x))
        case EncodeReal():
            return _encode_real(step.thresholds, edges[step.source])
        case Encode():
            return _encode(step, edges[step.source], program.unit_index(step.source))
        case WeightedSum():
            return _weighted_sum(program, step, edges)
        case _:
            return run_step(program, step, edges, x)


def _encode_real(thresholds: NDArray[np.float32], x: NDArray[np.float32]) -> UInt8:
    return np.searchsorted(thresholds, x, side="left").astype(np.uint8)


def _encode(step: Encode, acc: Ints, unit: NDArray[np.intp]) -> UInt8:
    if len(step.thresholds) == 1:
        return np.asarray(step.codes[0][np.searchsorted(step.thresholds[0], acc, side="left")])
    result = np.empty(acc.shape, np.uint8)
    where = np.broadcast_to(unit, acc.shape[1:])
    for t, (thresholds, codes) in enumerate(zip(step.thresholds, step.codes, strict=True)):
        place = (slice(None), *_bounds(where == t))
        mask = (where == t)[place[1:]]
        part = codes[np.searchsorted(thresholds, acc[place], side="left")]
        result[place] = part if mask.all() else np.where(mask, part, result[place])
    return result


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The smallest box that holds a mask's true places."""
    return tuple(slice(int(axis.min()), int(axis.max()) + 1) for axis in np.nonzero(mask))


def _weighted_sum(program: Program, step: WeightedSum, edges: dict[str, Edge]) -> Int32:
    x = edges[step.source]
    group = program.group_of[step.source]
    shape = program.shapes[step.name]
    channels_last = shape if step.window is None else (*shape[1:], shape[0])
    result = np.empty((len(x), *channels_last), np.int32)
    factors = _known_factors(step, group)
    positions = math.prod(channels_last[:-1])
    itemsize = 8 if factors is None else factors.itemsize
    chunk = max(1, _PATCH_BYTES // (positions * step.taps * step.groups * itemsize))
    for start in range(0, len(x), chunk):
        part = x[start : start + chunk]
        if factors is None:
            padding_code = group.size  # one more column of every table, holding 0
            patches = _patches(part.astype(np.intp), step.window, channels_last[:-1], padding_code)
            sums = _gather(step, patches)
        else:
            decoded = group.values.astype(factors.dtype)[part]
            sums = _multiply(step, factors, _patches(decoded, step.window, channels_last[:-1], 0))
        result[start : start + chunk] = sums.reshape(len(part), *channels_last)
    result += step.bias
    channel_first = result if step.window is None else np.moveaxis(result, -1, 1)
    unit = np.zeros(1, np.intp) if len(step.acc_scales) == 1 else program.unit_index(step.name)
    for term in step.residuals:
        channel_first += term.rows[unit, edges[term.source]]
    return np.ascontiguousarray(channel_first)


def _known_factors(step: WeightedSum, group: CodeGroup) -> NDArray[np.floating] | None:
    known = _KNOWN_FACTORS.get(step)
    if known is None or known[0] is not group:
        known = _KNOWN_FACTORS[step] = (group, _factors(step, group.values))
    return known[1]


def _factors(step: WeightedSum, inputs: Int32) -> NDArray[np.floating] | None:
    """Decoded weights ``(O, K)`` if the product table is their outer product with the inputs, else None."""
    exact = step.values.astype(np.int64)[:, :, np.newaxis] * inputs.astype(np.int64)
    if not np.array_equal(exact, step.products):
        return None
    dtype = np.float32 if step.bound < 2**24 else np.float64
    codes = step.weight_codes.reshape(step.channels, -1)
    if len(step.values) == 1:
        return np.asarray(step.values[0].astype(dtype)[codes])
    return np.take_along_axis(step.values.astype(dtype), codes.astype(np.intp), axis=1)


def _patches(x: NDArray[Any], window: Window | None, out: tuple[int, ...], fill: int) -> NDArray[Any]:
    """The inputs of every neuron: ``(positions of the batch, channels, *kernel)`` flattened to two axes."""
    if window is None:
        return x.reshape(-1, x.shape[-1])
    rank = len(out)
    reach = tuple((k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True))
    padded = np.pad(x, [(0, 0), (0, 0), *window.padding], constant_values=fill)
    views = sliding_window_view(padded, reach, axis=tuple(range(2, 2 + rank)))
    walk = tuple(slice(0, (o - 1) * s + 1, s) for o, s in zip(out, window.stride, strict=True))
    spread = tuple(slice(None, None, d) for d in window.dilation)
    chosen = views[(slice(None), slice(None), *walk, *spread)]
    return np.moveaxis(chosen, 1, 1 + rank).reshape(len(x) * math.prod(out), -1)


def _multiply(step: WeightedSum, factors: NDArray[np.floating], patches: NDArray[Any]) -> Int32:
    outs, taps = step.channels // step.groups, step.taps
    result = np.empty((len(patches), step.channels), np.int32)
    for g in range(step.groups):
        weights = factors[g * outs : (g + 1) * outs].T
        result[:, g * outs : (g + 1) * outs] = patches[:, g * taps : (g + 1) * taps] @ weights
    return result


def _gather(step: WeightedSum, patches: NDArray[Any]) -> Int32:
    """Add ``P[weight code, input code]`` tap by tap, for all channels and a block of positions at once."""
    tables = np.pad(step.products.astype(np.int32), [(0, 0), (0, 0), (0, 1)])
    codes = step.weight_codes.reshape(step.channels, -1)
    book = np.arange(step.channels) if len(tables) > 1 else np.zeros(step.channels, np.intp)
    outs, taps = step.channels // step.groups, step.taps
    result = np.empty((len(patches), step.channels), np.int32)

    def work(start: int) -> None:
        columns = np.ascontiguousarray(patches[start : start + _GATHER_COLUMNS].T)
        for g in range(step.groups):
            mine = slice(g * outs, (g + 1) * outs)
            acc = np.zeros((outs, columns.shape[1]), np.int32)
            found = np.empty_like(acc)
            for k in range(taps):
                rows = tables[book[mine], codes[mine, k]]
                np.take(rows, columns[g * taps + k], axis=1, out=found, mode="clip")
                acc += found
            result[start : start + _GATHER_COLUMNS, mine] = acc.T

    if len(patches) <= _GATHER_COLUMNS:  # starting threads would take longer
        work(0)
        return result
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(work, range(0, len(patches), _GATHER_COLUMNS)))
    return result
