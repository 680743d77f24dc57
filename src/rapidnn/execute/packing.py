"""Weights and tables in the layouts of the native kernels (``src/native/layers.h`` says what they are for)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.splitting import Split, splits, with_remainders
from rapidnn.tables.program import CodeGroup, Int32, UInt8, WeightedSum

LANES = 64
SCALARS = 4
TABLE_SIZE = 64
QUADS_TOGETHER = 16
_MAX_PLANES = 3
LARGE = 1 << 20
"""Weights of a layer that a core's cache does not hold."""
_CACHED_TAPS = 1024
_TILE_CHANNELS, _TILE_TAPS = 16, 64


@dataclass(frozen=True, eq=False)
class Planes:
    """Products as byte planes, value = base[row] + sum of plane << shift: ``bytes`` uint8 ``(rows, planes, 64)``,
    ``base`` int32 ``(rows,)``. ``cost`` is an estimate of cycles for 64 products.
    """

    bytes: UInt8
    base: Int32
    shift: tuple[int, ...]
    cost: float


@dataclass(frozen=True, eq=False)
class Factors:
    """Byte dot products over R ranks: weights packed, the byte of every input code, uint8 ``(R, 256)``, what to add per
    channel, and the byte of a padded input, uint8 ``(R,)``.
    """

    weights: NDArray[np.int8]
    operand: UInt8
    correction: Int32
    zero: UInt8


@dataclass(frozen=True, eq=False)
class Outer:
    """R outer products of bytes packed for dot products whose columns are samples.

    ``operand`` uint8 ``(R, 256)``: the byte of every code; ``zero`` uint8 ``(R,)``: the byte that stands for 0;
    ``weights`` int8 ``(groups, blocks of 16 channels, runs, tiles, 16, 64)``; ``correction`` int32 per channel.
    """

    operand: UInt8
    zero: UInt8
    weights: NDArray[np.int8]
    correction: Int32


