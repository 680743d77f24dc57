"""Joining activations with each other, with zeros around, and with constants."""

from __future__ import annotations

import numpy as np

from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.handlers.affine import per_sample
from rapidnn.frontends.registry import handles
from rapidnn.graph.ops import AddConstant, Concat, Float32, Pad, Slice
from rapidnn.graph.shapes import Shape


@handles("Pad", any_layout=True)
def pad(ctx: NodeContext) -> str:
    """Zeros around; negative amounts cut off."""
    full, layout = ctx.full_shape(0), ctx.layout(0)
    if ctx.text("mode", "constant") != "constant" or ctx.number("value", ctx.scalar(2, 0.0)) != 0:
        ctx.fail("only padding with the constant 0 is supported")
    amounts = ctx.integers("pads", 1) or []
    given = ctx.integers("axes", 3)
    axes = [axis % len(full) for axis in (range(len(full)) if given is None else given)]
    if len(amounts) != 2 * len(axes):
        ctx.fail(f"{len(amounts)} amounts of padding are given for {len(axes)} axes")
    pairs = [(0, 0)] * len(ctx.shape(0))
    for axis, before, after in zip(axes, amounts[: len(axes)], amounts[len(axes) :], strict=True):
        sample = layout.sample_axis(axis)
        if sample is not None:
            pairs[sample] = (before, after)
        elif (before, after) != (0, 0):
            ctx.fail("it pads the batch axis")
    return ctx.like(0, padded(ctx, ctx.edge(0), tuple(pairs)))


def padded(ctx: NodeContext, edge: str, pairs: tuple[tuple[int, int], ...], part: str = "") -> str:
    """The edge with zeros around it, or cut where an amount is negative (amounts per sample axis)."""
    shape = ctx.builder.shapes[edge]
    if any(min(pair) < 0 for pair in pairs):
        starts = tuple(max(0, -before) for before, _ in pairs)
        stops = tuple(n - max(0, -after) for n, (_, after) in zip(shape, pairs, strict=True))
        if any(stop <= start for start, stop in zip(starts, stops, strict=True)):
            ctx.fail(f"negative padding {pairs} leaves nothing of shape {shape}")
        edge = ctx.emit(Slice(starts, stops, (1,) * len(shape)), edge, part=part or "crop")
    positive = tuple((max(0, before), max(0, after)) for before, after in pairs)
    if any(any(pair) for pair in positive):
        return ctx.emit(Pad(positive), edge, part=part)
    return edge


@handles("Concat", "ConcatFromSequence", any_layout=True)
def concat(ctx: NodeContext) -> str:
    """Activations joined; constants among them are zeros in the joined value, and an ``AddConstant`` if not zero."""
    items: list[str | Float32] = []
    if ctx.node.op_type == "ConcatFromSequence":
        if ctx.integer("new_axis", 0):
            ctx.fail("stacking a sequence along a new axis is not supported")
        items += ctx.sequence(0).edges
    else:
        items += [ctx.weight(k) if ctx.is_constant(k) else ctx.edge(k) for k in range(len(ctx.inputs))]
    edges = [item for item in items if isinstance(item, str)]
    full, layout = ctx.builder.full_shape(edges[0]), ctx.builder.layout(edges[0])
    axis = ctx.integer("axis", 0)
    sample = layout.sample_axis(axis % len(full)) if -len(full) <= axis < len(full) else None
    if sample is None:
        ctx.fail(f"it joins values of shape {full} along the batch (axis {axis})")
    if any(ctx.builder.layout(edge) != layout for edge in edges):
        ctx.fail("the values it joins do not have the batch on the same axis")
    shape = ctx.builder.shapes[edges[0]]
    pieces, constant = _with_zeros(ctx, items, full, sample)
    edge = pieces[0] if len(pieces) == 1 else ctx.emit(Concat(sample), *pieces)
    if constant is not None:
        if len(shape) != constant.ndim:
            ctx.fail(f"a constant of shape {constant.shape} is joined to samples of shape {shape}")
        edge = ctx.emit(AddConstant(constant), edge, part="constant")
    return ctx.placed(edge, layout) if ctx.builder.layout(edge) != layout else edge


def _with_zeros(
    ctx: NodeContext, items: list[str | Float32], full: tuple[int, ...], axis: int
) -> tuple[list[str], Float32 | None]:
    """The activations with zeros in the place of the constants, and what must be added there, if not zero."""
    edges: list[str] = []
    pads: list[list[int]] = []
    waiting, position, places = 0, 0, []
    for item in items:
        if isinstance(item, str):
            edges.append(item)
            pads.append([waiting, 0])
            position += ctx.builder.shapes[item][axis]
            waiting = 0
            continue
        array = _sample_constant(ctx, item, full, axis, ctx.builder.shapes[_first_edge(items)])
        places.append((position, array))
        position += array.shape[axis]
        if edges:
            pads[-1][1] += array.shape[axis]
        else:
            waiting += array.shape[axis]
    rank = len(ctx.builder.shapes[edges[0]])
    pieces = [
        padded(
            ctx,
            edge,
            tuple((before, after) if a == axis else (0, 0) for a in range(rank)),
            "" if len(edges) == 1 else "zeros",
        )
        for edge, (before, after) in zip(edges, pads, strict=True)
    ]
    if not any(array.any() for _, array in places):
        return pieces, None
    shape = list(ctx.builder.shapes[edges[0]])
    shape[axis] = position
    constant = np.zeros(shape, np.float32)
    for start, array in places:
        constant[(slice(None),) * axis + (slice(start, start + array.shape[axis]),)] = array
    return pieces, constant


def _first_edge(items: list[str | Float32]) -> str:
    return next(item for item in items if isinstance(item, str))


def _sample_constant(
    ctx: NodeContext, array: Float32, full: tuple[int, ...], axis: int, shape: Shape
) -> Float32:
    """A joined constant for one sample; it must have the samples' extents on all other axes."""
    layout = ctx.builder.layout(_first_edge([v for v in ctx.inputs if isinstance(v, str)]))
    if layout.width:
        ctx.fail("a constant is joined to a value whose batch is merged with another axis")
    if array.ndim != len(full):
        ctx.fail(f"a constant of shape {array.shape} is joined to a value of shape {full}")
    joined = axis + (axis >= layout.start)
    aligned = per_sample(ctx, array, (*full[:joined], array.shape[joined], *full[joined + 1 :]), layout)
    if any(n != m for a, (n, m) in enumerate(zip(aligned.shape, shape, strict=True)) if a != axis):
        ctx.fail(f"a constant of shape {array.shape} is joined to a value of shape {full}")
    return aligned
