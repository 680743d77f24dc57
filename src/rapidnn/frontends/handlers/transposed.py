"""Transposed convolution as a convolution of the stuffed input."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.join import padded
from rapidnn.frontends.handlers.weighted import check_groups
from rapidnn.frontends.handlers.windows import positive
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Conv, Float32, ZeroStuff


@handles("ConvTranspose")
def conv_transpose(ctx: NodeContext) -> str:
    """Zeros between the elements, padding, and a convolution with the weights flipped and transposed.

    Output element y gathers ``x[i] * w[k]`` with ``y = i * stride + k * dilation - pad``; on the stuffed input z, of
    which every stride-th element is an x, that is a convolution with stride 1, flipped weights and the padding
    ``dilation * (kernel - 1) - pad`` (ONNX ConvTranspose).
    """
    weight = ctx.weight(1)
    kernel, groups = tuple(weight.shape[2:]), ctx.integer("group", 1)
    rank = len(kernel)
    if not 1 <= rank <= 3 or len(ctx.shape(0)) != rank + 1:
        ctx.fail(
            f"{rank} spatial axes on samples of shape {ctx.shape(0)}; 1 to 3 after the channels are needed"
        )
    check_groups(ctx, groups, len(weight))
    stride, dilation = positive(ctx, "strides", rank), positive(ctx, "dilations", rank)
    flipped = _flipped(weight, groups)
    bias = ctx.weight(2) if ctx.has(2) else np.zeros(len(flipped), np.float32)
    edge = ctx.edge(0)
    if any(s > 1 for s in stride):
        edge = ctx.emit(ZeroStuff(stride), edge, part="stuff")
    pairs = _padding(ctx, kernel, stride, dilation)
    edge = padded(ctx, edge, ((0, 0), *((min(0, a), min(0, b)) for a, b in pairs)))
    padding = tuple((max(0, a), max(0, b)) for a, b in pairs)
    return ctx.emit(Conv(flipped, bias, (1,) * rank, padding, dilation, groups), edge)


def _flipped(weight: Float32, groups: int) -> Float32:
    """``(in, out / groups, *kernel)`` as ``(out, in / groups, *kernel)``, every kernel axis reversed."""
    split = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    swapped = split.swapaxes(1, 2).reshape(-1, len(weight) // groups, *weight.shape[2:])
    spatial = (slice(None, None, -1),) * (weight.ndim - 2)
    return np.ascontiguousarray(swapped[(slice(None), slice(None), *spatial)])


def _padding(
    ctx: NodeContext, kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Padding of the stuffed input, negative where it is cut."""
    rank, spatial = len(kernel), ctx.shape(0)[1:]
    extra = ctx.integers("output_padding") or [0] * rank
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    natural = [(n - 1) * s + r + 1 for n, s, r in zip(spatial, stride, reach, strict=True)]
    auto, wanted = ctx.text("auto_pad", "NOTSET"), ctx.integers("output_shape")
    if wanted is None and auto in ("SAME_UPPER", "SAME_LOWER"):
        wanted = [n * s for n, s in zip(spatial, stride, strict=True)]
    if wanted is None:
        pads = ctx.integers("pads") or [0] * (2 * rank)
        if auto == "VALID":
            pads = [0] * (2 * rank)
        pairs = list(zip(pads[:rank], pads[rank:], strict=True))
        return [(r - a, r - b + e) for r, (a, b), e in zip(reach, pairs, extra, strict=True)]
    wanted = wanted[-rank:]
    result = []
    for n, m, r, e in zip(natural, wanted, reach, extra, strict=True):
        total = n + e - m
        # Where the wanted output is larger, the end gets all of it.
        small = max(0, total) // 2
        before = small if auto == "SAME_UPPER" else max(0, total) - small
        result.append((r - before, r - (total - before) + e))
    return result
