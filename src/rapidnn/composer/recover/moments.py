"""Second moments of a layer's inputs and of what it should give, summed over sampled neurons in a fixed order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidnn.graph import ops

if TYPE_CHECKING:
    from torch import Tensor

Weighted = ops.Linear | ops.Conv


def patches(x: Tensor, op: Weighted, rows: Tensor | None) -> Tensor:
    """The inputs of the neurons at output positions ``rows`` (of the flattened batch; None: all): ``(G, rows, K)``."""
    import torch

    if isinstance(op, ops.Linear):
        flat = x.reshape(-1, x.shape[-1])
        return (flat if rows is None else flat[rows])[None]
    x = torch.nn.functional.pad(x, [amount for pair in reversed(op.padding) for amount in pair])
    for axis, (k, stride, dilation) in enumerate(zip(op.kernel, op.stride, op.dilation, strict=True)):
        x = x.unfold(2 + axis, (k - 1) * dilation + 1, stride)[..., ::dilation]
    rank = len(op.kernel)
    x = x.movedim(1, 1 + rank)
    shape = x.shape
    x = x.reshape(-1, *shape[1 + rank :]) if rows is None else x[torch.unravel_index(rows, shape[: 1 + rank])]
    return x.reshape(len(x), op.groups, -1).transpose(0, 1)


def outputs(y: Tensor, op: Weighted, rows: Tensor | None) -> Tensor:
    """Values ``(N, *shape)`` of a layer's result at those positions: ``(G, rows, o)``."""
    groups = 1 if isinstance(op, ops.Linear) else op.groups
    flat = (y if isinstance(op, ops.Linear) else y.movedim(1, -1)).reshape(-1, op.weight.shape[0])
    flat = flat if rows is None else flat[rows]
    return flat.reshape(len(flat), groups, -1).transpose(0, 1)


@dataclass(frozen=True, eq=False)
class Sums:
    """Raw sums over ``count`` neurons: float64 inputs x ``(G, K)``, results y ``(G, o)``, and their products."""

    count: int
    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    @classmethod
    def of(cls, x: Tensor, y: Tensor) -> Sums:
        """Sums of patches ``(G, rows, K)`` and results ``(G, rows, o)``."""
        x, y = x.double(), y.double()
        turned = x.transpose(1, 2)
        return cls(x.shape[1], x.sum(1), y.sum(1), turned @ x, turned @ y, (y * y).sum(1))

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.count + other.count,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
            self.yy + other.yy,
        )

    def centred(self) -> Moments:
        """Means and covariances."""
        x, y = self.x / self.count, self.y / self.count
        return Moments(
            x,
            y,
            self.xx / self.count - x[:, :, None] * x[:, None, :],
            self.xy / self.count - x[:, :, None] * y[:, None, :],
            self.yy / self.count - y * y,
        )


@dataclass(frozen=True, eq=False)
class Moments:
    """Means of x ``(G, K)`` and y ``(G, o)``, their covariances, and the variances of y."""

    x: Tensor
    y: Tensor
    xx: Tensor
    xy: Tensor
    yy: Tensor

    def error(self, weight: Tensor) -> float:
        """Power of ``weight @ x - y`` about its mean, summed over channels; weight ``(G, o, K)``."""
        cross = (weight * self.xy.transpose(1, 2)).sum()
        return float(((weight @ self.xx) * weight).sum() - 2 * cross + self.yy.sum())

    def power(self) -> float:
        """Mean input power of a tap, the unit of a ridge."""
        return float(self.xx.diagonal(dim1=1, dim2=2).mean())
