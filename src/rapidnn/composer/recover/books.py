"""Choosing weight codes and codebook values against the second moments of a layer's inputs.

Shapes: G convolution groups, o output channels a group, K taps, w codebook values. Weights are float64 ``(G, o, K)``;
codebooks ``(1, 1, w)`` for one a layer or ``(G, o, w)`` for one a channel; moments ``(G, K, K)``. The error of codes is
the quadratic form ``sum (q - t) H (q - t)^T`` of quantised weights q about their target t: with H the covariance of the
inputs, the power of the layer's output error about its mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rapidnn.composer.cluster import SNAP_TOLERANCE, on_grid
from rapidnn.composer.weights import WeightCodebooks
from rapidnn.tables.program import Float64, Int32

if TYPE_CHECKING:
    from torch import Tensor

_BLOCK = 64
_SWEEPS = 3
_ROUNDS = 3


def real_values(books: WeightCodebooks, groups: int) -> Tensor:
    """A layer's codebooks as real values, float64 ``(1, 1, w)`` or ``(G, o, w)``."""
    import torch

    values = torch.from_numpy(books.values * books.scales[:, np.newaxis])
    return values.reshape(1, 1, -1) if len(values) == 1 else values.reshape(groups, -1, values.shape[1])


def decode(values: Tensor, codes: Tensor) -> Tensor:
    """The value of every code, float64 of the codes' shape ``(G, o, ...)``."""
    if values.shape[:2] == (1, 1):
        return values[0, 0][codes]
    return values.gather(2, codes.reshape(*codes.shape[:2], -1)).reshape(codes.shape)


class _Search:
    """Nearest codebook entries of one tap's weights ``(G, o)``."""

    def __init__(self, values: Tensor) -> None:
        self.values = values
        mids = (values[..., 1:] + values[..., :-1]) / 2
        # Short codebooks are filled up with their last value, which no code may refer to.
        self.mids = mids.masked_fill(values[..., 1:] <= values[..., :-1], float("inf"))

    def __call__(self, weights: Tensor) -> Tensor:
        import torch

        if self.values.shape[:2] == (1, 1):
            return torch.bucketize(weights.contiguous(), self.mids[0, 0])
        return torch.searchsorted(self.mids, weights[..., None].contiguous())[..., 0]


def error(target: Tensor, h: Tensor, values: Tensor, codes: Tensor) -> float:
    """The quadratic error of codes, summed over the layer."""
    gap = decode(values, codes) - target
    return float(((gap @ h) * gap).sum())


def feed_back(target: Tensor, h: Tensor, values: Tensor) -> Tensor:
    """Codes ``(G, o, K)``, tap by tap, each tap's error fed into the taps to come.

    The order is that of falling input power; the feedback is the optimal one, from the Cholesky factor of the inverse
    moments (OPTQ, Frantar et al., ICLR 2023, algorithm 1), here on a codebook instead of an even grid. ``h`` must be
    positive definite.
    """
    import torch

    taps = target.shape[2]
    order = torch.argsort(h.diagonal(dim1=1, dim2=2).sum(0), descending=True, stable=True)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(h[:, order][:, :, order]))
    factor = torch.linalg.cholesky(inverse, upper=True)
    left = target[:, :, order].clone()
    codes = torch.empty(target.shape, dtype=torch.long)
    search = _Search(values)
    for start in range(0, taps, _BLOCK):
        stop = min(taps, start + _BLOCK)
        errors = torch.empty((*target.shape[:2], stop - start), dtype=target.dtype)
        for k in range(start, stop):
            chosen = search(left[:, :, k])
            codes[:, :, k] = chosen
            gap = (left[:, :, k] - decode(values, chosen)) / factor[:, k, k, None]
            errors[:, :, k - start] = gap
            left[:, :, k:stop] -= gap[:, :, None] * factor[:, k, None, k:stop]
        left[:, :, stop:] -= errors @ factor[:, start:stop, stop:]
    return codes[:, :, torch.argsort(order)]


def descend(target: Tensor, h: Tensor, values: Tensor, codes: Tensor) -> Tensor:
    """Better codes by coordinate descent: each tap in turn takes the entry that is best given all others."""
    codes = codes.clone()
    quantised = decode(values, codes)
    slope = (quantised - target) @ h
    power = h.diagonal(dim1=1, dim2=2)
    search = _Search(values)
    for _ in range(_SWEEPS):
        changed = False
        for k in range(target.shape[2]):
            chosen = search(quantised[:, :, k] - slope[:, :, k] / power[:, k, None])
            found = decode(values, chosen)
            step = found - quantised[:, :, k]
            if bool(step.any()):
                changed = True
                slope += step[:, :, None] * h[:, k, None, :]
                quantised[:, :, k] = found
                codes[:, :, k] = chosen
        if not changed:
            break
    return codes