def long_row_places(taps: int) -> int:
    """Into how many equal parts a long row of taps is cut, so that the codes of a part stay in the cache."""
    least = -(-taps // _CACHED_TAPS)
    return next((n for n in range(least, 8 * least) if taps % n == 0), 1)


def grouped_codes(step: WeightedSum) -> UInt8:
    """Weight codes as ``(groups, channels of a group, places, taps of a place)``, places in kernel order.

    The taps of a layer without a window are cut into :func:`long_row_places` places.
    """
    outs = step.channels // step.groups
    if step.window is None:
        return step.weight_codes.reshape(step.groups, outs, long_row_places(step.taps), -1)
    codes = step.weight_codes.reshape(step.channels, step.weight_codes.shape[1], -1)
    return codes.transpose(0, 2, 1).reshape(step.groups, outs, codes.shape[2], codes.shape[1])


def channel_blocks(codes: UInt8) -> UInt8:
    """Groups, blocks of four channels, places, taps, four codes; missing channels take code 0."""
    groups, outs, places, taps = codes.shape
    blocks = -(-outs // SCALARS)
    padded = np.zeros((groups, blocks * SCALARS, places, taps), np.uint8)
    padded[:, :outs] = codes
    split = padded.reshape(groups, blocks, SCALARS, places, taps)
    return np.ascontiguousarray(split.transpose(0, 1, 3, 4, 2))


def channel_columns(codes: UInt8) -> UInt8:
    """Groups, places, taps, channels filled up to a multiple of 64."""
    groups, outs, places, taps = codes.shape
    width = -(-outs // LANES) * LANES
    columns = np.zeros((groups, places, taps, width), np.uint8)
    columns[..., :outs] = codes.transpose(0, 2, 3, 1)
    return columns


def split_planes(table: NDArray[np.integer], weight: NDArray[np.float64]) -> Planes | None:
    """Byte planes of a table ``(rows, entries)``; None if it needs over three planes or has over 64 entries.

    Rows are looked up with frequency ``weight``. A plane costs a lookup and an addition per tap, and its widening,
    about five operations, whenever the peaks of the rows used have summed to 255: the cheapest split is taken.
    """
    if table.shape[1] > TABLE_SIZE:
        return None
    base = table.min(axis=1).astype(np.int64)
    values = table.astype(np.int64) - base[:, np.newaxis]
    best: tuple[float, Planes] | None = None
    for count in range(1, _MAX_PLANES + 1):
        for bits in range(3, 9) if count > 1 else (8,):
            if values.max() >> (bits * (count - 1)) > 255:
                continue
            parts = [values >> (bits * p) & ((1 << bits) - 1 if p + 1 < count else 255) for p in range(count)]
            peaks = np.max([part.max(axis=1) for part in parts], axis=0)
            cost = count * float(weight @ (2 + 5 * peaks / 255))
            if best is None or cost < best[0]:
                planes = np.zeros((len(values), count, TABLE_SIZE), np.uint8)
                planes[:, :, : values.shape[1]] = np.stack(parts, axis=1)
                shifts = tuple(bits * p for p in range(count))
                # Two operations a cycle.
                cycles = cost / 2 / max(1.0, float(weight.sum()))
                best = (cost, Planes(planes, base.astype(np.int32), shifts, cycles))
    return None if best is None else best[1]


_RANK_COST, _WINDOW_COST, _FAR_COST, _MANY = 0.06, 0.09, 0.15, 1.25
"""One rank's dot product per tap, in byte lookups, as measured with AMX: in a linear layer, in a convolution, whose
operands of all ranks are read again for every position, and where weights come from beyond a core's cache. The last two
cost more where ranks are many and their operands leave the cache.
"""


def planes_cost(planes: Planes, frequency: NDArray[np.float64]) -> float:
    """Time per tap in byte lookups: one per plane, and its widening, of two, whenever the peaks have summed to 255."""
    peaks = planes.bytes.max(axis=(1, 2)).astype(np.float64)
    weight = frequency / frequency.sum()
    return float(planes.bytes.shape[1] * (weight @ (1 + 2.5 * peaks / 255)))


def exact_split(step: WeightedSum, group: CodeGroup) -> Split:
    """The one outer product of a step that :func:`factorise` accepts."""
    values = step.values.astype(np.int64).reshape(-1, 1)
    inputs = group.values.astype(np.int64)[np.newaxis]
    return Split(values, inputs, np.zeros((len(values), inputs.shape[1]), np.int64))


def remainder_split(step: WeightedSum, group: CodeGroup) -> Split | None:
    """The exact split of a table that rounds products of bytes, if it is one and its sums keep within int32."""
    if len(step.products) > 1 or not 0 < step.shift < 8:
        return None
    table = step.products[0].astype(np.int64)
    if int(np.abs(table).max()) * step.taps << step.shift >= 2**31:
        return None
    return with_remainders(step.values[0].astype(np.int64), group.values.astype(np.int64), table, step.shift)


def best_split(
    step: WeightedSum, planes: Planes | None, used: NDArray[np.float64], exact: Split | None
) -> tuple[Split, Planes | None] | None:
    """The split that is cheapest to run with the planes of its rest; None where the whole table's are cheaper.

    ``exact`` is one that leaves no rest, if there is one.
    """
    sets, _, entries = step.products.shape
    if entries > TABLE_SIZE:
        return None
    table, frequency = step.products.reshape(-1, entries), np.tile(used, sets)
    best: tuple[Split, Planes | None] | None = None
    cost = np.inf if planes is None else planes_cost(planes, frequency)
    far = step.weight_codes.size > LARGE
    per_rank = _FAR_COST if far else _RANK_COST if step.window is None else _WINDOW_COST
    if exact is not None:
        whole = per_rank * len(exact.inputs) * (1.0 if per_rank == _RANK_COST else _MANY)
        if whole < cost:
            best, cost = (exact, None), whole
    for split in splits(table, frequency):
        rest = split_planes(split.rest, frequency)
        if rest is None:
            continue
        mine = planes_cost(rest, frequency) + per_rank * split.weights.shape[1]
        if mine < cost:
            best, cost = (split, rest), mine
    return best


def factorise(step: WeightedSum, group: CodeGroup) -> Factors | None:
    """Factors for the exact byte dot product, if the product table is the outer product of bytes; else None."""
    exact = step.values.astype(np.int64)[:, :, np.newaxis] * group.values.astype(np.int64)
    inputs, weights = group.values.astype(np.int64), step.values.astype(np.int64)
    signed = bool(inputs[0] < 0)
    fits = np.abs(weights).max() <= 127 and inputs[-1] <= (127 if signed else 255) and inputs[0] >= -128
    if not fits or step.taps * 255 * 127 >= 2**31 or not np.array_equal(exact, step.products):
        return None
    codes = grouped_codes(step)
    if len(weights) == 1:
        real = weights[0][codes]
    else:
        flat = codes.reshape(step.channels, -1).astype(np.intp)
        real = np.take_along_axis(weights, flat, axis=1).reshape(codes.shape)
    return pack_dot([real], inputs[np.newaxis], np.array([128 if signed else 0]))


def pack_dot(
    weights: list[NDArray[np.int64]], inputs: NDArray[np.int64], offset: NDArray[np.integer]
) -> Factors:
    """Pack one dot product.

    Parameters
    ----------
    weights
        For each rank the weights within int8, ``(groups, channels of a group, places, taps)``.
    inputs, offset
        Input values ``(R, u)``, and what makes bytes of them, ``(R,)``.
    """
    groups, outs = weights[0].shape[:2]
    every = np.concatenate([part.reshape(groups, outs, -1) for part in weights], axis=-1)
    blocks, quads = -(-outs // LANES), QUADS_TOGETHER * -(-every.shape[-1] // (4 * QUADS_TOGETHER))
    padded = np.zeros((groups, blocks * LANES, quads * 4), np.int8)
    padded[:, :outs, : every.shape[-1]] = every
    packed = padded.reshape(groups, blocks, LANES, quads, 4).transpose(0, 1, 3, 2, 4)
    operand = np.zeros((len(inputs), 256), np.uint8)
    operand[:, : inputs.shape[1]] = inputs + offset[:, np.newaxis]
    sums = np.stack([part.reshape(groups * outs, -1).sum(axis=1) for part in weights])
    correction = -(offset @ sums)
    return Factors(
        np.ascontiguousarray(packed), operand, correction.astype(np.int32), offset.astype(np.uint8)
    )


def pack_outer(codes: UInt8, split: Split, sets: int, width: int) -> Outer:
    """The outer products of a split. Sums are meant modulo 2**32, so partial ones may pass beyond.

    Parameters
    ----------
    codes
        Weight codes as :func:`grouped_codes` gives them.
    split
        Of the product tables of all ``sets`` (one, or one per channel) below one another.
    width
        Places that follow one another, taken as one run.
    """
    groups, outs, places, taps = codes.shape
    count = split.weights.shape[1]
    zero = np.where(split.inputs.min(axis=1) < 0, 128, 0)
    real = _real_weights(codes, split.weights.reshape(sets, -1, count))
    quads, runs = -(-taps // 4), places // width
    tiles = -(-width * count * quads * 4 // _TILE_TAPS)
    by_run = np.zeros((groups, outs, runs, width, count, quads * 4), np.int8)
    by_run[..., :taps] = real.reshape(groups, outs, runs, width, taps, count).swapaxes(-1, -2)
    blocks = -(-outs // _TILE_CHANNELS)
    padded = np.zeros((groups, blocks * _TILE_CHANNELS, runs, tiles * _TILE_TAPS), np.int8)
    flat = by_run.reshape(groups, outs, runs, -1)
    padded[:, :outs, :, : flat.shape[-1]] = flat
    tiled = padded.reshape(groups, blocks, _TILE_CHANNELS, runs, tiles, _TILE_TAPS)
    operand = np.zeros((count, 256), np.uint8)
    operand[:, : split.inputs.shape[1]] = split.inputs + zero[:, np.newaxis]
    total = real.reshape(groups * outs, -1, count).sum(axis=1, dtype=np.int64)
    correction = (-total @ zero).astype(np.int32)
    weights = np.ascontiguousarray(tiled.transpose(0, 1, 3, 4, 2, 5))
    return Outer(operand, zero.astype(np.uint8), weights, correction)


def _real_weights(codes: UInt8, tables: NDArray[np.int64]) -> NDArray[np.int8]:
    """Weights ``(*codes.shape, R)`` of tables ``(sets, weight codes, R)``."""
    small = tables.astype(np.int8)
    if len(small) == 1:
        return np.asarray(small[0][codes])
    groups, outs = codes.shape[:2]
    channel = np.arange(groups * outs).reshape(groups, outs, 1, 1)
    return np.asarray(small[channel, codes])
