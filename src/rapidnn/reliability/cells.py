"""What the crossbars of a network's blocks hold, and faulty cells drawn for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rapidnn.reliability.words import Int64, WordCode, to_bits
from rapidnn.tables.products import neuron_bounds
from rapidnn.tables.program import Program, WeightedSum, word_width

STRUCTURES = ("products", "weight_codes", "bias")
BIAS_SLOTS = 8
"""Words a block with code permutation may put its bias in."""


def code_width(size: int) -> int:
    """Bits of a code out of ``size``: at least 1."""
    return max(1, (size - 1).bit_length())


@dataclass(frozen=True, eq=False)
class StoredLayer:
    """A weighted sum as blocks store it, one block a neuron (output channel).

    A block's product table is addressed by weight code and input code, side by side in binary, so it takes
    ``2**(bits of w + bits of u)`` words; unused ones hold 0.
    """

    step: WeightedSum
    code: WordCode

    @property
    def blocks(self) -> int:
        """One block an output channel."""
        return self.step.channels

    @cached_property
    def weight_bits(self) -> int:
        """Bits of a weight code."""
        return code_width(self.step.products.shape[1])

    @cached_property
    def input_bits(self) -> int:
        """Bits of an input code."""
        return code_width(self.step.products.shape[2])

    @cached_property
    def table(self) -> Int64:
        """Products in all words, ``(1 or O, words)``; address = weight code << input bits | input code."""
        padded = self.pad(self.step.products)
        return padded.reshape(len(padded), -1)

    def pad(self, products: NDArray[np.integer]) -> Int64:
        """Product tables ``(n, w, u)`` filled up with zeros to powers of two."""
        n, w, u = products.shape
        full = np.zeros((n, 1 << self.weight_bits, 1 << self.input_bits), np.int64)
        full[:, :w, :u] = products
        return full

    @cached_property
    def stored(self) -> Int64:
        """Product words as stored, check bits included, shape as :attr:`table`."""
        return self.code.encode(to_bits(self.table, self.step.product_bits))

    @cached_property
    def bias_bits(self) -> int:
        """Width of the bias: the accumulator's word."""
        return word_width(self.step.bound)

    @cached_property
    def codes(self) -> Int64:
        """Weight codes ``(O, K)``."""
        return self.step.weight_codes.reshape(self.blocks, -1).astype(np.int64)

    def row_of(self, block: NDArray[np.integer]) -> NDArray[np.integer] | int:
        """Which row of :attr:`table` a block stores."""
        return block if len(self.table) > 1 else 0

    def cells(self, structure: str, *, slots: int = 1) -> tuple[int, int]:
        """``(words, bits of a word)`` of one block's part."""
        match structure:
            case "products":
                return self.table.shape[1], self.code.stored_bits
            case "weight_codes":
                return self.codes.shape[1], self.weight_bits
            case _:
                return slots, self.bias_bits


@dataclass(frozen=True, eq=False)
class Cells:
    """Faulty cells of one part of a layer's blocks: int64 arrays of equal length; ``value`` is what a cell reads."""

    block: Int64
    word: Int64
    bit: Int64
    value: Int64

    def __len__(self) -> int:
        return len(self.block)

    def where(self, chosen: NDArray[np.bool_]) -> Cells:
        """Those chosen."""
        return Cells(self.block[chosen], self.word[chosen], self.bit[chosen], self.value[chosen])

    def read(self, stored: Int64) -> Int64:
        """What the words of these cells read, given what each cell's word should hold (per cell); all cells act."""
        keys = (self.block << 32) | self.word
        _, at = np.unique(keys, return_inverse=True)
        ones = np.zeros(at.max(initial=-1) + 1, np.int64)
        zeros = np.zeros_like(ones)
        np.bitwise_or.at(ones, at, self.value << self.bit)
        np.bitwise_or.at(zeros, at, (1 - self.value) << self.bit)
        return (stored | ones[at]) & ~zeros[at]


def draw_cells(
    blocks: int, words: int, bits: int, rate: float, rng: np.random.Generator, *, ones: float
) -> Cells:
    """Cells faulty independently with probability ``rate``; a share ``ones`` of them reads 1, the others 0."""
    total = blocks * words * bits
    count = int(rng.binomial(total, rate))
    place = rng.choice(total, count, replace=False, shuffle=False).astype(np.int64)
    value = (rng.random(count) < ones).astype(np.int64)
    word = place // bits
    return Cells(word // words, word % words, place % bits, value)


def stored_layers(program: Program, code: str = "none") -> dict[str, StoredLayer]:
    """Every weighted sum of a program as its blocks store it."""
    return {
        step.name: StoredLayer(step, WordCode(code, step.product_bits))
        for step in program.steps
        if isinstance(step, WeightedSum)
    }


def as_products(tables: NDArray[np.integer], product_bits: int) -> NDArray[np.int16] | NDArray[np.int32]:
    """Tables in the type a program keeps them in."""
    if product_bits <= 16:
        return np.ascontiguousarray(tables, np.int16)
    return np.ascontiguousarray(tables, np.int32)


def rebuilt(
    layer: StoredLayer, products: Int64 | None, codes: Int64 | None, bias: NDArray[np.int32] | None
) -> WeightedSum:
    """The step with what its blocks read: products ``(O, 2**, 2**)``, codes ``(O, K)``, bias; None for untouched."""
    step = layer.step
    if products is not None or codes is not None:
        full = layer.pad(step.products) if products is None else products
        u = step.products.shape[2]
        rows = full.shape[1]
        # Weight codes that no value has may now be read: their products are zeros or whatever the damage made.
        values = np.pad(step.values, ((0, 0), (0, rows - step.values.shape[1])), mode="edge")
        kept = as_products(full[:, :, :u], step.product_bits)
        step = replace(step, products=kept, values=values)
    if codes is not None:
        step = replace(step, weight_codes=codes.reshape(step.weight_codes.shape).astype(np.uint8))
    if bias is not None:
        step = replace(step, bias=bias)
    bounds = neuron_bounds(step.products, step.weight_codes) + np.abs(step.bias.astype(np.int64))
    for term in step.residuals:
        bounds = bounds + np.abs(term.rows.astype(np.int64)).max(axis=1)
    # A sum beyond int32 would wrap on the machine too; the executors refuse it, so the bound says where it is.
    return replace(step, bound=min(int(bounds.max()), 2**31 - 1))
