"""Each step of a program as the constructor of its torch module, with the module's tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.graph import ops
from rapidnn.handoff.staircase import nearest_row
from rapidnn.handoff.windows import after_pads
from rapidnn.tables.activation import COMPARED, fuse
from rapidnn.tables.products import product_limit, product_table
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    CarriedOp,
    CodeGroup,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    Float64,
    Int32,
    Join,
    PooledSum,
    Program,
    Residual,
    TailOp,
    WeightedSum,
    Window,
)

Shape = tuple[int, ...]


@dataclass(eq=False)
class Layer:
    """A module: its constructor as Python, and tensors by their names in it."""

    constructor: str
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)

    def inside(self, name: str, other: Layer) -> str:
        """Take another module's tensors in under ``name``; its constructor."""
        self.tensors |= {f"{name}.{key}": value for key, value in other.tensors.items()}
        return other.constructor


def call(cls: str, *positional: Any, **named: Any) -> str:
    """A constructor: arguments are written as literals, and Verbatim as it is."""
    parts = [*map(_literal, positional), *(f"{key}={_literal(value)}" for key, value in named.items())]
    return f"{cls}({', '.join(parts)})"


@dataclass(frozen=True)
class Verbatim:
    """Python that stands for itself."""

    text: str


def _literal(value: Any) -> str:
    return value.text if isinstance(value, Verbatim) else repr(value)


def parameter(real: Float64, restore: Callable[[Float64], NDArray[Any]]) -> NDArray[Any]:
    """A real parameter in float32, or in float64 where float32 would not give its integers back."""
    with np.errstate(over="ignore"):
        narrow = real.astype(np.float32)
    same = np.isfinite(narrow).all() and np.array_equal(restore(narrow.astype(np.float64)), restore(real))
    return narrow if same else real


def codebook(values: Int32, scales: Float64, bits: int, zero: int | None) -> Layer:
    """``values`` ``(G, n)`` on a grid of ``bits``, unsigned where none is negative."""
    unsigned = bool((values >= 0).all())
    high = (1 << bits) - 1 if unsigned else (1 << (bits - 1)) - 1
    low = min(0 if unsigned else -high, int(values.min()))
    scale = scales[:, np.newaxis]
    real = parameter(values * scale, lambda r: np.rint(r / scale))
    held = {} if zero is None else {"zero": zero}
    made = call("Codebook", *values.shape, low, max(high, int(values.max())), **held)
    return Layer(made, {"values": real, "scale": scales, "initial": values})


def group_codebook(group: CodeGroup) -> Layer:
    """The codebook of a group of edges."""
    return codebook(group.values[np.newaxis], np.array([group.scale]), group.bits, group.pad_code)


def encode_input(step: EncodeInput) -> Layer:
    """The network's input."""
    return Layer(call("EncodeInput", len(step.thresholds) + 1), {"cuts": step.thresholds})


def weighted_sum(program: Program, step: WeightedSum) -> Layer:
    """A linear layer or convolution."""
    group = program.group_of[step.source]
    made = Layer("")
    books = made.inside("codebook", codebook(step.values, step.scales, step.bits, None))
    named: dict[str, Any] = {"bound": step.bound}
    terms = [
        made.inside(f"terms.{i}", _term(program, t, step.acc_scales)) for i, t in enumerate(step.residuals)
    ]
    if terms:
        named["terms"] = Verbatim(f"({', '.join(terms)},)")
    if step.window is not None:
        named |= _window(step.window, step.groups)
    named |= _products(step, group, made)
    made.constructor = call("WeightedSum", step.weight_codes.shape, Verbatim(books), **named)
    broad = [1] * (0 if step.window is None or len(step.scales) == 1 else len(step.window.kernel))
    sets = np.broadcast_to(step.scales, step.channels).reshape(-1, *[1] * (step.weight_codes.ndim - 1))
    per_channel = np.broadcast_to(step.values, (step.channels, step.values.shape[1]))
    flat = step.weight_codes.reshape(step.channels, -1).astype(np.intp)
    values = np.take_along_axis(per_channel, flat, axis=1).reshape(step.weight_codes.shape)
    units = np.broadcast_to(step.acc_scales, step.channels)
    made.tensors |= {
        "weight": parameter(values * sets, lambda r: np.rint(r / sets)),
        "bias": parameter(step.bias * units, lambda r: np.rint(r / units)),
        "unit": step.acc_scales.reshape(-1, *broad),
    }
    return made


def _window(window: Window, groups: int) -> dict[str, Any]:
    """How a convolution walks, as far as it is not the usual."""
    named: dict[str, Any] = {"stride": window.stride}
    if any(n for pair in window.padding for n in pair):
        named["pads"] = window.padding
    if any(d != 1 for d in window.dilation):
        named["dilation"] = window.dilation
    return named if groups == 1 else named | {"groups": groups}


def _products(step: WeightedSum, group: CodeGroup, made: Layer) -> dict[str, Any]:
    """How products are made; a table that is not the codebooks' comes along as a correction."""
    exact = step.values.astype(np.int64)[:, :, np.newaxis] * group.values.astype(np.int64)
    if np.array_equal(np.broadcast_to(exact, step.products.shape), step.products) and step.shift == 0:
        return {}
    named = {"shift": step.shift, "limit": product_limit(step.product_bits)}
    formula = product_table(step.values, group.values, step.shift, step.product_bits).astype(np.int64)
    correction = step.products.astype(np.int64) - formula
    if not correction.any():
        return named
    _check_repeats(step, correction)
    made.tensors["correction"] = correction
    return named | {"correction": correction.shape}


