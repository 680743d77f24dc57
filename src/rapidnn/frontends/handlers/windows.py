"""Stride, padding and dilation as convolutions and pools write them."""

from __future__ import annotations

from dataclasses import dataclass

from rapidnn.frontends.builder import MAX_ELEMENTS
from rapidnn.frontends.context import NodeContext
from rapidnn.graph.ops import Pairs


@dataclass(frozen=True)
class Window:
    """One entry per spatial axis."""

    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]


def read_window(ctx: NodeContext, kernel: tuple[int, ...]) -> Window:
    """Read ``strides``, ``dilations``, ``pads``, ``auto_pad`` (ONNX operators Conv and MaxPool)."""
    rank = len(kernel)
    if not 1 <= rank <= 3 or len(ctx.shape(0)) != rank + 1:
        ctx.fail(
            f"{rank} spatial axes on samples of shape {ctx.shape(0)}; 1 to 3 after the channels are needed"
        )
    if min(kernel) < 1 or max(kernel) > MAX_ELEMENTS:
        ctx.fail(f"a kernel of {kernel} is empty or absurdly large")
    stride, dilation = positive(ctx, "strides", rank), positive(ctx, "dilations", rank)
    auto = ctx.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        pads = ctx.integers("pads") or [0] * (2 * rank)
        if min(pads) < 0 or max(pads) > MAX_ELEMENTS or len(pads) != 2 * rank:
            ctx.fail(f"padding {pads} is not supported; {2 * rank} moderate non-negative numbers are needed")
        return Window(stride, tuple(zip(pads[:rank], pads[rank:], strict=True)), dilation)
    if auto == "VALID":
        return Window(stride, ((0, 0),) * rank, dilation)
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        ctx.fail(f"auto_pad {auto!r} is not known")
    padding = []
    for n, k, s, d in zip(ctx.shape(0)[1:], kernel, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        small, large = total // 2, total - total // 2
        padding.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return Window(stride, tuple(padding), dilation)


def positive(ctx: NodeContext, name: str, rank: int) -> tuple[int, ...]:
    """An attribute of one positive integer per spatial axis, all 1 where it is absent."""
    values = ctx.integers(name) or [1] * rank
    if len(values) != rank or min(values) < 1 or max(values) > MAX_ELEMENTS:
        ctx.fail(f"{name} {values} must be {rank} moderate positive integers")
    return tuple(values)
