"""The reference executor: what the tables mean, written to be read beside SPEC section 1.

It defines the bits. Nothing here is clever: weighted sums add one table entry per tap, activation and encoding are two
nearest searches. Every other executor is tested equal to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.host import run_host, shape_op
from rapidnn.execute.inputs import check_input
from rapidnn.graph import ops
from rapidnn.tables.activation import nearest
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    CarriedOp,
    Carry,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Host,
    Join,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    sources_of,
)

Ints = NDArray[np.integer]
Edge = NDArray[Any]
"""Values of an edge for a batch, batch first: codes uint8, accumulators int32, real edges float32."""
Observer = Callable[[str, Edge], None]
"""Called with every edge's name and its values for the batch."""


def run_reference(program: Program, x: NDArray[np.float32], observe: Observer | None = None) -> Edge:
    """Run a batch ``(N, *input_shape)`` and return the output edge.

    Raises
    ------
    DataError
        If the input has another shape, or holds NaN.
    """
    edges: dict[str, Edge] = {}
    for step in program.steps:
        edges[step.name] = run_step(program, step, edges, x)
        if observe is not None:
            observe(step.name, edges[step.name])
    return edges[program.output]


def run_step(program: Program, step: Step, edges: dict[str, Edge], x: NDArray[np.float32]) -> Edge:
    """The value of one step, given all edges before it."""
    match step:
        case EncodeInput():
            return encode_real(step.thresholds, check_input(program, x))
        case EncodeReal():
            return encode_real(step.thresholds, edges[step.source])
        case WeightedSum():
            return to_int32(weighted_sum(step, edges, program.shapes[step.name]))
        case PooledSum():
            return to_int32(pooled_sum(step, edges[step.source]))
        case CodeSum():
            return to_int32(code_sum(step, edges))
        case CodeProduct():
            return to_int32(step.products.astype(np.int64)[edges[step.left], edges[step.right]])
        case Encode():
            return encode(step, edges[step.source], program.unit_index(step.source))
        case Activate():
            unit = program.unit_index(step.source)
            return to_int32(activate(step.activation, edges[step.source].astype(np.int64), unit))
        case Carry():
            pad_code = program.group_of[step.source].pad_code
            return carry(step.op, edges[step.source], pad_code)
        case Join():
            return join(step, edges)
        case Host():
            return run_host(step.op, [real_values(program, name, edges[name]) for name in sources_of(step)])


def to_int32(sums: NDArray[np.int64]) -> NDArray[np.int32]:
    """Sums as int32; composition has bounded them (SPEC section 1, shift and bound)."""
    assert np.abs(sums).max(initial=0) < 2**31
    return sums.astype(np.int32)


