"""One weighted layer in training: latent weights, their codebooks, the bias, and the exact accumulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rapidnn.composer.choices import LayerChoice
from rapidnn.composer.finetune.books import Codebook, Snapped, assignment_thresholds
from rapidnn.composer.finetune.faults import BrokenLayer, StoredTables, StuckCells
from rapidnn.composer.finetune.ops import (
    FLOAT32_EXACT,
    multiply_add,
    rescaled,
    shifted_products,
    through,
)
from rapidnn.composer.finetune.staircase import Tables, staircase
from rapidnn.composer.weights import WeightCodebooks
from rapidnn.graph import ops
from rapidnn.tables.program import Float64, Int32, WeightedSum, word_width

_WIDE_MARGIN = 0.8  # a bound may grow until the next refresh


@dataclass(frozen=True, eq=False)
class Sum:
    """An accumulator edge: integers worth ``scales`` ``(T,)`` each; ``axis`` picks the unit (see ``staircase``)."""

    value: torch.Tensor
    scales: Float64
    axis: int | None


_DEEP = 0.2
"""How far inside its cell, in distances of codebook values, a latent weight starts whose code is not the nearest."""


class WeightedLayer(nn.Module):
    """A linear layer or convolution whose weights take values of a learning codebook.

    Latent weights are in units of their root mean square, the bias in units of the layer's expected output, so that
    one learning rate serves every parameter.

    Parameters
    ----------
    input_rms
        Root mean square of the input codebook's real values.
    together
        How many consecutive output channels share a codebook, where each has one.
    """

    def __init__(
        self,
        op: ops.Linear | ops.Conv,
        choice: LayerChoice,
        operand_bits: int,
        product_bits: int,
        input_rms: float,
        together: int,
    ) -> None:
        super().__init__()
        books = choice.books
        self.op, self.product_bits, self.operand_bits = op, product_bits, operand_bits
        self.shift, self.wide, self.word_bits = 0, False, 32
        self.cells: StuckCells | None = None  # broken ones of the batch at hand
        channels = np.arange(len(books.values))
        self.rows = channels // together if len(channels) > 1 else channels
        first = np.unique(self.rows, return_index=True)[1]
        self.codebook = Codebook(
            books.values[first],
            books.scales[first],
            operand_bits,
            held=None,
            unsigned=bool((books.values >= 0).all()),
        )
        latent = _inside_cells(op.weight, books).reshape(len(books.values), -1)
        rms = np.sqrt((latent.astype(np.float64) ** 2).mean(axis=1))
        self.unit: Float64 = np.where(rms > 0, rms, 1.0)
        normal = (latent / self.unit[:, np.newaxis]).astype(np.float32)
        self.weight = nn.Parameter(torch.from_numpy(normal.reshape(op.weight.shape)))
        taps = int(np.prod(op.weight.shape[1:]))
        expected = np.sqrt(taps) * float(self.unit.mean()) * input_rms
        self.bias_unit = float(expected) or 1.0
        self.bias = nn.Parameter(torch.from_numpy(choice.bias / self.bias_unit))

    def refresh(self, step: WeightedSum) -> None:
        """Take shift and width of the accumulator from the tables made of the present state."""
        self.shift, self.word_bits = step.shift, word_width(step.bound)
        self.wide = step.bound >= _WIDE_MARGIN * FLOAT32_EXACT

    def forward(self, x: torch.Tensor, source: Snapped, terms: list[tuple[torch.Tensor, Snapped]]) -> Sum:
        """bias + sum over taps of P + residual rows, as :func:`rapidnn.execute.reference.weighted_sum` defines it."""
        books = self._books()
        weight = staircase(self.weight, books.book, self._assignment(books), 0)
        broken = None
        if self.cells is not None:
            tables = StoredTables.of(books.values, source.values[0], self.shift, self.product_bits)
            broken = BrokenLayer.draw(self.cells, tables, weight)
            weight = through(weight, broken.weight)
        scales = books.scales * float(source.scales[0]) * 2.0**self.shift
        bias = self.bias * self.bias_unit / torch.from_numpy(scales).to(self.bias.device)
        bias = through(bias, bias.detach().round())
        if self.cells is not None:
            bias = through(bias, self.cells.read_tensor(bias, self.word_bits))
        if self.shift == 0 and not self.wide:
            acc = multiply_add(self.op, x, weight, bias.float())
        else:
            acc = self._wide(x, source, weight, bias)
        if broken is not None:
            acc = through(acc, broken.sums(self.op, x, acc))
        for value, group in terms:
            real = group.values[0].astype(np.float64) * float(group.scales[0])
            rows = np.rint(real / scales[:, np.newaxis])
            acc = acc + self._rescaled(value, group, rows, float(group.scales[0]) / scales)
        axis = None if len(scales) == 1 else 1 if isinstance(self.op, ops.Conv) else -1
        return Sum(acc, scales, axis)

    def export(self) -> LayerChoice:
        """The present state as a choice: codebooks without repeats, and the nearest code of every weight."""
        books = self._books()
        limits = self._assignment(books).thresholds.astype(np.float32)
        latent = self.weight.detach().cpu().numpy().reshape(len(books.values), -1)
        parts, codes = [], np.empty(latent.shape, np.uint8)
        for g, (values, thresholds) in enumerate(zip(books.values, limits, strict=True)):
            distinct, place = np.unique(values, return_inverse=True)
            parts.append(distinct)
            codes[g] = place[np.searchsorted(thresholds, latent[g], side="left")]
        longest = max(map(len, parts))
        filled: Int32 = np.stack([np.pad(p, (0, longest - len(p)), mode="edge") for p in parts]).astype(
            np.int32
        )
        bias = self.bias.detach().cpu().numpy() * self.bias_unit
        shape = tuple(self.weight.shape)
        return LayerChoice(
            WeightCodebooks(filled, books.scales, self.operand_bits, codes.reshape(shape)), bias
        )

    def _books(self) -> Snapped:
        """The codebook of the layer, or of every output channel."""
        books = self.codebook.snap()
        return Snapped(
            books.values[self.rows], books.scales[self.rows], books.book[torch.from_numpy(self.rows)]
        )

    def _assignment(self, books: Snapped) -> Tables:
        grid = books.scales / self.unit
        far = np.full(len(grid), np.inf)
        thresholds = assignment_thresholds(books.values) * grid[:, np.newaxis]
        return Tables(thresholds, books.values.astype(np.float32), -far, far, 1.0 / grid)

    def _wide(
        self, x: torch.Tensor, source: Snapped, weight: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """The sum in float64, its gradient by the float32 layer without rounding of products."""
        approximate = multiply_add(self.op, x, weight, None) * 2.0**-self.shift
        with torch.no_grad():
            if self.shift == 0:
                exact = multiply_add(self.op, x.double(), weight.double(), None)
            else:
                exact = shifted_products(self.op, x, source.values, weight, self.shift, self.product_bits)
        trailing = 1 if isinstance(self.op, ops.Linear) else x.ndim - 1
        return through(approximate, exact) + bias.reshape((-1,) + (1,) * (trailing - 1))

    def _rescaled(self, value: torch.Tensor, group: Snapped, rows: Float64, factors: Float64) -> torch.Tensor:
        if isinstance(self.op, ops.Conv) or len(factors) == 1:
            return rescaled(value, group.values[0], rows, factors)
        return rescaled(value.movedim(-1, 1), group.values[0], rows, factors).movedim(1, -1)


def _inside_cells(weight: NDArray[np.float32], books: WeightCodebooks) -> NDArray[np.float32]:
    """The float weights; those outside the cell of the code they were given are moved well into it.

    Codebook values are snapped to the grid once more before training, which shifts the cells' ends a little.
    """
    flat = weight.reshape(len(books.values), -1).astype(np.float64)
    codes = books.codes.reshape(flat.shape).astype(np.intp)
    real = books.values * books.scales[:, np.newaxis]
    gap = np.diff(real, axis=1)
    middle = np.where(gap > 0, (real[:, :-1] + real[:, 1:]) / 2, np.inf)  # codes that fill up are never given
    far = np.full((len(real), 1), np.inf)

    def ends(slack: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        low = np.concatenate([-far, middle + slack], axis=1)
        high = np.concatenate([middle - slack, far], axis=1)
        return np.take_along_axis(low, codes, 1), np.take_along_axis(high, codes, 1)

    low, high = ends(np.zeros_like(gap))
    outside = (flat < low) | (flat > high)
    inside = np.where(outside, np.clip(flat, *ends(_DEEP * gap)), flat)
    return inside.reshape(weight.shape).astype(np.float32)
