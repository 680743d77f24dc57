"""Every law a program keeps, checked: what loads can be executed, and means what its maker meant."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from rapidnn.errors import ModelError
from rapidnn.graph import ops
from rapidnn.tables.activation import COMPARED, fuse
from rapidnn.tables.functions import PARAMETERS
from rapidnn.tables.products import ACCUMULATOR_LIMIT, neuron_bounds, product_limit
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    Carry,
    CodeGroup,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Host,
    Join,
    PooledSum,
    Program,
    Residual,
    Step,
    WeightedSum,
    Window,
    sources_of,
)

MAX_EXTENT = 2**31
"""Extents, strides and paddings are below this."""

_TAIL = (ops.Reshape, ops.Transpose, ops.Slice, ops.Take)
_CARRIED = (*_TAIL, ops.MaxPool, ops.Pad, ops.ZeroStuff)
_HOSTED = (*_TAIL, *ops.HOST)
_READS: dict[type[Any], tuple[str, ...]] = {
    Encode: ("accumulator",),
    Activate: ("accumulator",),
    EncodeReal: ("real",),
    Host: ("code", "accumulator", "real"),
}
"""Kinds of edges a step may read; code edges where nothing else is said."""
_MAKES = dict.fromkeys((WeightedSum, PooledSum, CodeSum, CodeProduct, Activate), "accumulator") | {
    Host: "real"
}


def validate(program: Program) -> None:
    """Raise ValueError with the reason if the program breaks a law of ``docs/format.md``."""
    for group in program.groups:
        _group(group)
    names = [group.name for group in program.groups]
    _expect(len(set(names)) == len(names), "two code groups share a name")
    _expect(
        bool(program.steps) and isinstance(program.steps[0], EncodeInput),
        "the first step must encode the input",
    )
    kinds: dict[str, str] = {}
    for position, step in enumerate(program.steps):
        _expect(step.name not in kinds, f"two steps are named {step.name!r}")
        _expect(position == 0 or not isinstance(step, EncodeInput), f"step {step.name!r} is a second input")
        wanted = _READS.get(type(step), ("code",))
        for source in sources_of(step):
            fits = source in kinds and kinds[source] in wanted
            _expect(
                fits,
                f"step {step.name!r} reads {source!r}, which is not an earlier {' or '.join(wanted)} edge",
            )
        _expect(position == 0 or bool(sources_of(step)), f"step {step.name!r} reads nothing")
        kinds[step.name] = _MAKES.get(type(step), "code")
    _expect(program.output in kinds, f"the output {program.output!r} is not an edge")
    _expect(all(isinstance(op, _TAIL) for op in program.tail), "an operator of the tail is not one of shape")
    for op in (*program.tail, program.host_tail):
        _shape_operator(op)
    _expect(
        program.host_tail is None or isinstance(program.host_tail, ops.Softmax), "host_tail is not a softmax"
    )
    _expect(program.host_tail is None or kinds[program.output] != "real", "host_tail follows a real edge")
    for check in (_numbers, _check):
        for step in program.steps:
            try:
                check(program, step)
            except (ValueError, ModelError) as error:
                raise ValueError(f"step {step.name!r}: {error}") from None
    try:
        _ = program.output_shape
    except ModelError as error:
        raise ValueError(str(error)) from None


def _numbers(program: Program, step: Step) -> None:
    """What shape inference relies on: whole numbers, and as many of them as there are axes."""
    if isinstance(step, EncodeInput):
        whole = len(step.shape) > 0 and all(_whole(n, 1) for n in step.shape)
        _expect(whole, "the input shape must be positive integers")
    window = getattr(step, "window", None)
    if isinstance(window, Window):
        _window(window)
    if isinstance(step, WeightedSum):
        _expect(
            _whole(step.groups, 1) and step.channels % step.groups == 0, "channels do not divide into groups"
        )
    if isinstance(step, PooledSum):
        _expect(isinstance(step.ceil_mode, bool), "ceil_mode must be true or false")
    if isinstance(step, Carry | Host):
        _shape_operator(step.op)


def _check(program: Program, step: Step) -> None:
    checks: dict[type[Any], Callable[..., None]] = {
        EncodeInput: _encode_real,
        WeightedSum: _weighted_sum,
        PooledSum: _pooled_sum,
        CodeSum: _code_sum,
        CodeProduct: _code_product,
        Encode: _encode,
        EncodeReal: _encode_real,
        Activate: _activate,
        Carry: _carry,
        Join: _join,
        Host: _host,
    }
    checks[type(step)](program, step)


def _group(group: CodeGroup) -> None:
    where = f"code group {group.name!r}: "
    _array(group.values, np.int32, (None,), where + "values")
    _expect(1 <= group.size <= 256, where + "a codebook has 1 to 256 values")
    _expect(bool((np.diff(group.values.astype(np.int64)) > 0).all()), where + "values must ascend")
    _grid(group.values, group.bits, where)
    _scale(group.scale, where)
    if group.pad_code is not None:
        _expect(
            0 <= group.pad_code < group.size and group.values[group.pad_code] == 0,
            where + "pad_code is not zero's",
        )


def _encode_real(program: Program, step: EncodeInput | EncodeReal) -> None:
    group = program.group[step.group]
    _array(step.thresholds, np.float32, (group.size - 1,), "thresholds")
    _expect(bool(np.isfinite(step.thresholds).all()), "thresholds must be finite")
    _expect(bool((np.diff(step.thresholds) >= 0).all()), "thresholds must ascend")


def _weighted_sum(program: Program, step: WeightedSum) -> None:
    group, source = program.group_of[step.source], program.shapes[step.source]
    rank = 2 if step.window is None else 2 + len(step.window.kernel)
    _array(step.weight_codes, np.uint8, (None,) * rank, "weight_codes")
    _expect(step.weight_codes.size > 0, "weight_codes are empty")
    if step.window is None:
        _expect(step.groups == 1, "a linear layer has one group")
        _expect(step.weight_codes.shape[1] == source[-1], "weight_codes do not fit the source")
    else:
        _padding(group, step.window.padding)
        _expect(step.weight_codes.shape[2:] == step.window.kernel, "weight_codes and kernel differ")
        _expect(step.weight_codes.shape[1] * step.groups == source[0], "weight_codes do not fit the source")
    _ = program.shapes[step.name]
    _array(step.values, np.int32, (None, None), "values")
    sets, size = step.values.shape
    _expect(sets in (1, step.channels), "one weight codebook, or one per output channel")
    _expect(1 <= size <= 256 and int(step.weight_codes.max()) < size, "a weight code is outside its codebook")
    _expect(bool((np.diff(step.values.astype(np.int64)) >= 0).all()), "weight values must ascend")
    for book in step.values:
        _grid(book, step.bits, "")
    _array(step.scales, np.float64, (sets,), "scales")
    _array(step.acc_scales, np.float64, (sets,), "acc_scales")
    for scale in (*step.scales.tolist(), *step.acc_scales.tolist()):
        _scale(scale, "")
    _expect(2 <= step.product_bits <= 31, "product_bits must be 2 to 31")
    wanted = np.int16 if step.product_bits <= 16 else np.int32
    tables = step.channels if len(step.products) == step.channels else sets
    _array(step.products, wanted, (tables, size, group.size), "products")
    limit = product_limit(step.product_bits)
    least, most = int(step.products.min()), int(step.products.max())
    _expect(-limit - 1 <= least and most <= limit, "a product is too wide")
    _array(step.bias, np.int32, (step.channels,), "bias")
    bounds = neuron_bounds(step.products, step.weight_codes) + np.abs(step.bias.astype(np.int64))
    for term in step.residuals:
        bounds = bounds + _term(program, step.name, term, sets)
    _bound(step.bound, int(bounds.max()))


def _pooled_sum(program: Program, step: PooledSum) -> None:
    group = program.group_of[step.source]
    _padding(group, step.window.padding)
    _expect(step.window.dilation == (1,) * len(step.window.kernel), "average pooling has no dilation")
    _array(step.row, np.int32, (group.size,), "row")
    _array(step.divisors, np.int32, (None,), "divisors")
    _expect(bool((step.divisors > 0).all()), "divisors must be positive")
    pool = ops.AvgPool(step.window.kernel, step.window.stride, step.window.padding, step.ceil_mode, True)
    from rapidnn.graph.shapes import infer_shape

    spatial = infer_shape(step.name, pool, [program.shapes[step.source]])[1:]
    _array(step.divisor_index, np.uint8, spatial, "divisor_index")
    used = np.bincount(step.divisor_index.reshape(-1), minlength=len(step.divisors))
    _expect(
        len(used) == len(step.divisors) and bool(used.all()),
        "divisor_index does not use exactly the divisors",
    )
    _array(step.acc_scales, np.float64, (len(step.divisors),), "acc_scales")
    for scale in step.acc_scales.tolist():
        _scale(scale, "")
    _bound(step.bound, math.prod(step.window.kernel) * int(np.abs(step.row.astype(np.int64)).max()))


def _code_sum(program: Program, step: CodeSum) -> None:
    _array(step.acc_scales, np.float64, (1,), "acc_scales")
    _scale(float(step.acc_scales[0]), "")
    peaks = [int(_term(program, step.name, term, 1).max()) for term in step.terms]
    if step.offset is not None:
        _array(step.offset, np.int32, (None,) * step.offset.ndim, "offset")
        shape = program.shapes[step.name]
        _expect(np.broadcast_shapes(step.offset.shape, shape) == shape, "offset does not fit the sum")
        peaks.append(int(np.abs(step.offset.astype(np.int64)).max()))
    _bound(step.bound, sum(peaks))


def _code_product(program: Program, step: CodeProduct) -> None:
    left, right = program.group_of[step.left], program.group_of[step.right]
    _expect(2 <= step.product_bits <= 31, "product_bits must be 2 to 31")
    wanted = np.int16 if step.product_bits <= 16 else np.int32
    _array(step.products, wanted, (left.size, right.size), "products")
    _array(step.acc_scales, np.float64, (1,), "acc_scales")
    _scale(float(step.acc_scales[0]), "")
    _bound(step.bound, int(np.abs(step.products.astype(np.int64)).max()))
    _ = program.shapes[step.name]


def _shape_operator(op: Any) -> None:
    """Whole numbers where an operator that moves values has numbers; its fit is the shape inference's to judge."""
    match op:
        case ops.MaxPool():
            _window(op)
            _expect(isinstance(op.ceil_mode, bool), "ceil_mode must be true or false")
        case ops.Pad():
            pairs = all(len(pair) == 2 and all(_whole(n, 0) for n in pair) for pair in op.pads)
            _expect(pairs, "padding must be pairs of integers, not negative")
        case ops.Reshape():
            _expect(all(_whole(n, 1) for n in op.shape), "reshape needs positive integers")
        case ops.Transpose():
            _expect(all(_whole(n, 0) for n in op.perm), "transpose needs axes")
        case ops.Slice():
            ranks = {len(op.starts), len(op.stops), len(op.steps)}
            whole = all(_whole(n, 0) for n in (*op.starts, *op.stops)) and all(_whole(n, 1) for n in op.steps)
            _expect(len(ranks) == 1 and whole, "slice needs starts and stops from 0, and positive steps")
        case ops.Take():
            _expect(
                _whole(op.axis, 0) and all(_whole(n, 0) for n in op.indices), "take needs an axis and indices"
            )
        case ops.ZeroStuff():
            _expect(all(_whole(n, 1) for n in op.stride), "strides must be positive integers")
        case ops.Softmax():
            _expect(_whole(op.axis, 0) and isinstance(op.log, bool), "softmax needs an axis")
        case ops.LayerNorm():
            _expect(_whole(op.axes, 1), "layer normalisation needs a number of axes")


