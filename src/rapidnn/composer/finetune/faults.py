"""Stuck cells in training: every batch runs on blocks whose product words, weight codes and biases are read wrong.

The damage is that of :mod:`rapidnn.reliability` (kind ``stuck``): cells that always read 0 or 1, in each neuron's own
table, drawn anew for every batch. Gradients are those of the undamaged layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from rapidnn.composer.finetune.ops import multiply_add
from rapidnn.graph import ops
from rapidnn.tables.products import product_table

Int64 = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class StuckCells:
    """Cells stuck with probability ``rate`` each, half of them at 1; ``rng`` draws them."""

    rate: float
    rng: np.random.Generator

    def read(self, words: Int64, bits: int, *, signed: bool) -> Int64:
        """What words of so many bits read, two's complement if ``signed``; any shape."""
        flat = words.reshape(-1)
        count = int(self.rng.binomial(flat.size * bits, self.rate))
        place = self.rng.integers(flat.size * bits, size=count)
        touched, at = np.unique(place // bits, return_inverse=True)
        mask, high = np.int64(1) << (place % bits), self.rng.random(count) < 0.5
        ones, zeros = np.zeros(len(touched), np.int64), np.zeros(len(touched), np.int64)
        np.bitwise_or.at(ones, at[high], mask[high])
        np.bitwise_or.at(zeros, at[~high], mask[~high])
        read = (flat[touched] & ((1 << bits) - 1) | ones) & ~zeros
        sign = np.int64(1) << (bits - 1)
        found = flat.copy()
        found[touched] = (read ^ sign) - sign if signed else read
        return found.reshape(words.shape)

    def read_tensor(self, words: torch.Tensor, bits: int) -> torch.Tensor:
        """What signed words of a tensor of integers read."""
        read = self.read(_integers(words), bits, signed=True)
        return torch.from_numpy(read).to(words.device, words.dtype)


@dataclass(frozen=True, eq=False)
class StoredTables:
    """What the blocks of a layer hold: integers of the weight codebooks ``(1 or O, w)`` ascending, and of the inputs'
    ``(u,)``.
    """

    values: Int64
    inputs: Int64
    shift: int
    product_bits: int

    @classmethod
    def of(cls, values: Int64, inputs: Int64, shift: int, product_bits: int) -> StoredTables:
        """Of codebooks ``(1 or O, w)`` and ``(u,)`` in which repeats may occur: those of a single one are dropped."""
        distinct = np.unique(values[0])[np.newaxis] if len(values) == 1 else values
        return cls(distinct, np.unique(inputs), shift, product_bits)

    def codes(self, weight: Int64) -> Int64:
        """Codes of weights ``(O, ...)`` given as integers."""
        flat = weight.reshape(len(weight), -1)
        books = np.broadcast_to(self.values, (len(flat), self.values.shape[1]))
        found = [np.searchsorted(book, row) for book, row in zip(books, flat, strict=True)]
        return np.stack(found).reshape(weight.shape)

    def weights(self, codes: Int64) -> Int64:
        """Integers of codes ``(O, ...)``, 0 where a code has none: so its products are."""
        size = self.values.shape[1]
        flat = codes.reshape(len(codes), -1)
        books = np.broadcast_to(self.values, (len(flat), size))
        known = np.take_along_axis(books, np.minimum(flat, size - 1), axis=1)
        return np.where(flat < size, known, 0).reshape(codes.shape)

    def damage(self, cells: StuckCells, channels: int) -> Int64:
        """Read minus stored, of every neuron's product table: ``(O, w, u)``."""
        whole = product_table(
            self.values.astype(np.int32), self.inputs.astype(np.int32), self.shift, self.product_bits
        )
        stored = np.broadcast_to(whole.astype(np.int64), (channels, *whole.shape[1:]))
        return cells.read(np.ascontiguousarray(stored), self.product_bits, signed=True) - stored


@dataclass(frozen=True, eq=False)
class BrokenLayer:
    """One draw for a layer: its weights as read, integers ``(O, ...)`` and their codes, and by how much product words
    read wrong, ``(O, w, u)``.
    """

    tables: StoredTables
    weight: torch.Tensor
    codes: Int64
    damage: Int64

    @classmethod
    def draw(cls, cells: StuckCells, tables: StoredTables, weight: torch.Tensor) -> BrokenLayer:
        """Break weight codes and product words of a layer with these weights, a tensor of integers."""
        bits = max(1, (tables.values.shape[1] - 1).bit_length())
        codes = cells.read(tables.codes(_integers(weight)), bits, signed=False)
        read = torch.from_numpy(tables.weights(codes)).to(weight.device, weight.dtype)
        return cls(tables, read, codes, tables.damage(cells, len(codes)))

    def sums(self, op: ops.Linear | ops.Conv, x: torch.Tensor, acc: torch.Tensor) -> torch.Tensor:
        """Sums ``acc`` of a batch of input integers ``x`` with what wrong product words add, without a gradient.

        For every input code one product of matrices, over the broken words of that code alone: each counts the places
        where its weight code meets it. Groups of a convolution take whole columns.
        """
        codes = self.codes
        with torch.no_grad():
            total = acc.detach().clone()
            axis = 1 if isinstance(op, ops.Conv) else acc.ndim - 1
            for column, value in enumerate(self.tables.inputs):
                wrong = self.damage[:, :, column]
                block, row = np.nonzero(wrong)
                if not len(block):
                    continue
                places = (x.detach() == float(value)).float()
                if isinstance(op, ops.Conv) and op.groups > 1:
                    block, taps = np.arange(len(codes)), _column(wrong, codes)
                else:
                    shape = (-1, *(1,) * (codes.ndim - 1))
                    taps = (codes[block] == row.reshape(shape)) * wrong[block, row].reshape(shape)
                part = multiply_add(op, places, torch.from_numpy(taps.astype(np.float32)).to(x.device), None)
                total.index_add_(axis, torch.from_numpy(block).to(x.device), part.to(total.dtype))
            return total


def _integers(value: torch.Tensor) -> Int64:
    return value.detach().cpu().numpy().astype(np.int64)


def _column(wrong: Int64, codes: Int64) -> Int64:
    """For every weight code of ``(O, ...)`` the entry of its neuron's column ``(O, w)``; 0 beyond."""
    flat = codes.reshape(len(codes), -1)
    found = np.take_along_axis(wrong, np.minimum(flat, wrong.shape[1] - 1), axis=1)
    return np.where(flat < wrong.shape[1], found, 0).reshape(codes.shape)
