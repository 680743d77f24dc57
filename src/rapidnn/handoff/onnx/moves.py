"""Operators that move or choose values, the same for codes, integers and floats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.handoff.onnx.builder import Builder
from rapidnn.handoff.windows import after_pads
from rapidnn.tables.program import CarriedOp, TailOp

Shape = tuple[int, ...]


def carry(
    build: Builder,
    op: CarriedOp,
    value: str,
    before: Shape,
    after: Shape,
    zero: NDArray[Any],
    least: NDArray[Any],
) -> str:
    """A shape operator or max pool; ``zero`` stands for 0 and ``least`` loses to every value, scalars of its type."""
    match op:
        case ops.MaxPool():
            return _max_pool(build, op, value, before, after, least)
        case ops.Pad():
            return build.pad(value, op.pads, zero)
        case ops.ZeroStuff():
            return _zero_stuff(build, op, value, before, zero)
        case _:
            return move(build, op, value)


def move(build: Builder, op: TailOp, value: str) -> str:
    """Reshape, transpose, slice, take."""
    match op:
        case ops.Reshape():
            return build.reshape(value, op.shape)
        case ops.Transpose():
            return build.node("Transpose", value, perm=[0, *(axis + 1 for axis in op.perm)])
        case ops.Slice():
            axes = range(1, len(op.starts) + 1)
            bounds = (op.starts, op.stops, tuple(axes), op.steps)
            return build.node("Slice", value, *(build.ints(bound) for bound in bounds))
        case ops.Take():
            return build.node("Gather", value, build.ints(op.indices), axis=op.axis + 1)


def _max_pool(
    build: Builder, op: ops.MaxPool, value: str, before: Shape, after: Shape, least: NDArray[Any]
) -> str:
    first = tuple(b for b, _ in op.padding)
    last = after_pads(before[1:], after[1:], op.kernel, op.stride, first, op.dilation)
    padded = build.pad(value, [(0, 0), *zip(first, last, strict=True)], least)
    return build.node("MaxPool", padded, kernel_shape=op.kernel, strides=op.stride, dilations=op.dilation)


def _zero_stuff(build: Builder, op: ops.ZeroStuff, value: str, before: Shape, zero: NDArray[Any]) -> str:
    """An axis after the other: a new axis behind it is filled up with zeros, and the last of them cut off."""
    shape = list(before)
    for axis, step in enumerate(op.stride, start=1):
        if step == 1:
            continue
        apart = [*shape[: axis + 1], 1, *shape[axis + 1 :]]
        filled = build.pad(
            build.reshape(value, apart),
            [(0, step - 1 if i == axis + 1 else 0) for i in range(len(apart))],
            zero,
        )
        wide = [*shape[:axis], shape[axis] * step, *shape[axis + 1 :]]
        shape[axis] = (shape[axis] - 1) * step + 1
        cut = [build.ints([n]) for n in (0, shape[axis], axis + 1)]
        value = build.node("Slice", build.reshape(filled, wide), *cut)
    return value


def scalar(value: float, kind: type[np.generic]) -> NDArray[Any]:
    """A constant without axes."""
    return np.array(value, kind)
