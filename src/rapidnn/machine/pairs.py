"""Pair counts of many neurons, summed up as costs need them: in NumPy for reading, and natively for speed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.machine.digits import digit_counts
from rapidnn.machine.geometry import window_taps
from rapidnn.machine.sampling import Codes, Counted, NeuronSample
from rapidnn.tables.program import CodeSum, PooledSum, Program, WeightedSum

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PairSummary:
    """What the (weight code, input code) pairs of S neurons come to; int64 ``(S,)`` unless said otherwise.

    ``digits`` of counts of non-zero products, ``corrections`` 1 where one is negative, ``occupied`` counters of
    non-zero products, ``taps`` inside the input. ``group_taps`` int64 ``(w,)`` is the sum of each neuron's r-th largest
    weight group.
    """

    digits: Int64
    corrections: Int64
    occupied: Int64
    taps: Int64
    group_taps: Int64


def summarise(counts: Int64, nonzero: NDArray[np.bool_]) -> PairSummary:
    """The summary of pair counts ``(S, w, u)`` with the products that are not zero, as ``sample_pairs`` gives them."""
    digits, negative = digit_counts(counts)
    return PairSummary(
        digits=(digits * nonzero).sum(axis=(1, 2)),
        corrections=np.asarray((negative & nonzero).any(axis=(1, 2)), np.int64),
        occupied=((counts > 0) & nonzero).sum(axis=(1, 2)),
        taps=counts.sum(axis=(1, 2)),
        group_taps=-np.sort(-counts.sum(axis=2), axis=1).sum(axis=0),
    )


def count_sampled(
    program: Program, step: Counted, neurons: NeuronSample, codes: Codes, threads: int = 1
) -> PairSummary:
    """The summary for neurons of a step, counted natively: equal to :func:`summarise` of ``sample_pairs``.

    ``codes`` may lie in memory with the channel axis first or last.
    """
    if isinstance(step, CodeSum):
        none = np.zeros(len(neurons), np.int64)
        return PairSummary(none, none, none, none, np.zeros(0, np.int64))
    array = codes[step.source]
    if isinstance(step, WeightedSum) and step.window is None and array.ndim > 3:
        array = np.ascontiguousarray(array)  # its leading axes must lie one within the other
    flat, strides = _flat(array)
    walk = (
        _pooled(program, step, neurons, strides)
        if isinstance(step, PooledSum)
        else _weighted(program, step, neurons, strides)
    )
    found = np.zeros((len(neurons), 4), np.int32)
    group_taps = np.zeros(walk.weight_size, np.int64)
    _native.count_pairs(
        flat,
        walk.base,
        np.ascontiguousarray(walk.offsets),
        walk.place,
        walk.depth,
        walk.depth_step,
        walk.weights,
        walk.channel,
        walk.nonzero,
        walk.channel if len(walk.nonzero) > 1 else np.zeros(len(neurons), np.int32),
        walk.weight_size,
        walk.nonzero.shape[1] // walk.weight_size,
        threads,
        found,
        group_taps,
    )
    digits, corrections, occupied, taps = found.T.astype(np.int64)
    return PairSummary(digits, corrections, occupied, taps, group_taps)


@dataclass(frozen=True, eq=False)
class _Walk:
    """Where the inputs of neurons lie in the flat codes; ``src/native/pairs.h`` says how they are walked."""

    base: Int64
    offsets: Int64
    place: NDArray[np.int32]
    depth: int
    depth_step: int
    weights: UInt8
    channel: NDArray[np.int32]
    nonzero: UInt8
    weight_size: int


def _pooled(program: Program, step: PooledSum, neurons: NeuronSample, strides: tuple[int, ...]) -> _Walk:
    channel, place = neurons.channel_first()
    offsets, places = _places(program, step, neurons, place, strides)
    kernel = math.prod(step.window.kernel)
    return _Walk(
        base=neurons.row * strides[0] + channel * strides[1],
        offsets=offsets,
        place=places,
        depth=1,
        depth_step=0,
        weights=np.zeros((1, kernel), np.uint8),
        channel=np.zeros(len(neurons), np.int32),
        nonzero=(step.row != 0).astype(np.uint8)[np.newaxis],
        weight_size=1,
    )


def _weighted(program: Program, step: WeightedSum, neurons: NeuronSample, strides: tuple[int, ...]) -> _Walk:
    sets, weights, inputs = step.products.shape
    codes = np.ascontiguousarray(step.weight_codes, np.uint8).reshape(step.channels, -1)
    if step.window is None:
        channel, place = neurons.channel_last()
        leading = strides[-2] if len(strides) > 2 else 0
        base, depth, depth_step = neurons.row * strides[0] + place * leading, step.taps, strides[-1]
        offsets, places = np.zeros((1, 1), np.int64), np.zeros(len(neurons), np.int32)
    else:
        channel, place = neurons.channel_first()
        offsets, places = _places(program, step, neurons, place, strides)
        depth, depth_step = step.weight_codes.shape[1], strides[1]
        first = channel // (step.channels // step.groups) * depth
        base = neurons.row * strides[0] + first * strides[1]
    return _Walk(
        base=base.astype(np.int64),
        offsets=offsets,
        place=places,
        depth=depth,
        depth_step=depth_step,
        weights=codes,
        channel=channel.astype(np.int32),
        nonzero=(step.products != 0).astype(np.uint8).reshape(sets, weights * inputs),
        weight_size=weights,
    )


def _places(
    program: Program,
    step: WeightedSum | PooledSum,
    neurons: NeuronSample,
    place: Int64,
    strides: tuple[int, ...],
) -> tuple[Int64, NDArray[np.int32]]:
    """Offsets of the taps at places, -1 outside the input, and each neuron's row of them."""
    assert step.window is not None
    if len(place) < math.prod(neurons.shape[1:]):
        distinct, rows = place, np.arange(len(place))
    else:
        distinct, rows = np.unique(place, return_inverse=True)
    spatial_in = program.shapes[step.source][1:]
    offset, inside = window_taps(step.window, spatial_in, neurons.shape[1:], distinct)
    return np.where(inside, offset * strides[-1], -1), rows.astype(np.int32)


def _flat(codes: UInt8) -> tuple[UInt8, tuple[int, ...]]:
    """The codes as one row of memory, and the strides of their axes in it.

    Spatial axes lie one within the other, whether the channel axis comes first or last.
    """
    last = np.moveaxis(codes, 1, -1)
    if last.flags.c_contiguous and last.size:
        return last.reshape(-1), codes.strides
    whole = np.ascontiguousarray(codes, np.uint8)
    return whole.reshape(-1), whole.strides
