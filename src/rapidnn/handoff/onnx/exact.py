"""The composed network's integers in standard ONNX operators."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.handoff.names import identifier
from rapidnn.handoff.onnx import moves, sums
from rapidnn.handoff.onnx.builder import Builder
from rapidnn.handoff.onnx.moves import scalar
from rapidnn.handoff.records import Content
from rapidnn.handoff.staircase import INT32_MAX, staircase
from rapidnn.handoff.support import refuse_host
from rapidnn.tables.program import (
    Activate,
    Carry,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    Int32,
    Join,
    PooledSum,
    Program,
    Residual,
    Step,
    WeightedSum,
)

INPUT = "input"
ACCUMULATORS = "accumulators"
OUTPUT = "output"


def write_exact(composed: ComposedNetwork) -> Content:
    """``<name>.onnx``: float32 input; outputs ``accumulators`` (int32) and ``output`` (their real values, float32).

    Raises
    ------
    ModelError
        If an operator runs on the host.
    """
    refuse_host(composed.program, "onnx")
    program, build = composed.program, Builder()
    edges: dict[str, str] = {}
    for step in program.steps:
        edges[step.name] = _step(build, program, step, edges)
    result = edges[program.output]
    if program.output in program.group_of:
        result = build.look_up(program.group_of[program.output].values, build.cast(result, np.int32))
    for op in program.tail:
        result = moves.move(build, op, result)
    build.name(result, ACCUMULATORS)
    scales = build.constant(np.asarray(composed.output_scales(), np.float64))
    build.name(build.cast(build.node("Mul", build.cast(result, np.float64), scales), np.float32), OUTPUT)
    name, shape = identifier(composed), program.output_shape
    outputs: list[tuple[str, type[np.generic], tuple[int, ...]]] = [
        (ACCUMULATORS, np.int32, shape),
        (OUTPUT, np.float32, shape),
    ]
    return Content({f"{name}.onnx": build.model((INPUT, program.input_shape), outputs, name)})


def _step(build: Builder, program: Program, step: Step, edges: dict[str, str]) -> str:
    match step:
        case EncodeInput():
            filler = np.float32(np.inf)
            count = _count(build, INPUT, step.thresholds[np.newaxis], None, filler)
            return build.cast(count, np.uint8)
        case WeightedSum():
            return _weighted(build, program, step, edges)
        case PooledSum():
            return sums.pooled_sum(build, program, step, edges[step.source])
        case CodeSum():
            return _code_sum(build, step, edges)
        case CodeProduct():
            return _code_product(build, step, edges)
        case Encode() | Activate():
            return _follow(build, program, step, edges[step.source])
        case Join():
            return _join(build, step, edges)
        case Carry():
            zero = program.group_of[step.source].pad_code or 0
            before, after = program.shapes[step.source], program.shapes[step.name]
            fill, least = scalar(zero, np.uint8), scalar(0, np.uint8)
            return moves.carry(build, step.op, edges[step.source], before, after, fill, least)
        case _:
            raise AssertionError(step)


def _weighted(build: Builder, program: Program, step: WeightedSum, edges: dict[str, str]) -> str:
    total = sums.weighted_sum(build, program, step, edges[step.source])
    spatial = 0 if step.window is None else len(program.shapes[step.name]) - 1
    if step.bias.any():
        total = build.node("Add", total, build.constant(step.bias.reshape(-1, *[1] * spatial)))
    channel = np.arange(step.channels, dtype=np.int32).reshape(-1, *[1] * spatial)
    for term in step.residuals:
        total = build.node("Add", total, _rows(build, term, edges, channel))
    return total


def _rows(build: Builder, term: Residual, edges: dict[str, str], channel: Int32) -> str:
    """The row entries that codes address, in the channel's own row where there is one a channel."""
    index = build.cast(edges[term.source], np.int32)
    if len(term.rows) > 1:
        first = build.constant((channel * term.rows.shape[1]).astype(np.int32))
        index = build.node("Add", index, first)
    return build.look_up(term.rows.reshape(-1), index)


def _code_sum(build: Builder, step: CodeSum, edges: dict[str, str]) -> str:
    total = ""
    for term in step.terms:
        part = build.look_up(term.rows[0], build.cast(edges[term.source], np.int32))
        total = build.node("Add", total, part) if total else part
    return build.node("Add", total, build.constant(step.offset)) if step.offset is not None else total


def _code_product(build: Builder, step: CodeProduct, edges: dict[str, str]) -> str:
    left, right = (build.cast(edges[name], np.int32) for name in (step.left, step.right))
    row = build.node("Mul", left, build.constant(scalar(step.products.shape[1], np.int32)))
    return build.look_up(step.products.astype(np.int32).reshape(-1), build.node("Add", row, right))


def _follow(build: Builder, program: Program, step: Encode | Activate, acc: str) -> str:
    """Activation and encoding."""
    stairs = staircase(step)
    if stairs is None:
        return _compare(build, program, step, acc)
    unit = program.unit_index(step.source).astype(np.int32) if stairs.sets > 1 else None
    kind = np.uint8 if isinstance(step, Encode) else np.int32
    place = _count(build, acc, stairs.thresholds, unit, np.int32(INT32_MAX))
    if stairs.sets == 1 and stairs.counts_only and kind is np.uint8:
        return build.cast(place, np.uint8)
    width = 1 << stairs.thresholds.shape[1].bit_length()
    values = np.pad(stairs.values, [(0, 0), (0, width - stairs.values.shape[1])], mode="edge")
    if unit is not None:
        place = build.node("Add", place, build.constant(unit))  # rows of values are longer by one
    return build.look_up(values.astype(kind).reshape(-1), place)


def _count(
    build: Builder, value: str, thresholds: NDArray[np.number], unit: Int32 | None, filler: np.generic
) -> str:
    """How many thresholds of its set lie below each value, by halving: int32.

    Sets are filled up to ``2**k - 1`` thresholds that nothing exceeds. With several sets the result of set t counts on
    from ``t * (2**k - 1)``.
    """
    k = thresholds.shape[1].bit_length()
    width = (1 << k) - 1
    missing = width - thresholds.shape[1]
    table = np.pad(thresholds, [(0, 0), (0, missing)], constant_values=filler).reshape(-1)
    place = "" if unit is None else build.constant((unit * width).astype(np.int32))
    for half in (1 << level for level in reversed(range(k))):
        if place:
            index = build.node("Add", place, build.constant(scalar(half - 1, np.int32)))
            at = build.look_up(table, index)
        else:
            at = build.constant(table[half - 1])
        above = build.cast(build.node("Greater", value, at), np.int32)
        step = build.node("Mul", above, build.constant(scalar(half, np.int32)))
        place = build.node("Add", place, step) if place else step
    if k == 0:
        nothing = build.node("Mul", build.cast(value, np.int32), build.constant(scalar(0, np.int32)))
        place = build.node("Add", nothing, place) if place else nothing
    return place


def _compare(build: Builder, program: Program, step: Encode | Activate, acc: str) -> str:
    table = step.activation
    if table.kind == "identity":
        return acc
    positive = build.node("Max", acc, build.constant(scalar(0, np.int32)))
    if table.cap is None:
        return positive
    return build.node("Min", positive, build.constant(table.cap[program.unit_index(step.source)]))


def _join(build: Builder, step: Join, edges: dict[str, str]) -> str:
    parts = [edges[name] for name in step.sources]
    if step.recode:
        tables = zip(step.recode, parts, strict=True)
        parts = [build.look_up(table, build.cast(part, np.int32)) for table, part in tables]
    return build.node("Concat", *parts, axis=step.axis + 1)
