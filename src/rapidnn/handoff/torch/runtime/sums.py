"""Accumulators: exact integer sums of products."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rapidnn.handoff.torch.runtime.books import Codebook, Step, through
from rapidnn.handoff.torch.runtime.moves import Pads, flat, padded

Edge = tuple[Tensor, Codebook]
"""An edge of codes with its codebook."""


class Term(Step):
    """What a code adds to an accumulator: its value in the accumulator's units, rounded."""

    correction: Tensor

    def __init__(self, sets: int, size: int = 0) -> None:
        super().__init__()
        self.sets = sets
        if size:  # the artifact's table less the formula's
            self.table("correction", sets, size)

    def forward(self, x: Tensor, book: Codebook, unit: Tensor) -> Tensor:
        """Accumulator units."""
        if not self.coded:
            return x
        real = x.double() * book.scale / unit
        exact = real.detach().round()
        if hasattr(self, "correction"):
            place = torch.arange(self.sets, device=x.device).view(unit.shape if self.sets > 1 else (1,))
            exact = exact + self.correction[place, book.codes(x)]
        return through(real, exact)


class WeightedSum(Step):
    """A linear layer (no ``stride``) or convolution; weights take the values of ``codebook``, products are exact.

    With ``shift`` products are rounded: ``clamp(round(weight * input / 2**shift))``, and looked up code by code;
    ``correction`` says by how much the artifact's table differs from that (a damaged memory's does).
    """

    correction: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        codebook: Codebook,
        *,
        bound: int,
        terms: tuple[Term, ...] = (),
        stride: tuple[int, ...] = (),
        pads: Pads = (),
        dilation: tuple[int, ...] = (),
        groups: int = 1,
        shift: int | None = None,
        limit: int = 0,
        correction: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(shape))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.codebook, self.terms, self.bound = codebook, nn.ModuleList(terms), bound
        self.stride, self.groups = stride, groups
        self.pads, self.dilation = pads or ((0, 0),) * len(stride), dilation or (1,) * len(stride)
        self.shift, self.limit = shift, limit
        sets = len(codebook.scale)
        self.table("unit", sets, *[1] * (len(stride) if sets > 1 else 0), dtype=torch.float64)
        if correction:
            self.table("correction", *correction)

    def codes(self) -> Tensor:
        """The nearest code of every weight, of equal values the first, shaped as ``weight``."""
        book = self.codebook.integers().detach()
        cuts = (book[:, 1:] + book[:, :-1]) / 2
        cuts = torch.where(book[:, 1:] == book[:, :-1], torch.inf, cuts)
        cuts = cuts.flip(1).cummin(dim=1).values.flip(1)
        scaled = self.weight.detach().double().reshape(len(book), -1) / self.codebook.scale[:, None]
        return torch.searchsorted(cuts.contiguous(), scaled.contiguous()).view(self.weight.shape)

    def integers(self) -> Tensor:
        """Weights as integers of their codebook."""
        book, codes = self.codebook.integers(), self.codes()
        chosen = torch.gather(book, 1, codes.view(len(book), -1))
        latent = self.weight.double().reshape(len(book), -1) / self.codebook.scale[:, None]
        return through(latent + chosen - chosen.detach(), chosen.detach()).view(self.weight.shape)

    def forward(self, x: Tensor, source: Codebook, *terms: Edge) -> Tensor:
        """The accumulator: products, bias, and the terms that enter it."""
        if not self.coded:
            total = self._multiply(x, self.weight, self.bias)
            for term, _ in terms:
                total = total + term
            return total
        kind = torch.float32 if self.training and self.bound < 2**24 else torch.float64
        weight = self.integers().to(kind)
        total = self._multiply(x.to(kind), weight)
        if self.shift is not None:
            total = through(total * 2.0**-self.shift, self._looked_up(x, source, kind))
        elif not self.training:
            total = through(total, total.detach().round())  # whatever algorithm a device takes
        bias = self.bias.double() / self.unit.flatten()
        bias = through(bias, bias.detach().round()).to(kind)
        total = total + bias.view(-1, *[1] * len(self.stride))
        for module, (term, book) in zip(self.terms, terms, strict=True):
            total = total + module(term, book, self.unit).to(kind)
        return total

    def _multiply(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        if not self.stride:
            return F.linear(x, weight, bias)
        run: Any = (F.conv1d, F.conv2d, F.conv3d)[len(self.stride) - 1]
        x, padding = padded(x, self.pads)
        found: Tensor = run(x, weight, bias, self.stride, padding, self.dilation, self.groups)
        return found

    @torch.no_grad()
    def _looked_up(self, x: Tensor, source: Codebook, kind: torch.dtype) -> Tensor:
        """The sum over the input's codes of the weights' products with that code, where it is."""
        assert self.shift is not None
        inputs, book, codes = source.integers()[0], self.codebook.integers(), self.codes()
        table = (book[:, :, None] * inputs / 2.0**self.shift).round().clamp(-self.limit, self.limit)
        table = table + self.correction if hasattr(self, "correction") else table
        place = source.codes(x)
        total: Tensor | None = None
        for code in range(len(inputs)):
            rows = table[:, :, code].expand(len(codes) if len(table) > 1 else 1, -1)
            products = torch.gather(rows, 1, codes.view(len(rows), -1)).view(codes.shape)
            part = self._multiply((place == code).to(kind), products.to(kind)).round()
            total = part if total is None else total + part
        assert total is not None
        return total


class PooledSum(Step):
    """Average pooling as a sum; the divisor is in the unit. ``whole``: every divisor is the window's size."""

    correction: Tensor

    def __init__(
        self,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        pads: Pads,
        *,
        unit: tuple[int, ...],
        whole: bool,
        correction: int = 0,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.whole = kernel, stride, pads, whole
        self.table("unit", *unit, dtype=torch.float64)
        if correction:
            self.table("correction", correction)

    def forward(self, x: Tensor, source: Codebook) -> Tensor:
        """The sum over each window."""
        if not self.coded:
            run: Any = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(self.kernel) - 1]
            x, padding = padded(x, self.pads, self.kernel)
            mean: Tensor = run(x, self.kernel, self.stride, padding)
            return mean if self.whole else mean * (self.unit / source.scale * math.prod(self.kernel)).float()
        x = x.double()
        if hasattr(self, "correction"):
            x = through(x, x.detach() + self.correction[source.codes(x)])
        x = F.pad(x, flat(self.pads))
        for axis, (size, step) in enumerate(zip(self.kernel, self.stride, strict=True), start=2):
            x = x.unfold(axis, size, step)
        return x.sum(dim=tuple(range(-len(self.kernel), 0)))


class CodeSum(Step):
    """Codes that enter a fresh accumulator, and perhaps a constant."""

    def __init__(self, terms: tuple[Term, ...], offset: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.terms = nn.ModuleList(terms)
        self.offset = None if offset is None else nn.Parameter(torch.zeros(offset))
        self.table("unit", 1, dtype=torch.float64)

    def forward(self, *terms: Edge) -> Tensor:
        """The accumulator."""
        parts = [module(x, book, self.unit) for module, (x, book) in zip(self.terms, terms, strict=True)]
        total: Tensor = sum(parts[1:], parts[0])
        if self.offset is None:
            return total
        if not self.coded:
            return total + self.offset
        offset = self.offset.double() / self.unit
        return total + through(offset, offset.detach().round())


class CodeProduct(Step):
    """The product of two codes, rounded as in :class:`WeightedSum`."""

    correction: Tensor

    def __init__(self, shift: int, limit: int, correction: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.shift, self.limit = shift, limit
        self.table("unit", 1, dtype=torch.float64)
        if correction:
            self.table("correction", *correction)

    def forward(self, left: Edge, right: Edge) -> Tensor:
        """The accumulator."""
        if not self.coded:
            return left[0] * right[0]
        real = left[0].double() * right[0].double() / 2.0**self.shift
        exact = real.detach().round().clamp(-self.limit, self.limit)
        if hasattr(self, "correction"):
            exact = exact + self.correction[left[1].codes(left[0]), right[1].codes(right[0])]
        return through(real, exact)