def refit(
    target: Tensor, h: Tensor, values: Tensor, codes: Tensor, bits: int, together: int
) -> tuple[Int32, Float64] | None:
    """The codebook integers and scales that suit the codes best, by least squares, on the operand grid.

    ``together`` consecutive output channels share a codebook. None where the grid costs more than SPEC section 2's 1.05
    of the error.
    """
    import torch

    size, channels = values.shape[2], target.shape[0] * target.shape[1]
    normal = torch.zeros((*codes.shape[:2], size, size), dtype=target.dtype)
    for a in range(size):
        normal[:, :, a].scatter_add_(2, codes, (codes == a).to(target.dtype) @ h)
    wanted = torch.zeros(normal.shape[:3], dtype=target.dtype)
    wanted.scatter_add_(2, codes, target @ h)
    rows = torch.arange(channels) // together
    parts = int(rows[-1]) + 1
    normal = torch.zeros(parts, size, size, dtype=target.dtype).index_add_(0, rows, normal.flatten(0, 1))
    wanted = torch.zeros(parts, size, dtype=target.dtype).index_add_(0, rows, wanted.flatten(0, 1))
    power = normal.diagonal(dim1=1, dim2=2)
    unused = power <= 0
    ridge = 1e-6 * power.mean(-1, keepdim=True)
    old = values.reshape(-1, size)[::together][:parts]
    system = normal + torch.diag_embed(ridge + unused.to(normal.dtype))
    change = torch.linalg.solve(system, wanted - (normal @ old[..., None])[..., 0])
    fitted = old + torch.where(unused, torch.zeros_like(change), change)
    snapped, scales = _on_grid(fitted.numpy(), power.clamp_min(1e-300).numpy(), bits)
    off = torch.from_numpy(_nearest(fitted.numpy(), snapped * scales[:, np.newaxis])) - fitted
    # At the least-squares fit the error is quadratic in what the grid moves.
    added = float((off[:, None] @ normal @ off[..., None]).sum())
    pick = slice(None) if parts == 1 else rows.numpy()
    whole = torch.from_numpy(fitted.numpy()[pick]).reshape(*values.shape[:2], size)
    if added > (SNAP_TOLERANCE - 1) * error(target, h, whole, codes):
        return None
    return snapped[pick], scales[pick]


def _nearest(centers: Float64, values: Float64) -> Float64:
    gaps = np.abs(centers[:, :, np.newaxis] - values[:, np.newaxis, :])
    return np.take_along_axis(values, gaps.argmin(axis=2), axis=1)


def _on_grid(fitted: Float64, mass: Float64, bits: int) -> tuple[Int32, Float64]:
    books = []
    for centers, weights in zip(fitted, mass, strict=True):
        order = np.argsort(centers, kind="stable")
        books.append(on_grid(centers[order], weights[order], 0.0, bits))
    longest = max(len(book.values) for book in books)
    values = np.stack([np.pad(book.values, (0, longest - len(book.values)), mode="edge") for book in books])
    return values, np.array([book.scale for book in books])


def reconstruct(
    target: Tensor, h: Tensor, books: WeightCodebooks, together: int, *, refits: bool
) -> WeightCodebooks:
    """The best codes found for ``target`` ``(G, o, K)`` from the given codebooks on, which are refitted in turn.

    ``together`` as in :func:`refit`.
    """
    groups, shape = len(target), books.codes.shape
    integers, scales = books.values, books.scales
    best: tuple[float, WeightCodebooks] | None = None
    for turn in range(_ROUNDS):
        found = WeightCodebooks(integers, scales, books.bits, books.codes)
        values = real_values(found, groups)
        codes = descend(target, h, values, feed_back(target, h, values))
        cost = error(target, h, values, codes)
        if best is not None and cost >= best[0]:
            break
        stored = codes.reshape(shape).numpy().astype(np.uint8)
        best = cost, WeightCodebooks(integers, scales, books.bits, stored)
        again = (
            refit(target, h, values, codes, books.bits, together) if refits and turn + 1 < _ROUNDS else None
        )
        if again is None:
            break
        integers, scales = again
    assert best is not None
    return best[1]
