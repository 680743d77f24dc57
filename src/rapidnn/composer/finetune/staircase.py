"""Step functions of every element, with the straight-through estimator as their gradient.

``y = values[#(x > thresholds)]``: what a weight's assignment to its codebook and an accumulator's encoding have in
common. The gradient passes where x lies inside the codebook's range, times a constant slope; the codebook receives, for
each code, the sum of the gradients of its elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.autograd.function import once_differentiable

from rapidnn import _native

_NATIVE_PIECES = 256


@dataclass(frozen=True, eq=False)
class Tables:
    """T step functions side by side.

    ``thresholds`` float64 ``(T, m)`` ascending, ``values`` float32 ``(T, m + 1)``; the gradient of x is that of y times
    ``slopes`` float64 ``(T,)`` where ``low < x <= high`` (float64 ``(T,)``), else 0.
    """

    thresholds: NDArray[np.float64]
    values: NDArray[np.float32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    slopes: NDArray[np.float64]


def staircase(x: torch.Tensor, book: torch.Tensor, tables: Tables, axis: int | None) -> torch.Tensor:
    """Apply the step function of the place along ``axis`` (None: the only one) to every element.

    Parameters
    ----------
    x
        float32 or float64.
    book
        ``(m + 1,)`` or ``(T, m + 1)``, what ``tables.values`` are the rounded form of; it only receives gradients.
    axis
        The axis of x that picks the step function; a negative one counts from the end and may stand for the product
        of all axes from there on if T is that product.

    Returns
    -------
    float32 of the shape of x.
    """
    result = _Staircase.apply(x, book, tables, axis)  # type: ignore[no-untyped-call]
    assert isinstance(result, torch.Tensor)
    return result


class _Staircase(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, book: torch.Tensor, tables: Tables, axis: int | None
    ) -> torch.Tensor:
        layout = Layout.of(x, len(tables.low), axis)
        x = layout.settled(x)
        if x.device.type == "cpu" and tables.values.shape[1] <= _NATIVE_PIECES:
            y, state = _forward_native(x, tables, layout)
        else:
            y, state = _forward_torch(x, tables, layout)
        ctx.tables, ctx.layout, ctx.kind, ctx.book = tables, layout, x.dtype, (book.shape, book.dtype)
        ctx.save_for_backward(state)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor, None, None]:
        (state,) = ctx.saved_tensors
        g = ctx.layout.settled(g)
        run = _backward_native if state.dtype == torch.uint16 else _backward_torch
        out, sums = run(g, state, ctx.tables, ctx.layout, ctx.needs_input_grad[0])
        shape, kind = ctx.book
        per_book = sums.sum(dim=1) if len(shape) == 1 else sums.T
        return (None if out is None else out.to(ctx.kind)), per_book.to(kind).reshape(shape), None, None


@dataclass(frozen=True)
class Layout:
    """Where the step function of an element is found: element i of the memory has set ``i // inner % sets``."""

    sets: int
    inner: int
    channels_last: bool

    @staticmethod
    def of(x: torch.Tensor, sets: int, axis: int | None) -> Layout:
        """The layout of a tensor whose step functions are told apart along ``axis`` (see :func:`staircase`)."""
        last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
        if axis is None or sets == 1:
            return Layout(1, 1, last)
        if last and axis == 1:
            return Layout(sets, 1, True)
        trailing = int(np.prod(x.shape[axis % x.ndim + 1 :]))
        return Layout(sets, 1 if axis < 0 else trailing, False)

    def settled(self, x: torch.Tensor) -> torch.Tensor:
        """The tensor in this layout's memory order."""
        if self.channels_last and x.ndim == 4:
            return x.contiguous(memory_format=torch.channels_last)
        return x.contiguous()

    def flat(self, x: torch.Tensor) -> torch.Tensor:
        """All elements in memory order, without a copy."""
        return x.permute(0, 2, 3, 1).reshape(-1) if self.channels_last else x.reshape(-1)


def _forward_native(x: torch.Tensor, tables: Tables, layout: Layout) -> tuple[torch.Tensor, torch.Tensor]:
    y = torch.empty_like(x, dtype=torch.float32)
    state = torch.empty_like(x, dtype=torch.uint16)
    kind = np.float32 if x.dtype == torch.float32 else np.float64
    run: Any = _native.staircase_f32 if kind is np.float32 else _native.staircase_f64
    run(
        layout.flat(x.detach()).numpy(),
        np.ascontiguousarray(tables.thresholds.T, kind).reshape(-1),
        tables.low.astype(kind),
        tables.high.astype(kind),
        np.ascontiguousarray(tables.values.T).reshape(-1),
        layout.inner,
        layout.flat(y).numpy(),
        layout.flat(state).numpy(),
        torch.get_num_threads(),
    )
    return y, state


def _backward_native(
    g: torch.Tensor, state: torch.Tensor, tables: Tables, layout: Layout, wanted: bool
) -> tuple[torch.Tensor | None, torch.Tensor]:
    out = torch.empty_like(g) if wanted else None
    sums = np.zeros((tables.values.shape[1], layout.sets))
    _native.staircase_backward(
        layout.flat(g).numpy(),
        layout.flat(state).numpy(),
        tables.slopes.astype(np.float32),
        layout.inner,
        np.empty(0, np.float32) if out is None else layout.flat(out).numpy(),
        sums.reshape(-1),
        torch.get_num_threads(),
    )
    return out, torch.from_numpy(sums)


def _set_index(flat: torch.Tensor, layout: Layout) -> torch.Tensor | int:
    if layout.sets == 1:
        return 0
    return torch.arange(len(flat), device=flat.device) // layout.inner % layout.sets


def _on(array: NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(like.device)


def _forward_torch(x: torch.Tensor, tables: Tables, layout: Layout) -> tuple[torch.Tensor, torch.Tensor]:
    flat = layout.flat(x)
    index = _set_index(flat, layout)
    if layout.sets == 1:
        count = torch.bucketize(flat, _on(tables.thresholds[0], flat).to(flat.dtype))
    else:
        count = torch.zeros(flat.shape, dtype=torch.int64, device=flat.device)
        for column in tables.thresholds.T:
            count += flat > _on(column, flat).to(flat.dtype)[index]
    low, high = (_on(bound, flat).to(flat.dtype)[index] for bound in (tables.low, tables.high))
    passes = (flat > low) & (flat <= high)
    y = torch.empty_like(x, dtype=torch.float32)
    layout.flat(y).copy_(_on(tables.values, flat)[index, count])
    # The sign carries whether the gradient passes.
    return y, torch.where(passes, count, -count - 1)


def _backward_torch(
    g: torch.Tensor, state: torch.Tensor, tables: Tables, layout: Layout, wanted: bool
) -> tuple[torch.Tensor | None, torch.Tensor]:
    flat = layout.flat(g)
    passes = state >= 0
    count = torch.where(passes, state, -state - 1)
    index = _set_index(flat, layout)
    pieces = tables.values.shape[1]
    sums = torch.bincount(count * layout.sets + index, flat.double(), pieces * layout.sets)
    if not wanted:
        return None, sums.reshape(pieces, layout.sets)
    out = torch.empty_like(g)
    slopes = _on(tables.slopes, flat).to(flat.dtype)[index]
    layout.flat(out).copy_(torch.where(passes, flat * slopes, torch.zeros((), device=g.device)))
    return out, sums.reshape(pieces, layout.sets)
