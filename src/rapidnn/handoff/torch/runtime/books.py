"""Codebooks that learn, and the rounding that lets gradients pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, approximate: Tensor, exact: Tensor) -> Tensor:
        ctx.kind = approximate.dtype
        return exact.detach()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0].to(ctx.kind), None


def through(approximate: Tensor, exact: Tensor) -> Tensor:
    """``exact``, with the gradient of ``approximate``."""
    result: Tensor = _Through.apply(approximate, exact)  # type: ignore[no-untyped-call]
    return result


def count(value: Tensor, cuts: Tensor, sets: Tensor | None) -> Tensor:
    """How many of its set's ascending ``cuts`` ``(T, m)`` lie below each value; ``sets`` broadcasts against it."""
    if sets is None:
        return torch.searchsorted(cuts[0], value.contiguous())
    total = torch.zeros_like(value, dtype=torch.int64)
    for column in cuts.T:
        total += value > column[sets]
    return total


class Step(nn.Module):
    """One step; its result is an edge."""

    coded = True
    unit: Tensor

    def table(self, name: str, *shape: int, dtype: torch.dtype = torch.int32) -> None:
        """A table that stays as the artifact has it."""
        self.register_buffer(name, torch.zeros(shape, dtype=dtype))


class Codebook(nn.Module):
    """G ascending codebooks: ``values`` ``(G, n)`` learn, as whole multiples of ``scale`` ``(G,)`` from low to high.

    ``zero`` is the place of the value that stays 0. ``initial`` are the integers at the export.
    """

    scale: Tensor
    initial: Tensor

    def __init__(self, sets: int, size: int, low: int, high: int, zero: int | None = None) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(sets, size))
        self.register_buffer("scale", torch.ones(sets, dtype=torch.float64))
        self.register_buffer("initial", torch.zeros(sets, size, dtype=torch.int32))
        self.low, self.high, self.zero = low, high, zero

    def integers(self) -> Tensor:
        """float64 ``(G, n)`` ascending."""
        real = (self.values.double() / self.scale[:, None]).clamp(self.low, self.high)
        if self.zero is not None:
            below, held, above = real[:, : self.zero], real[:, self.zero, None], real[:, self.zero + 1 :]
            real = torch.cat([below.clamp(max=0.0), held * 0.0, above.clamp(min=0.0)], dim=1)
        real = real.sort(dim=1).values
        return through(real, real.detach().round())

    def codes(self, x: Tensor) -> Tensor:
        """The codes of integers of the (one) codebook."""
        return torch.searchsorted(self.integers()[0].detach().to(x.dtype), x.detach().contiguous())

    def decode(self, codes: Tensor, smooth: Tensor) -> Tensor:
        """float32 integers of codes; gradients go to the codebook and, inside its range, to ``smooth`` integers."""
        book = self.integers()[0]
        chosen = book[codes]
        inside = smooth.clamp(float(book[0].detach()), float(book[-1].detach()))
        return through((inside + chosen - chosen.detach()).float(), chosen.detach().float())

    def moved(self, codes: Tensor) -> Tensor:
        """How far, in integers, training has moved the middles between neighbours among ``codes`` ``(T, m + 1)``."""
        move = (self.integers().detach() - self.initial)[0][codes.long()]
        middles = (move[:, 1:] + move[:, :-1]) / 2
        return torch.where(codes[:, 1:] == codes[:, :-1], 0.0, middles)


class EncodeInput(Step):
    """Real inputs to the nearest value."""

    cuts: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.table("cuts", size - 1, dtype=torch.float32)

    def forward(self, x: Tensor, book: Codebook) -> Tensor:
        """Codes, as integers of ``book``."""
        if not self.coded:
            return x
        codes = torch.arange(len(self.cuts) + 1, device=x.device)[None]
        cuts = (self.cuts.double() + book.moved(codes) * book.scale).cummax(dim=1).values
        return book.decode(count(x.detach().double(), cuts, None), x.double() / book.scale)