def _check_repeats(step: WeightedSum, correction: NDArray[np.int64]) -> None:
    """A weight is known by its value: codes of one value must have one row."""
    books = np.broadcast_to(step.values, (len(correction), step.values.shape[1]))
    first = np.stack([np.searchsorted(book, book, side="left") for book in books])
    rows = np.take_along_axis(correction, first[:, :, np.newaxis], axis=1)
    if not np.array_equal(rows, correction):
        raise ModelError(
            f"layer {step.name!r}: two codes stand for the same weight but have different products (a damaged "
            f"memory?), which --to torch cannot hold; export the undamaged artifact, or use --to onnx"
        )


def _term(program: Program, term: Residual, acc_scales: Float64) -> Layer:
    group = program.group_of[term.source]
    formula = np.rint(group.values * group.scale / acc_scales[:, np.newaxis])
    correction = term.rows - formula
    sets = len(acc_scales)
    if not correction.any():
        return Layer(call("Term", sets))
    return Layer(call("Term", sets, group.size), {"correction": correction.astype(np.int64)})


def pooled_sum(program: Program, step: PooledSum) -> Layer:
    """Average pooling."""
    group, window = program.group_of[step.source], step.window
    unit = step.acc_scales if len(step.acc_scales) == 1 else step.acc_scales[program.unit_index(step.name)]
    whole = bool((step.divisors == np.prod(window.kernel)).all())
    pads = _pads(window, program.shapes[step.source], program.shapes[step.name])
    named: dict[str, Any] = {"unit": unit.shape, "whole": whole}
    tensors: dict[str, NDArray[Any]] = {"unit": unit}
    if not np.array_equal(step.row, group.values):
        named["correction"] = group.size
        tensors["correction"] = step.row.astype(np.int64) - group.values
    return Layer(call("PooledSum", window.kernel, window.stride, pads, **named), tensors)


def code_sum(program: Program, step: CodeSum) -> Layer:
    """Codes that are added."""
    made = Layer("")
    terms = [made.inside(f"terms.{i}", _term(program, t, step.acc_scales)) for i, t in enumerate(step.terms)]
    made.tensors["unit"] = step.acc_scales
    named: dict[str, Any] = {}
    if step.offset is not None:
        unit = float(step.acc_scales[0])
        named["offset"] = step.offset.shape
        made.tensors["offset"] = parameter(np.asarray(step.offset * unit), lambda r: np.rint(r / unit))
    made.constructor = call("CodeSum", Verbatim(f"({', '.join(terms)},)"), **named)
    return made


def code_product(program: Program, step: CodeProduct) -> Layer:
    """Codes that are multiplied."""
    left, right = program.group_of[step.left], program.group_of[step.right]
    formula = product_table(left.values[np.newaxis], right.values, step.shift, step.product_bits)[0]
    correction = step.products.astype(np.int64) - formula
    made = Layer("", {"unit": step.acc_scales})
    shape = correction.shape if correction.any() else ()
    if shape:
        made.tensors["correction"] = correction
    made.constructor = call("CodeProduct", step.shift, product_limit(step.product_bits), shape)
    return made


def activation(program: Program, step: Encode | Activate) -> Layer:
    """What happens to an accumulator before it is encoded."""
    table, scales = step.activation, program.acc_scales(step.source)
    index = program.unit_index(step.source) if len(scales) > 1 else np.zeros(1, np.intp)
    tensors: dict[str, NDArray[Any]] = {"unit": scales[index], "set_of": index.astype(np.int64)}
    named: dict[str, Any] = {} if len(scales) == 1 else {"sets": index.shape}
    if table.kind not in COMPARED:
        stairs = nearest_row(table)
        named |= {"rows": stairs.values.shape[1], "tables": stairs.sets}
        tensors |= {
            "cuts": stairs.thresholds,
            "results": stairs.values,
            "unit_after": np.array([table.g_scale]),
        }
    elif table.cap is not None:
        tensors["cap"] = table.cap[index]
    return Layer(call("Activation", table.kind, *table.parameters, **named), tensors)


def encode(program: Program, step: Encode) -> Layer:
    """Activation and encoding."""
    made = Layer("")
    inner = made.inside("activation", activation(program, step))
    cuts, codes = step.thresholds, step.codes
    if step.activation.g is not None:  # in units of the table's results
        cuts, codes = fuse(ActivationTable("identity"), step.encoding, step.drop)
    made.tensors |= {"cuts": cuts, "codes": codes}
    made.constructor = call("Encode", Verbatim(inner), *cuts.shape)
    return made


def join(step: Join) -> Layer:
    """Codes one behind the other."""
    tensors: dict[str, NDArray[Any]] = {f"recode{i}": table for i, table in enumerate(step.recode)}
    return Layer(call("Join", step.axis, *map(len, step.recode)), tensors)


def move(op: CarriedOp | TailOp, before: Shape, after: Shape) -> Layer:
    """An operator that moves or chooses codes."""
    match op:
        case ops.MaxPool():
            made = call("MaxPool", op.kernel, op.stride, _pads(op, before, after), op.dilation)
        case ops.Reshape():
            made = call("Reshape", *op.shape)
        case ops.Transpose():
            made = call("Transpose", *op.perm)
        case ops.Slice():
            made = call("Slice", *zip(op.starts, op.stops, op.steps, strict=True))
        case ops.Take():
            made = call("Take", op.axis, op.indices)
        case ops.Pad():
            made = call("Pad", *op.pads)
        case ops.ZeroStuff():
            made = call("ZeroStuff", *op.stride)
    return Layer(made)


def _pads(window: Window | ops.MaxPool, before: Shape, after: Shape) -> ops.Pairs:
    first = tuple(b for b, _ in window.padding)
    last = after_pads(before[1:], after[1:], window.kernel, window.stride, first, window.dilation)
    return tuple(zip(first, last, strict=True))
