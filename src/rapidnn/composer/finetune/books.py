"""Codebooks that learn: real values as parameters, their integers on the operand grid at every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Snapped:
    """Codebooks on their grid: ``values`` int64 ``(G, n)`` ascending (repeats may occur) worth ``scales`` ``(G,)``.

    ``book`` is the tensor ``(G, n)`` the integers are the rounded form of: gradients reach the codebook through it.
    """

    values: Int64
    scales: Float64
    book: torch.Tensor


class Codebook(nn.Module):
    """G codebooks of n learnable values each.

    Parameters are in units of each codebook's root mean square at the start, so that one learning rate serves all. The
    grid's scale follows the largest magnitude; a value that is exactly 0 and to be held stays so.

    Parameters
    ----------
    values, scales
        int ``(G, n)`` ascending and float64 ``(G,)``: real value = value x scale.
    bits
        Width of the grid; unsigned where no value is negative and ``may_be_unsigned``.
    held
        Index of the value that stays 0, or None.
    """

    def __init__(
        self, values: NDArray[np.integer], scales: Float64, bits: int, *, held: int | None, unsigned: bool
    ) -> None:
        super().__init__()
        real = values.astype(np.float64) * scales[:, np.newaxis]
        unit = np.sqrt((real**2).mean(axis=1, keepdims=True))
        self.unit = np.where(unit > 0, unit, 1.0)
        self.values = nn.Parameter(torch.from_numpy(real / self.unit))
        self.bits, self.held, self.unsigned = bits, held, unsigned

    @property
    def limit(self) -> int:
        """Largest integer of the grid; the least is 0 or its negative."""
        return int(2**self.bits) - 1 if self.unsigned else int(2 ** (self.bits - 1)) - 1

    def snap(self) -> Snapped:
        """The values on their grid, whose scale gives the largest magnitude the largest integer."""
        latent = self.values.detach().cpu().numpy()
        peak = np.abs(latent).max(axis=1, keepdims=True)
        grid = np.where(peak > 0, peak, 1.0) / self.limit
        values = np.rint(latent / grid).astype(np.int64)
        step = torch.from_numpy(grid).to(self.values.device)
        return Snapped(values, (grid * self.unit)[:, 0], self.values / step)

    def settle(self) -> None:
        """After a step of the optimiser: ascending order, the held zero, no negative value on an unsigned grid."""
        with torch.no_grad():
            if self.unsigned:
                self.values.clamp_(min=0.0)
            if self.held is not None:
                below, above = self.values[:, : self.held], self.values[:, self.held + 1 :]
                below.clamp_(max=0.0)
                above.clamp_(min=0.0)
                self.values[:, self.held] = 0.0
            self.values.copy_(self.values.sort(dim=1).values)


def assignment_thresholds(values: Int64) -> Float64:
    """Midpoints between neighbours of each codebook, float64 ``(G, n - 1)``: nearest value, on a tie the lower."""
    return np.asarray((values[:, :-1] + values[:, 1:]) / 2.0)


def encoding_cuts(rows: Int64, kind: str, cap: Int64 | None) -> Float64:
    """Thresholds of the nearest search among encoding rows after a compared activation: float64 ``(T, u - 1)``.

    ``#(acc > cuts)`` is the index of the row nearest to the activation of acc, of equal rows the first, as
    :func:`rapidnn.tables.activation.fuse` has it; infinite cuts are always or never exceeded.
    """
    cuts = np.full((len(rows), rows.shape[1] - 1), np.inf)
    following = np.full(len(rows), np.inf)
    for k in range(rows.shape[1] - 2, -1, -1):
        a, b = rows[:, k], rows[:, k + 1]
        following = np.where(a == b, following, (a + b) >> 1)
        cuts[:, k] = following
    if kind != "identity":
        cuts[cuts < 0] = -np.inf
    if cap is not None:
        cuts[cuts >= cap[:, np.newaxis]] = np.inf
    return cuts
