"""Pair counts of sampled neurons: for each, how often weight code i meets input code j among its inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.geometry import window_taps
from rapidnn.tables.program import CodeSum, PooledSum, Program, Summing, WeightedSum, sources_of

Counted = WeightedSum | PooledSum | CodeSum
"""Accumulations whose addends depend on the data; a product of two codes reads one row, whatever they are."""

Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Codes = Mapping[str, UInt8]


@dataclass(frozen=True, eq=False)
class NeuronSample:
    """Chosen elements of a batch ``(N, *shape)``: batch row, flat index within the sample, and the sample's shape."""

    row: Int64
    flat: Int64
    shape: tuple[int, ...]

    @classmethod
    def of(cls, flat: Int64, batch_shape: tuple[int, ...]) -> NeuronSample:
        """From flat indices into the whole batch."""
        size = int(np.prod(batch_shape[1:], dtype=np.int64))
        return cls(flat // size, flat % size, batch_shape[1:])

    def __len__(self) -> int:
        return len(self.row)

    def channel_first(self) -> tuple[Int64, Int64]:
        """Channel (axis 0) and flat spatial position."""
        spatial = int(np.prod(self.shape[1:], dtype=np.int64))
        return self.flat // spatial, self.flat % spatial

    def channel_last(self) -> tuple[Int64, Int64]:
        """Channel (last axis) and flat leading position."""
        return self.flat % self.shape[-1], self.flat // self.shape[-1]


def source_edges(program: Program) -> list[tuple[Counted, tuple[str, ...]]]:
    """The accumulation steps in order, each with the code edges it reads (each once)."""
    steps = (step for step in program.steps if isinstance(step, WeightedSum | PooledSum | CodeSum))
    return [(step, code_sources(step)) for step in steps]


def code_sources(step: Summing) -> tuple[str, ...]:
    """The code edges an accumulation reads, each once."""
    return tuple(dict.fromkeys(sources_of(step)))


def sample_pairs(
    program: Program, step: Counted, neurons: NeuronSample, codes: Codes
) -> tuple[Int64, NDArray[np.bool_]]:
    """Counts ``(S, w, u)`` of (weight code, input code) pairs over the taps inside the input, and non-zero products.

    The second result broadcasts against the first. A sum of codes alone has no pairs: its arrays are ``(S, 0, 0)``.
    """
    match step:
        case CodeSum():
            return np.zeros((len(neurons), 0, 0), np.int64), np.zeros((1, 0, 0), bool)
        case PooledSum():
            return _pooled(program, step, neurons, codes[step.source])
        case WeightedSum():
            return _weighted(program, step, neurons, codes[step.source])


def _pooled(
    program: Program, step: PooledSum, neurons: NeuronSample, source: UInt8
) -> tuple[Int64, NDArray[np.bool_]]:
    channel, place = neurons.channel_first()
    spatial_in = program.shapes[step.source][1:]
    offset, inside = window_taps(step.window, spatial_in, neurons.shape[1:], place)
    flat = source.reshape(len(source), source.shape[1], -1)
    taps = flat[neurons.row[:, np.newaxis], channel[:, np.newaxis], offset]
    counts = _count(np.zeros_like(taps, np.int64), taps, inside, 1, len(step.row))
    return counts, (step.row != 0)[np.newaxis, np.newaxis, :]


def _weighted(
    program: Program, step: WeightedSum, neurons: NeuronSample, source: UInt8
) -> tuple[Int64, NDArray[np.bool_]]:
    sets, weights, inputs = step.products.shape
    if step.window is None:
        channel, place = neurons.channel_last()
        rows = source.reshape(len(source), -1, source.shape[-1])
        taps = rows[neurons.row, place]
        inside = np.ones(taps.shape, bool)
        weight = step.weight_codes[channel]
    else:
        channel, place = neurons.channel_first()
        offset, within = window_taps(step.window, program.shapes[step.source][1:], neurons.shape[1:], place)
        depth = step.weight_codes.shape[1]
        first = channel // (step.channels // step.groups) * depth
        flat = source.reshape(len(source), source.shape[1], -1)
        inputs_of = (first[:, np.newaxis] + np.arange(depth))[:, :, np.newaxis]
        taps = flat[neurons.row[:, np.newaxis, np.newaxis], inputs_of, offset[:, np.newaxis, :]]
        inside = np.broadcast_to(within[:, np.newaxis, :], taps.shape)
        weight = step.weight_codes.reshape(step.channels, depth, -1)[channel]
    counts = _count(weight, taps, inside, weights, inputs)
    nonzero = step.products != 0
    return counts, nonzero if sets == 1 else nonzero[channel]


def _count(weight: NDArray[np.integer], taps: UInt8, inside: NDArray[np.bool_], w: int, u: int) -> Int64:
    """Occurrences of each pair per neuron, ``(S, w, u)``: one bincount over ``neuron, i, j`` with a bin for padding."""
    rows = len(taps)
    pair = np.where(inside, weight.astype(np.int64) * u + taps, w * u).reshape(rows, -1)
    pair += np.arange(rows)[:, np.newaxis] * (w * u + 1)
    counts = np.bincount(pair.ravel(), minlength=rows * (w * u + 1))
    return np.asarray(counts.reshape(rows, -1)[:, :-1].reshape(rows, w, u), np.int64)


def residual_rows(program: Program, step: Counted, neurons: NeuronSample, codes: Codes) -> Int64:
    """Addends of each neuron that are a bias, constant or row of a residual table, where non-zero: int64 ``(S,)``."""
    found = np.zeros(len(neurons), np.int64)
    if isinstance(step, PooledSum):
        return found
    terms = step.terms if isinstance(step, CodeSum) else step.residuals
    if isinstance(step, WeightedSum):
        channel = (neurons.channel_last() if step.window is None else neurons.channel_first())[0]
        found += step.bias[channel] != 0
    elif step.offset is not None:
        found += np.broadcast_to(step.offset, neurons.shape).reshape(-1)[neurons.flat] != 0
    if terms:
        unit = np.broadcast_to(program.unit_index(step.name), neurons.shape).reshape(-1)[neurons.flat]
        for term in terms:
            code = codes[term.source][(neurons.row, *np.unravel_index(neurons.flat, neurons.shape))]
            found += term.rows[unit if len(term.rows) > 1 else 0, code] != 0
    return found
