"""Weights and tables in the layouts of the native kernels (``src/native/layers.h`` says what they are for)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.program import CodeGroup, Int32, UInt8, WeightedSum

LANES = 64
SCALARS = 4
TABLE_SIZE = 64
QUADS_TOGETHER = 16
_MAX_PLANES = 3


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


def grouped_codes(step: WeightedSum) -> UInt8:
    """Weight codes as ``(groups, channels of a group, places, taps of a place)``, places in kernel order."""
    outs = step.channels // step.groups
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
