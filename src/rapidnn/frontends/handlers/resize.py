"""Nearest-neighbour resizing, and exchanges between channels and space."""

from __future__ import annotations

import math

from rapidnn.frontends.builder import MAX_ELEMENTS
from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import take
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import Reshape, Transpose


@handles("Resize", "Upsample", any_layout=True)
def resize(ctx: NodeContext) -> str:
    """Every axis by nearest neighbours (ONNX Resize; Upsample and Resize 10 are its asymmetric form)."""
    full, layout = ctx.full_shape(0), ctx.layout(0)
    mode = ctx.text("mode", "nearest")
    if mode != "nearest":
        ctx.fail(f"mode {mode!r} is not supported; 'nearest' is")
    axes = ctx.integers("axes")
    axes = list(range(len(full))) if axes is None else [axis % len(full) for axis in axes]
    extents, scales = _target(ctx, [full[axis] for axis in axes])
    edge = ctx.edge(0)
    for axis, extent, scale in zip(axes, extents, scales, strict=True):
        sample = layout.sample_axis(axis)
        if sample is None:
            if extent != full[axis]:
                ctx.fail("it resizes the batch axis")
            continue
        if not 1 <= extent <= MAX_ELEMENTS:
            ctx.fail(f"an axis of {full[axis]} would become {extent} long")
        indices = [_source(ctx, x, full[axis], extent, scale) for x in range(extent)]
        edge = take(ctx, edge, sample, indices)
    return ctx.like(0, edge)


def _target(ctx: NodeContext, extents: list[int]) -> tuple[list[int], list[float]]:
    """The new extents, and the scales that the coordinates are computed with."""
    older = ctx.node.op_type == "Upsample" or ctx.opset < 11
    sizes = None if older or not ctx.has(3) else ctx.integers("sizes", 3)
    if sizes:
        _check_count(ctx, len(sizes), len(extents))
        scales = [m / n for n, m in zip(extents, sizes, strict=True)]
        policy = ctx.text("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            scale = min(scales) if policy == "not_larger" else max(scales)
            return [math.floor(n * scale + 0.5) for n in extents], [scale] * len(scales)
        return sizes, scales
    attribute = ctx.node.attributes.get("scales")
    if attribute is not None:
        scales = [float(s) for s in attribute.as_floats()]
    else:
        scales = [float(s) for s in ctx.constant(1 if older else 2).array.reshape(-1)]
    _check_count(ctx, len(scales), len(extents))
    if not all(math.isfinite(s) and 0 < s <= MAX_ELEMENTS for s in scales):
        ctx.fail(f"scales {scales} are not positive numbers")
    return [math.floor(n * s) for n, s in zip(extents, scales, strict=True)], scales


def _check_count(ctx: NodeContext, given: int, axes: int) -> None:
    if given != axes:
        ctx.fail(f"{given} sizes or scales are given for {axes} axes")


def _source(ctx: NodeContext, x: int, n: int, m: int, scale: float) -> int:
    """The source index of the element ``x`` of an axis resized from n to m (formulas of the ONNX specification)."""
    older = ctx.node.op_type == "Upsample" or ctx.opset < 11
    if older:
        place = x / scale
        # Resize 10 takes the next element when it shrinks, as onnxruntime does.
        return min(n - 1, math.ceil(place) if scale < 1 else math.floor(place))
    match ctx.text("coordinate_transformation_mode", "half_pixel"):
        case "half_pixel":
            place = (x + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            place = (x + 0.5) / scale - 0.5 if m > 1 else 0.0
        case "half_pixel_symmetric":
            offset = n / 2 * (1 - m / (scale * n))
            place = offset + (x + 0.5) / scale - 0.5
        case "asymmetric":
            place = x / scale
        case "align_corners":
            place = x * (n - 1) / (m - 1) if m > 1 else 0.0
        case other:
            ctx.fail(f"coordinate_transformation_mode {other!r} is not supported")
    match ctx.text("nearest_mode", "round_prefer_floor"):
        case "round_prefer_floor":
            index = math.ceil(place - 0.5)
        case "round_prefer_ceil":
            index = math.floor(place + 0.5)
        case "floor":
            index = math.floor(place)
        case "ceil":
            index = math.ceil(place)
        case other:
            ctx.fail(f"nearest_mode {other!r} is not known")
    return min(max(index, 0), n - 1)


@handles("DepthToSpace")
def depth_to_space(ctx: NodeContext) -> str:
    """Blocks of channels become blocks of space."""
    channels, height, width = _image(ctx)
    block = _block(ctx)
    if channels % block**2:
        ctx.fail(f"{channels} channels do not divide into blocks of {block} x {block}")
    rest = channels // block**2
    if ctx.text("mode", "DCR") == "DCR":
        split, perm = (block, block, rest, height, width), (2, 3, 0, 4, 1)
    else:
        split, perm = (rest, block, block, height, width), (0, 3, 1, 4, 2)
    return _exchange(ctx, split, perm, (rest, height * block, width * block))


@handles("SpaceToDepth")
def space_to_depth(ctx: NodeContext) -> str:
    """Blocks of space become channels."""
    channels, height, width = _image(ctx)
    block = _block(ctx)
    if height % block or width % block:
        ctx.fail(f"an image of {height} x {width} does not divide into blocks of {block} x {block}")
    split = (channels, height // block, block, width // block, block)
    result = (channels * block**2, height // block, width // block)
    perm = (2, 4, 0, 1, 3) if ctx.text("mode", "DCR") == "DCR" else (0, 2, 4, 1, 3)
    return _exchange(ctx, split, perm, result)


def _exchange(
    ctx: NodeContext, split: tuple[int, ...], perm: tuple[int, ...], result: tuple[int, ...]
) -> str:
    edge = ctx.emit(Reshape(split), ctx.edge(0), part="split")
    edge = ctx.emit(Transpose(perm), edge)
    return ctx.emit(Reshape(result), edge, part="join")


def _image(ctx: NodeContext) -> tuple[int, int, int]:
    shape = ctx.shape(0)
    if len(shape) != 3:
        ctx.fail(f"its samples have shape {shape}; (channels, height, width) is needed")
    return shape[0], shape[1], shape[2]


def _block(ctx: NodeContext) -> int:
    block = ctx.integer("blocksize", 0)
    if block < 1:
        ctx.fail(f"blocksize {block} is not positive")
    return block
