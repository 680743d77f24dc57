"""Operators that move or choose codes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from rapidnn.handoff.torch.runtime.books import Codebook, Step

Pads = tuple[tuple[int, int], ...]
"""(before, after) along axes."""


def flat(pads: Pads) -> list[int]:
    """Padding as ``F.pad`` takes it: the last axis first."""
    return [n for pair in reversed(pads) for n in pair]


def padded(x: Tensor, pads: Pads, kernel: tuple[int, ...] = ()) -> tuple[Tensor, tuple[int, ...]]:
    """The input, and the padding an operator itself can take: all of it, or none.

    A pool of a ``kernel`` pads by half of it at most.
    """
    same = all(before == after for before, after in pads)
    if same and all(2 * before <= size for (before, _), size in zip(pads, kernel, strict=False)):
        return x, tuple(before for before, _ in pads)
    return F.pad(x, flat(pads)), (0,) * len(pads)


class MaxPool(Step):
    """The largest value of each window; padding never wins."""

    def __init__(
        self, kernel: tuple[int, ...], stride: tuple[int, ...], pads: Pads, dilation: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads, self.dilation = kernel, stride, pads, dilation

    def forward(self, x: Tensor, book: Codebook) -> Tensor:
        """The greatest integers."""
        padding = tuple(before for before, _ in self.pads)
        if any(flat(self.pads)):
            least = float(book.integers()[0, 0].detach()) if self.coded else -torch.inf
            halves = zip(self.pads, self.kernel, strict=True)
            if self.coded or any(before != after or 2 * before > size for (before, after), size in halves):
                x, padding = F.pad(x, flat(self.pads), value=least), (0,) * len(self.pads)
        run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(self.kernel) - 1]
        found: Tensor = run(x, self.kernel, self.stride, padding, self.dilation)
        return found


class Reshape(Step):
    """The same values in another shape."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Reshape each sample."""
        return x.reshape(-1, *self.shape)


class Transpose(Step):
    """Axes in another order."""

    def __init__(self, *axes: int) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        """Permute each sample's axes."""
        return x.permute(0, *(axis + 1 for axis in self.axes))


class Slice(Step):
    """``x[start:stop:step, ...]``, bounds per axis."""

    def __init__(self, *bounds: tuple[int, int, int]) -> None:
        super().__init__()
        self.bounds = bounds

    def forward(self, x: Tensor) -> Tensor:
        """Cut each sample."""
        return x[(slice(None), *(slice(*bound) for bound in self.bounds))]


class Take(Step):
    """Places along an axis."""

    def __init__(self, axis: int, places: tuple[int, ...]) -> None:
        super().__init__()
        self.axis, self.places = axis, places

    def forward(self, x: Tensor) -> Tensor:
        """Choose from each sample."""
        return x.index_select(self.axis + 1, torch.tensor(self.places, device=x.device))


class Pad(Step):
    """Zeros around."""

    def __init__(self, *pads: tuple[int, int]) -> None:
        super().__init__()
        self.pads = pads

    def forward(self, x: Tensor) -> Tensor:
        """Surround each sample; 0 is in its codebook."""
        return F.pad(x, flat(self.pads))


class ZeroStuff(Step):
    """Zeros between neighbours: ``stride - 1`` of them along each spatial axis."""

    def __init__(self, *stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Spread each sample; 0 is in its codebook."""
        for axis, step in enumerate(self.stride, start=2):
            spread = F.pad(x.unsqueeze(axis + 1), [0, 0] * (x.ndim - axis - 1) + [0, step - 1])
            x = spread.flatten(axis, axis + 1).narrow(axis, 0, (x.shape[axis] - 1) * step + 1)
        return x


class Join(Step):
    """Codes one behind the other; those of other codebooks (``sizes``) go through a table of codes."""

    def __init__(self, axis: int, *sizes: int) -> None:
        super().__init__()
        self.axis, self.recoded = axis, bool(sizes)
        for i, size in enumerate(sizes):
            self.table(f"recode{i}", size, dtype=torch.uint8)

    def forward(self, book: Codebook, *parts: tuple[Tensor, Codebook]) -> Tensor:
        """Integers of ``book``."""
        found = [x for x, _ in parts]
        if self.coded and self.recoded:
            for i, (x, source) in enumerate(parts):
                codes = getattr(self, f"recode{i}")[source.codes(x)].long()
                found[i] = book.decode(codes, x.double() * source.scale / book.scale)
        return torch.cat(found, dim=self.axis + 1)
