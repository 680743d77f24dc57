"""Sums of products as integer matrix products and convolutions of unsigned bytes.

Where a product table is the outer product of its codebooks, codes become their integers, a byte or two each, and
multiply. Any other table (rounded, damaged) is addressed: a code becomes a vector that is 1 at its place and 0
elsewhere, and what it multiplies is a row of the table. Both are unsigned bytes on both sides, so that no
processor's kernel saturates, and 32-bit sums that wrap around, which is exact where the sum fits, as it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rapidnn.handoff.onnx.builder import Builder
from rapidnn.handoff.onnx.moves import scalar
from rapidnn.handoff.onnx.planes import Plane, planes
from rapidnn.handoff.windows import after_pads
from rapidnn.tables.program import Int32, PooledSum, Program, WeightedSum, Window

Multiply = Callable[[str, Plane, str, str], str]
"""Makes the product of one input plane (a name and its zero point's) and one weight plane."""


def weighted_sum(build: Builder, program: Program, step: WeightedSum, x: str) -> str:
    """The sums of a layer over the codes ``x``, without bias and residuals: int32."""
    inputs = program.group_of[step.source].values
    weights = _outer_factors(step, inputs)
    if weights is None:
        return _addressed(build, program, step, x)
    given = [(build.look_up(p.data, build.cast(x, np.int32)), p) for p in planes(inputs)]
    return _products(build, program, step, given, weights)


def pooled_sum(build: Builder, program: Program, step: PooledSum, x: str) -> str:
    """The codebook's integers summed over windows: a convolution with ones, channel by channel."""
    size, shape = program.shapes[step.source], program.shapes[step.name]
    window = step.window
    before = tuple(b for b, _ in window.padding)
    after = after_pads(size[1:], shape[1:], window.kernel, window.stride, before, window.dilation)
    ones = Plane(np.ones((1, 1, *window.kernel), np.uint8), 0, 0)
    alone = build.reshape(x, (1, *size[1:]))
    given = [(build.look_up(p.data, build.cast(alone, np.int32)), p) for p in planes(step.row)]
    return build.reshape(_total(build, given, [ones], _convolve(build, window, after, 1)), shape)


def _outer_factors(step: WeightedSum, inputs: Int32) -> Int32 | None:
    """Decoded weights, in the weight codes' shape, if the table is the outer product of the codebooks."""
    exact = step.values.astype(np.int64)[:, :, np.newaxis] * inputs.astype(np.int64)
    if not np.array_equal(exact, step.products):
        return None
    codes = step.weight_codes.reshape(step.channels, -1).astype(np.intp)
    books = np.broadcast_to(step.values, (step.channels, step.values.shape[1]))
    return np.take_along_axis(books, codes, axis=1).reshape(step.weight_codes.shape)


def _addressed(build: Builder, program: Program, step: WeightedSum, x: str) -> str:
    """Vectors of one 1 times rows of the table."""
    size, u = program.shapes[step.source], program.group_of[step.source].size
    ones = build.look_up(np.eye(u, dtype=np.uint8), build.cast(x, np.int32))
    book = np.arange(step.channels) if len(step.products) > 1 else np.zeros(step.channels, np.intp)
    index = book.reshape(-1, *[1] * (step.weight_codes.ndim - 1))
    rows = step.products.astype(np.int32)[index, step.weight_codes]  # weight codes' shape, u last
    if step.window is None:
        given = build.reshape(ones, (*size[:-1], size[-1] * u))
        rows = rows.reshape(step.channels, -1)
    else:
        rank = len(size)
        apart = build.node("Transpose", ones, perm=[0, 1, rank + 1, *range(2, rank + 1)])
        given = build.reshape(apart, (size[0] * u, *size[1:]))
        rows = np.moveaxis(rows, -1, 2).reshape(step.channels, -1, *step.weight_codes.shape[2:])
    return _products(build, program, step, [(given, Plane(np.zeros(0, np.uint8), 0, 0))], rows)


def _products(
    build: Builder, program: Program, step: WeightedSum, given: Sequence[tuple[str, Plane]], weights: Int32
) -> str:
    if step.window is None:
        return _total(build, given, planes(weights.T), _matmul(build))
    size, shape = program.shapes[step.source], program.shapes[step.name]
    window = step.window
    before = tuple(b for b, _ in window.padding)
    after = after_pads(size[1:], shape[1:], window.kernel, window.stride, before, window.dilation)
    return _total(build, given, planes(weights), _convolve(build, window, after, step.groups))


def _matmul(build: Builder) -> Multiply:
    return lambda x, plane, x_zero, zero: build.node(
        "MatMulInteger", x, build.constant(plane.data), x_zero, zero
    )


def _convolve(build: Builder, window: Window, after: tuple[int, ...], groups: int) -> Multiply:
    """Padding stands for the zero point, so a padded tap adds nothing."""
    pads = [*(b for b, _ in window.padding), *after]
    return lambda x, plane, x_zero, zero: build.node(
        "ConvInteger",
        x,
        build.constant(plane.data),
        x_zero,
        zero,
        kernel_shape=window.kernel,
        strides=window.stride,
        dilations=window.dilation,
        pads=pads,
        group=groups,
    )


def _total(
    build: Builder, given: Sequence[tuple[str, Plane]], weights: Sequence[Plane], multiply: Multiply
) -> str:
    total = ""
    for x, inputs in given:
        for plane in weights:
            zeros = (build.constant(scalar(p.zero, np.uint8)) for p in (inputs, plane))
            part = multiply(x, plane, *zeros)
            shift = inputs.shift + plane.shift
            if shift:
                part = build.node("Mul", part, build.constant(scalar(1 << shift, np.int32)))
            total = build.node("Add", total, part) if total else part
    return total