def encode_real(thresholds: NDArray[np.float32], x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Code = number of thresholds below the value."""
    codes = np.zeros(x.shape, np.uint8)
    for threshold in thresholds:
        codes += x > threshold
    return codes


def real_values(program: Program, name: str, values: Edge) -> NDArray[np.float32]:
    """What an edge stands for: float32 of the float64 product of its integers and their scale."""
    group = program.group_of.get(name)
    if group is not None:
        return (group.values[values] * np.float64(group.scale)).astype(np.float32)
    if values.dtype == np.float32:
        return values
    scales = program.acc_scales(name)
    return (values * scales[program.unit_index(name) if len(scales) > 1 else 0]).astype(np.float32)


def code_sum(step: CodeSum, edges: dict[str, Edge]) -> NDArray[np.int64]:
    """Sum of one row entry per term, and of the constant."""
    total = np.int64(0) if step.offset is None else step.offset.astype(np.int64)
    for term in step.terms:
        total = total + term.rows[0].astype(np.int64)[edges[term.source]]
    return np.asarray(total)


def join(step: Join, edges: dict[str, Edge]) -> NDArray[np.uint8]:
    """Codes side by side, translated where a source has a codebook of its own."""
    parts = [edges[name] for name in step.sources]
    if step.recode:
        parts = [table[codes] for table, codes in zip(step.recode, parts, strict=True)]
    return np.concatenate(parts, axis=step.axis + 1)


def taps(
    x: Ints,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: ops.Pairs,
    dilation: tuple[int, ...],
    out: tuple[int, ...],
) -> Iterator[tuple[tuple[int, ...], Ints, NDArray[np.bool_]]]:
    """For every place in the kernel: its index, the input at all output positions, and where that is not padding."""
    before = tuple(b for b, _ in padding)
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(out, stride, kernel, dilation, strict=True)]
    after = [max(0, r - b - n) for r, b, n in zip(reach, before, x.shape[2:], strict=True)]
    pads = list(zip(before, after, strict=True))
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    real = np.pad(np.ones(x.shape[2:], bool), pads)
    for index in itertools.product(*map(range, kernel)):
        starts = [i * d for i, d in zip(index, dilation, strict=True)]
        window = tuple(slice(b, b + (o - 1) * s + 1, s) for b, o, s in zip(starts, out, stride, strict=True))
        yield index, padded[(slice(None), slice(None), *window)], real[window]


def weighted_sum(step: WeightedSum, edges: dict[str, Edge], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """acc = bias + sum over taps of P[weight code, input code] + residual rows; a padded tap adds nothing."""
    x = edges[step.source]
    channels = step.channels
    products = step.products.astype(np.int64)
    book = np.arange(channels) if len(products) > 1 else np.zeros(channels, np.intp)
    if step.window is None:
        acc = np.broadcast_to(step.bias.astype(np.int64), (len(x), *shape)).copy()
        for k in range(step.taps):
            acc += products[book, step.weight_codes[:, k]][np.arange(channels), x[..., k, np.newaxis]]
        channel_axis = len(shape)
    else:
        bias = step.bias.astype(np.int64).reshape(-1, *[1] * (len(shape) - 1))
        acc = np.broadcast_to(bias, (len(x), *shape)).copy()
        ins, outs = x.shape[1] // step.groups, channels // step.groups
        w = step.window
        for index, values, real in taps(x, w.kernel, w.stride, w.padding, w.dilation, shape[1:]):
            for group, c in itertools.product(range(step.groups), range(ins)):
                mine = slice(group * outs, (group + 1) * outs)
                tap_codes = np.moveaxis(step.weight_codes, 0, -1)[(c, *index)]
                rows = products[book[mine], tap_codes[mine]]
                looked_up = np.moveaxis(rows[:, values[:, group * ins + c]], 0, 1)
                acc[:, mine] += np.where(real, looked_up, 0)
        channel_axis = 1
    for term in step.residuals:
        row = np.arange(channels) if len(term.rows) > 1 else np.zeros(channels, np.intp)
        unit = row.reshape([-1 if axis == channel_axis else 1 for axis in range(acc.ndim)])
        acc += term.rows.astype(np.int64)[unit, edges[term.source]]
    return acc


def pooled_sum(step: PooledSum, x: Ints) -> NDArray[np.int64]:
    """Sum of the codebook's integers over each window; the divisor is in the scale."""
    w = step.window
    row = step.row.astype(np.int64)
    out = step.divisor_index.shape
    acc = np.zeros((*x.shape[:2], *out), np.int64)
    for _, values, real in taps(x, w.kernel, w.stride, w.padding, w.dilation, out):
        acc += np.where(real, row[values], 0)
    return acc


def activate(table: ActivationTable, acc: NDArray[np.int64], unit: NDArray[np.intp]) -> NDArray[np.int64]:
    """The activation of an accumulator: a comparison, or the g of the row whose z is nearest."""
    if table.kind == "identity":
        return acc
    if table.z is None or table.g is None:
        positive = np.maximum(acc, 0)
        return positive if table.cap is None else np.minimum(positive, table.cap.astype(np.int64)[unit])
    result = np.empty_like(acc)
    where = np.broadcast_to(unit, acc.shape[1:])
    for t, z in enumerate(table.z):
        result[:, where == t] = table.g.astype(np.int64)[nearest(z, acc[:, where == t])]
    return result


def encode(step: Encode, acc: Ints, unit: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Activation, then the index of the nearest row of the encoding table, without the bits dropped."""
    value = activate(step.activation, acc.astype(np.int64), unit)
    codes = np.empty(acc.shape, np.uint8)
    if len(step.encoding) == 1:
        unit = np.zeros_like(unit)
    where = np.broadcast_to(unit, acc.shape[1:])
    for t, rows in enumerate(step.encoding):
        codes[:, where == t] = nearest(rows, value[:, where == t])
    return codes >> np.uint8(step.drop)


def carry(op: CarriedOp, x: Ints, pad_code: int | None) -> Edge:
    """Codes through max pooling or a shape operator."""
    match op:
        case ops.MaxPool():
            return max_pool(op, x)
        case ops.Pad():
            assert pad_code is not None
            return np.pad(x, [(0, 0), *op.pads], constant_values=pad_code)
        case ops.ZeroStuff():
            assert pad_code is not None
            spread = [(n - 1) * s + 1 for n, s in zip(x.shape[2:], op.stride, strict=True)]
            result = np.full((*x.shape[:2], *spread), pad_code, x.dtype)
            result[(slice(None), slice(None), *(slice(None, None, s) for s in op.stride))] = x
            return result
        case _:
            return shape_op(op, x)


def max_pool(op: ops.MaxPool, x: Ints) -> Ints:
    """The largest code of each window: a codebook is sorted. Padding never wins, since no code is below 0."""
    from rapidnn.graph.shapes import infer_shape

    out = infer_shape("max pool", op, [x.shape[1:]])[1:]
    result = np.zeros((*x.shape[:2], *out), x.dtype)
    for _, values, _ in taps(x, op.kernel, op.stride, op.padding, op.dilation, out):
        np.maximum(result, values, out=result)
    return result