def _join(program: Program, step: Join) -> None:
    group = program.group[step.group]
    sources = [program.group_of[source] for source in step.sources]
    if not step.recode:
        _expect(all(source is group for source in sources), "joined codes are of different codebooks")
    else:
        _expect(len(step.recode) == len(sources), "one recoding table a source")
        for table, source in zip(step.recode, sources, strict=True):
            _array(table, np.uint8, (source.size,), "recode")
            _expect(int(table.max()) < group.size, "a recoded code is outside the codebook")
    _ = program.shapes[step.name]


def _host(program: Program, step: Host) -> None:
    _expect(isinstance(step.op, _HOSTED), "the host does not run this operator")
    if isinstance(step.op, ops.LayerNorm):
        _expect(isinstance(step.op.epsilon, float) and step.op.epsilon >= 0, "epsilon must not be negative")
        for array in (step.op.scale, step.op.shift):
            _array(array, np.float32, program.shapes[step.sources[0]][-step.op.axes :], "layer normalisation")
    _ = program.shapes[step.name]


def _encode(program: Program, step: Encode) -> None:
    group = program.group[step.group]
    sets = len(program.acc_scales(step.source))
    _activation(step.activation, sets)
    coded = 1 if step.activation.g is not None else sets
    _expect(_whole(step.drop, 0) and step.drop < 8, "drop must be 0 to 7 bits")
    _array(step.encoding, np.int32, (coded, None), "encoding")
    rows = step.encoding.shape[1]
    _expect(1 <= rows <= 256, "an encoding table has 1 to 256 rows")
    _expect((rows - 1) >> step.drop == group.size - 1, "the encoding table has another number of codes")
    thresholds, codes = fuse(step.activation, step.encoding, step.drop)
    same = np.array_equal(thresholds, step.thresholds) and np.array_equal(codes, step.codes)
    same = same and step.thresholds.dtype == np.int32 and step.codes.dtype == np.uint8
    _expect(same, "the fused thresholds are not those of the activation and encoding tables")


