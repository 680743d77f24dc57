"""Shape inference: the shape of one sample of each node's result, or an error that names the node."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rapidnn.errors import ModelError
from rapidnn.graph import ops
from rapidnn.graph.ops import Op

Shape = tuple[int, ...]


def infer_shape(name: str, op: Op, inputs: Sequence[Shape]) -> Shape:
    """Shape (without the batch) of ``op`` applied to values of the given shapes.

    Raises
    ------
    ModelError
        If the number of inputs or a shape does not fit; the message names the node.
    """
    wanted = _arity(op)
    if wanted is None and not inputs:
        raise ModelError(f"node {name!r} ({ops.op_name(op)}) needs at least one input")
    if wanted is not None and len(inputs) != wanted:
        raise ModelError(f"node {name!r} ({ops.op_name(op)}) takes {wanted} inputs, not {len(inputs)}")
    try:
        shape = _infer(op, inputs)
    except ValueError as error:
        shown = " and ".join(map(str, inputs))
        raise ModelError(
            f"node {name!r} ({ops.op_name(op)}) cannot take input of shape {shown}: {error}"
        ) from None
    if any(extent < 1 for extent in shape):
        raise ModelError(f"node {name!r} ({ops.op_name(op)}) would produce the empty shape {shape}")
    return shape


def _arity(op: Op) -> int | None:
    """Number of inputs, None for any number."""
    match op:
        case ops.Input():
            return 0
        case ops.Concat():
            return None
        case ops.Add() | ops.Multiply() | ops.MatMul():
            return 2
        case _:
            return 1


def _infer(op: Op, inputs: Sequence[Shape]) -> Shape:
    match op:
        case ops.Input():
            return op.shape
        case ops.Linear():
            _expect(inputs[0][-1:] == (op.weight.shape[1],), f"its last axis must be {op.weight.shape[1]}")
            return (*inputs[0][:-1], op.weight.shape[0])
        case ops.Conv():
            channels, rank = op.weight.shape[1] * op.groups, len(op.kernel)
            _expect(len(inputs[0]) == rank + 1, f"{rank} spatial axes are needed")
            _expect(inputs[0][0] == channels, f"{channels} channels are needed")
            _expect(op.weight.shape[0] % op.groups == 0, "the output channels do not divide into the groups")
            return (
                op.weight.shape[0],
                *_windows(inputs[0][1:], op.kernel, op.stride, op.padding, op.dilation, ceil=False),
            )
        case ops.BatchNorm():
            _expect(inputs[0][:1] == op.scale.shape, f"{len(op.scale)} channels are needed")
            return inputs[0]
        case ops.Activation():
            return inputs[0]
        case ops.MaxPool() | ops.AvgPool():
            _expect(len(inputs[0]) == len(op.kernel) + 1, f"{len(op.kernel)} spatial axes are needed")
            dilation = op.dilation if isinstance(op, ops.MaxPool) else (1,) * len(op.kernel)
            spatial = _windows(inputs[0][1:], op.kernel, op.stride, op.padding, dilation, ceil=op.ceil_mode)
            return (inputs[0][0], *spatial)
        case ops.Reshape():
            _expect(math.prod(inputs[0]) == math.prod(op.shape), f"it does not fill {op.shape}")
            return op.shape
        case ops.Transpose():
            _expect(sorted(op.perm) == list(range(len(inputs[0]))), f"{op.perm} does not permute its axes")
            return tuple(inputs[0][axis] for axis in op.perm)
        case ops.Slice():
            _expect(len(op.starts) == len(inputs[0]), "the slice has another rank")
            bounds = zip(op.starts, op.stops, op.steps, inputs[0], strict=True)
            return tuple(len(range(n)[start:stop:step]) for start, stop, step, n in bounds)
        case ops.Pad():
            _expect(len(op.pads) == len(inputs[0]), "the padding has another rank")
            return tuple(n + before + after for n, (before, after) in zip(inputs[0], op.pads, strict=True))
        case ops.Add():
            _expect(inputs[0] == inputs[1], "both must be equal")
            return inputs[0]
        case _:
            return _infer_more(op, inputs)


def _infer_more(op: Op, inputs: Sequence[Shape]) -> Shape:
    first = inputs[0]
    match op:
        case ops.AddConstant():
            _expect(op.value.ndim <= len(first), "the constant has more axes")
            aligned = (1,) * (len(first) - op.value.ndim) + op.value.shape
            _expect(
                _broadcasts(aligned, first), f"a constant of shape {op.value.shape} does not broadcast to it"
            )
            return first
        case ops.Multiply():
            _expect(len(first) == len(inputs[1]), "both must have the same rank")
            pairs = list(zip(first, inputs[1], strict=True))
            _expect(all(n == m or 1 in (n, m) for n, m in pairs), "extents must be equal or 1")
            return tuple(max(n, m) for n, m in pairs)
        case ops.Concat():
            _expect(0 <= op.axis < len(first), f"it has no axis {op.axis}")
            others = {(*shape[: op.axis], *shape[op.axis + 1 :]) for shape in inputs}
            same = len(others) == 1 and all(len(shape) == len(first) for shape in inputs)
            _expect(same, f"all axes but {op.axis} must be equal")
            return (*first[: op.axis], sum(shape[op.axis] for shape in inputs), *first[op.axis + 1 :])
        case ops.Take():
            _expect(0 <= op.axis < len(first), f"it has no axis {op.axis}")
            _expect(all(0 <= i < first[op.axis] for i in op.indices), "an index lies outside of it")
            return (*first[: op.axis], len(op.indices), *first[op.axis + 1 :])
        case ops.ZeroStuff():
            _expect(len(first) == len(op.stride) + 1, f"{len(op.stride)} spatial axes are needed")
            return (first[0], *((n - 1) * s + 1 for n, s in zip(first[1:], op.stride, strict=True)))
        case ops.Softmax():
            _expect(0 <= op.axis < len(first), f"it has no axis {op.axis}")
            return first
        case ops.LayerNorm():
            _expect(1 <= op.axes <= len(first), f"it has no {op.axes} axes")
            _expect(op.scale.shape == op.shift.shape == first[-op.axes :], f"{op.scale.shape} is needed last")
            return first
        case ops.MatMul():
            left, right = inputs
            _expect(len(left) == len(right) >= 2, "two matrices of equal rank are needed")
            _expect(left[:-2] == right[:-2], "the leading axes must be equal")
            _expect(left[-1] == right[-2], "the inner extents must be equal")
            return (*left[:-1], right[-1])
        case _:
            raise AssertionError(f"no shape rule for {ops.op_name(op)}")


def _broadcasts(shape: Shape, target: Shape) -> bool:
    return all(n in (1, m) for n, m in zip(shape, target, strict=True))


def _windows(
    spatial: Shape,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: ops.Pairs,
    dilation: tuple[int, ...],
    *,
    ceil: bool,
) -> Shape:
    """Number of windows per spatial axis; in ceil mode a window must start inside the input or its left padding."""
    result = []
    for n, k, s, (before, after), d in zip(spatial, kernel, stride, padding, dilation, strict=True):
        room = n + before + after - d * (k - 1) - 1
        _expect(room >= 0, f"a window of {d * (k - 1) + 1} does not fit into {n + before + after}")
        count = (-(-room // s) if ceil else room // s) + 1
        if ceil and (count - 1) * s >= n + before:
            count -= 1
        result.append(count)
    return tuple(result)


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
