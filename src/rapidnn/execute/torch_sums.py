"""Sums of table entries as tensor operations, exact on any torch device.

Two laws make them exact. Adding integers in floating point is exact in any order while every partial sum stays below
2**24 (float32) or 2**53 (float64): taps are added in stretches that keep to it, and stretches are added in int32. And
where the product table is the outer product of the codebooks, which is checked, a sum is a matrix product: taken in
float64 only, since global settings of torch let a float32 product be carried out in TF32 or bfloat16, and only as a
matrix product, since a convolution may be carried out by transforms that are not exact. Sums of table rows
(``embedding_bag``) are plain additions, so they are the way of every other table.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from rapidnn.errors import DataError
from rapidnn.graph import ops
from rapidnn.tables.program import CodeGroup, Residual, WeightedSum, Window

_CHUNK_BYTES = 64 << 20
_MATRIX_BYTES = 64 << 20
_EXACT_32 = 2**24
_SHORTEST = 64
"""Stretches shorter than this many taps are not worth float32."""


class TorchSum:
    """A weighted sum on a device.

    Parameters
    ----------
    shape
        Of one sample of the sum.
    group
        The code group of its source.
    wide
        Whether the device computes in float64.

    Raises
    ------
    DataError
        If products are too wide for a device without float64.
    """

    def __init__(
        self,
        step: WeightedSum,
        shape: tuple[int, ...],
        group: CodeGroup,
        device: torch.device,
        *,
        wide: bool,
    ) -> None:
        self.step, self.shape, self.device = step, shape, device
        self.outs, self.taps = step.channels // step.groups, step.taps
        codes = torch.from_numpy(step.weight_codes.reshape(step.groups, self.outs, -1).copy()).to(device)
        self._codes = codes.permute(0, 2, 1).contiguous()  # groups, taps, channels of a group
        self._bias = torch.from_numpy(step.bias.copy()).to(device)
        self._factors = wide and _is_outer_product(step, group)
        self._inputs = group.size
        dtype = _dtype(step, self._factors, wide)
        padded = step.window is not None and any(map(any, step.window.padding))
        self._columns = 1 if self._factors else group.size + padded  # one more code, of zeros, for padding
        self._fill = 0 if self._factors else group.size
        if self._factors:
            self._values = torch.from_numpy(group.values.copy()).to(device, dtype)
            table = step.values[:, :, np.newaxis]
        else:
            table = np.pad(step.products, [(0, 0), (0, 0), (0, self._columns - group.size)])
        self._table = torch.from_numpy(np.ascontiguousarray(table)).to(device, dtype)
        self._stretches = self._cut(dtype)
        small = step.groups * self.taps * self._columns * self.outs * dtype.itemsize <= _MATRIX_BYTES
        self._matrices = [self._matrix(*stretch) for stretch in self._stretches] if small else None

    def __call__(self, x: Tensor) -> Tensor:
        """int32 sums ``(N, *shape)`` with their bias, for codes ``(N, ...)``."""
        last = self.shape if self.step.window is None else (*self.shape[1:], self.shape[0])
        positions = math.prod(last[:-1])
        result = self._bias.expand(len(x), positions, self.step.channels).clone()
        itemsize = 8 if self._factors else 4
        chunk = max(1, _CHUNK_BYTES // (positions * self.taps * self.step.groups * itemsize))
        for n, (start, stop) in enumerate(self._stretches):
            matrix = self._matrix(start, stop) if self._matrices is None else self._matrices[n]
            for first in range(0, len(x), chunk):
                part = x[first : first + chunk]
                patches = self._patches(part, last[:-1])[..., start:stop]
                sums = self._multiply(patches, matrix) if self._factors else self._add_rows(patches, matrix)
                result[first : first + chunk] += sums.to(torch.int32).view(len(part), positions, -1)
        result = result.view(len(x), *last)
        return result if self.step.window is None else result.movedim(-1, 1)

    def _cut(self, dtype: torch.dtype) -> list[tuple[int, int]]:
        """Stretches of taps whose sums are exact and whose tables are not too large."""
        row = self.step.groups * self._columns * self.outs * dtype.itemsize
        length = max(1, _MATRIX_BYTES // row)
        if dtype == torch.float32 and self.step.bound >= _EXACT_32:
            length = min(length, (_EXACT_32 - 1) // _peak(self.step))
        return [(start, min(start + length, self.taps)) for start in range(0, self.taps, length)]

    def _matrix(self, start: int, stop: int) -> Tensor:
        """What a stretch of taps is multiplied with ``(groups, taps, outs)``, or looked up in ``(rows, outs)``.

        Rows run over groups, taps, and codes.
        """
        codes = self._codes[:, start:stop].long()
        if len(self._table) == 1:
            entries = self._table[0][codes]
        else:
            channel = torch.arange(self.step.channels, device=self.device).view(self.step.groups, 1, -1)
            entries = self._table[channel, codes]
        if self._factors:
            return entries.squeeze(-1)
        return entries.movedim(-1, 2).reshape(-1, self.outs)

    def _patches(self, x: Tensor, out: tuple[int, ...]) -> Tensor:
        """The inputs of every neuron, ``(positions of the batch, groups, taps)``."""
        x = look_up(self._values, x) if self._factors else x.int()
        if self.step.window is None:
            return x.reshape(-1, 1, self.taps)
        view = windows(x, self.step.window, out, self._fill)
        return view.movedim(1, 1 + len(out)).reshape(len(x) * math.prod(out), self.step.groups, self.taps)

    def _multiply(self, patches: Tensor, matrix: Tensor) -> Tensor:
        if self.step.groups == 1:
            return patches[:, 0] @ matrix[0]
        return torch.bmm(patches.movedim(1, 0), matrix).movedim(0, 1).reshape(len(patches), -1)

    def _add_rows(self, patches: Tensor, matrix: Tensor) -> Tensor:
        groups, taps = patches.shape[1:]
        first = torch.arange(groups * taps, dtype=torch.int32, device=self.device) * self._columns
        index = (patches + first.view(groups, taps)).reshape(-1, taps)
        return F.embedding_bag(index, matrix, mode="sum")


class TorchTerm:
    """A one-row table a code: adds ``rows[unit, code]``; ``axis`` of a sample is that of the units."""

    def __init__(self, term: Residual, axis: int, rank: int, device: torch.device) -> None:
        sets, size = term.rows.shape
        self.source = term.source
        self._rows = torch.from_numpy(term.rows.reshape(-1).copy()).to(device)
        first = torch.arange(sets, dtype=torch.int32, device=device) * size
        self._first = first.view([-1 if place == axis else 1 for place in range(rank)])

    def __call__(self, codes: Tensor) -> Tensor:
        """int32 of the codes' shape."""
        return look_up(self._rows, codes + self._first)


