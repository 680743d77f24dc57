"""Exact integer operators in torch, with straight-through gradients.

Sums of integers in float32 are exact in any order while every partial sum stays below 2**24; beyond, float64 takes
over.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from rapidnn.graph import ops
from rapidnn.graph.float_exec import apply_op
from rapidnn.tables.products import product_table

FLOAT32_EXACT = 2**24


def through(approximate: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """``exact`` in the forward pass, the gradient of ``approximate`` in the backward pass."""
    result = _Through.apply(approximate, exact)  # type: ignore[no-untyped-call]
    assert isinstance(result, torch.Tensor)
    return result


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, approximate: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
        ctx.kind = approximate.dtype
        return exact.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        return g.to(ctx.kind), None


def multiply_add(
    op: ops.Linear | ops.Conv, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None
) -> torch.Tensor:
    """The linear layer or convolution ``op`` with other weights."""
    if isinstance(op, ops.Linear):
        return F.linear(x, weight, bias)
    run = (F.conv1d, F.conv2d, F.conv3d)[len(op.kernel) - 1]
    padding = tuple(before for before, _ in op.padding)
    if any(before != after for before, after in op.padding):
        x = F.pad(x, [amount for pair in reversed(op.padding) for amount in pair])
        padding = (0,) * len(padding)
    return run(x, weight, bias, op.stride, padding, op.dilation, op.groups)


def shifted_products(
    op: ops.Linear | ops.Conv,
    x: torch.Tensor,
    inputs: NDArray[np.int64],
    weight: torch.Tensor,
    shift: int,
    product_bits: int,
) -> torch.Tensor:
    """Sum over taps of ``P`` where products are rounded: one product of matrices for each input code, float64.

    ``P[c_w, c_u]`` depends on two integers, so the sum is that over the values v of the input codebook of the
    weights' column ``P[., v]`` times the places where the input is v; padding is such a place for none.
    """
    integers = weight.detach().cpu().numpy().astype(np.int32)
    total: torch.Tensor | None = None
    for value in np.unique(inputs):
        column = product_table(
            integers.reshape(len(integers), -1), np.array([value], np.int32), shift, product_bits
        )
        taps = torch.from_numpy(column.astype(np.float64).reshape(integers.shape)).to(x.device)
        part = multiply_add(op, (x.detach() == float(value)).double(), taps, None)
        total = part if total is None else total + part
    assert total is not None
    return total


def rescaled(
    x: torch.Tensor, values: NDArray[np.int64], rows: NDArray[np.float64], factors: NDArray[np.float64]
) -> torch.Tensor:
    """Codebook integers ``x`` through one-row tables: ``rows`` ``(T, u)`` at the place of their value.

    ``factors`` (T,) are the slopes. T is 1, or the number of channels (axis 1).
    """
    shape = (-1,) + (1,) * (x.ndim - 2)
    slope = torch.from_numpy(factors).to(x.device, x.dtype)
    slope = slope[0] if len(factors) == 1 else slope.reshape(shape)
    approximate = x * slope
    quick = np.rint(values.astype(np.float32) * factors.astype(np.float32)[:, np.newaxis])
    if np.abs(rows).max() < FLOAT32_EXACT and np.array_equal(quick, rows):
        return through(approximate, approximate.detach().round())
    index = torch.searchsorted(
        torch.from_numpy(values.astype(np.float32)).to(x.device), x.detach().contiguous()
    )
    table = torch.from_numpy(rows).to(x.device)
    if len(rows) == 1:
        return through(approximate, table[0][index])
    channel = torch.arange(len(rows), device=x.device).reshape(shape)
    return through(approximate, table[channel, index])


def pooled(op: ops.AvgPool, x: torch.Tensor, divisors: NDArray[np.int64], bound: int) -> torch.Tensor:
    """Sum over windows: the mean times its divisor, rounded, which is exact as long as the error stays below 1/2."""
    wide = x if bound < FLOAT32_EXACT // 16 else x.double()
    sums = apply_op(op, [wide]) * torch.from_numpy(divisors).to(x.device, wide.dtype)
    return through(sums, sums.detach().round())