def _activate(program: Program, step: Activate) -> None:
    _activation(step.activation, len(program.acc_scales(step.source)))


def _carry(program: Program, step: Carry) -> None:
    _expect(isinstance(step.op, _CARRIED), "codes cannot pass through this operator")
    if isinstance(step.op, ops.Pad):
        _padding(program.group_of[step.source], step.op.pads)
    if isinstance(step.op, ops.ZeroStuff):
        _padding(program.group_of[step.source], ((1, 1),))
    _ = program.shapes[step.name]


def _activation(table: ActivationTable, sets: int) -> None:
    if table.kind in COMPARED:
        _expect(table.z is None and table.g is None and table.g_scale is None, f"{table.kind} has no table")
        _expect((table.cap is not None) == (table.kind == "relu6"), "only relu6 has a cap")
        if table.cap is not None:
            _array(table.cap, np.int32, (sets,), "cap")
        return
    known = PARAMETERS.get(table.kind)
    _expect(
        known == len(table.parameters),
        f"unknown activation {table.kind!r} of {len(table.parameters)} parameters",
    )
    _expect(table.cap is None, f"{table.kind} has no cap")
    if table.z is None or table.g is None:
        raise ValueError(f"{table.kind} needs a table")
    _array(table.g, np.int32, (None,), "g")
    _array(table.z, np.int32, (sets, len(table.g)), "z")
    _expect(
        len(table.g) > 0 and bool((table.z[:, 1:] >= table.z[:, :-1]).all()), "activation rows must ascend"
    )
    _scale(table.g_scale, "")