def look_up(table: Tensor, index: Tensor) -> Tensor:
    """``table[index]`` of a table ``(n,)``, several times as fast as torch's own indexing by a tensor."""
    return table.index_select(0, index.reshape(-1).int()).view(index.shape)


def windows(x: Tensor, window: Window | ops.MaxPool, out: tuple[int, ...], fill: int) -> Tensor:
    """View ``(N, C, *out, *kernel)`` of ``x`` ``(N, C, ...)`` padded with ``fill``."""
    rank, pads = len(out), []
    spans = [(k - 1) * d + 1 for k, d in zip(window.kernel, window.dilation, strict=True)]
    for axis, (before, _) in enumerate(window.padding):
        reach = (out[axis] - 1) * window.stride[axis] + spans[axis]
        pads.append((before, max(0, reach - before - x.shape[2 + axis])))
    if any(map(any, pads)):
        x = F.pad(x, [n for pair in reversed(pads) for n in pair], value=fill)
    for axis in range(rank):
        x = x.unfold(2 + axis, spans[axis], window.stride[axis]).narrow(2 + axis, 0, out[axis])
    for axis, dilation in enumerate(window.dilation):
        x = x[(slice(None),) * (2 + rank + axis) + (slice(None, None, dilation),)]
    return x


def _is_outer_product(step: WeightedSum, group: CodeGroup) -> bool:
    exact: NDArray[np.int64] = step.values.astype(np.int64)[:, :, np.newaxis] * group.values.astype(np.int64)
    return np.array_equal(exact, step.products)


def _dtype(step: WeightedSum, factors: bool, wide: bool) -> torch.dtype:
    stretch = step.taps if step.bound < _EXACT_32 else (_EXACT_32 - 1) // _peak(step)
    if factors or (wide and stretch < min(_SHORTEST, step.taps)):
        return torch.float64
    if stretch == 0:
        raise DataError(
            f"layer {step.name!r}: products of {step.product_bits} bits need float64, which the device does not have"
        )
    return torch.float32


def _peak(step: WeightedSum) -> int:
    return max(1, int(np.abs(step.products.astype(np.int64)).max()))