def _term(program: Program, name: str, term: Residual, sets: int) -> Any:
    _array(term.rows, np.int32, (sets, program.group_of[term.source].size), "residual rows")
    _expect(program.shapes[term.source] == program.shapes[name], "a residual input has another shape")
    return np.abs(term.rows.astype(np.int64)).max(axis=1)


def _whole(value: Any, least: int) -> bool:
    return type(value) is int and least <= value < MAX_EXTENT


def _window(window: Window | ops.MaxPool) -> None:
    rank = len(window.kernel)
    for name in ("kernel", "stride", "dilation"):
        extents = getattr(window, name)
        _expect(
            len(extents) == rank and all(_whole(n, 1) for n in extents),
            f"{name} must be {rank} positive integers",
        )
    pairs = all(len(pair) == 2 and all(_whole(n, 0) for n in pair) for pair in window.padding)
    _expect(len(window.padding) == rank and pairs, f"padding must be {rank} pairs of integers, not negative")


def _padding(group: CodeGroup, pads: ops.Pairs) -> None:
    _expect(
        group.pad_code is not None or not any(map(any, pads)), "zero padding needs a codebook that holds zero"
    )


def _bound(stated: Any, actual: int) -> None:
    _expect(isinstance(stated, int) and actual <= stated < ACCUMULATOR_LIMIT, "its bound does not hold")


def _grid(values: Any, bits: Any, where: str) -> None:
    _expect(bits in (8, 16), where + "operand bits must be 8 or 16")
    signed = bool((values < 0).any())
    limit = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    _expect(
        int(np.abs(values.astype(np.int64)).max()) <= limit, where + "a value is outside the operand grid"
    )


def _scale(scale: Any, where: str) -> None:
    _expect(
        isinstance(scale, float) and math.isfinite(scale) and scale > 0, where + "a scale must be positive"
    )


def _array(array: Any, dtype: Any, shape: tuple[int | None, ...], what: str) -> None:
    _expect(
        isinstance(array, np.ndarray) and array.dtype == dtype, f"{what} must be of type {np.dtype(dtype)}"
    )
    fits = len(array.shape) == len(shape) and all(
        w in (None, n) for n, w in zip(array.shape, shape, strict=False)
    )
    _expect(fits, f"{what} has shape {array.shape}, expected {shape}")


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)
