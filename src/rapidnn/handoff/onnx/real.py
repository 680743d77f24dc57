"""The composed network's float form: codebook values as weights, real activations, no codes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.graph import ops
from rapidnn.handoff.names import identifier
from rapidnn.handoff.onnx import moves
from rapidnn.handoff.onnx.builder import Builder
from rapidnn.handoff.onnx.functions import activation
from rapidnn.handoff.onnx.moves import scalar
from rapidnn.handoff.records import Content
from rapidnn.handoff.windows import after_pads
from rapidnn.tables.program import (
    Activate,
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
)

INPUT = "input"
OUTPUT = "output"
_ZERO = scalar(0, np.float32)
_LEAST = scalar(float(np.finfo(np.float32).min), np.float32)


def write_real(composed: ComposedNetwork) -> Content:
    """``<name>.onnx``: float32 input, float32 ``output``, a softmax at the network's end included."""
    program, build = composed.program, Builder()
    edges: dict[str, str] = {}
    for step in program.steps:
        edges[step.name] = _step(build, program, step, edges)
    result = edges[program.output]
    for op in program.tail:
        result = moves.move(build, op, result)
    if program.host_tail is not None:
        result = _softmax(build, program.host_tail, result)
    build.name(result, OUTPUT)
    name = identifier(composed)
    model = build.model((INPUT, program.input_shape), [(OUTPUT, np.float32, program.output_shape)], name)
    return Content({f"{name}.onnx": model})


def decoded_weights(step: WeightedSum) -> NDArray[np.float32]:
    """Each weight's codebook value, in the weight codes' shape."""
    real = (step.values * step.scales[:, np.newaxis]).astype(np.float32)
    books = np.broadcast_to(real, (step.channels, real.shape[1]))
    flat = step.weight_codes.reshape(step.channels, -1).astype(np.intp)
    found: NDArray[np.float32] = np.take_along_axis(books, flat, axis=1)
    return found.reshape(step.weight_codes.shape)


def _step(build: Builder, program: Program, step: Step, edges: dict[str, str]) -> str:
    match step:
        case EncodeInput():
            return INPUT
        case EncodeReal():
            return edges[step.source]
        case WeightedSum():
            return _weighted(build, program, step, edges)
        case PooledSum():
            return _pooled(build, program, step, edges[step.source])
        case CodeSum():
            return _code_sum(build, step, edges)
        case CodeProduct():
            return build.node("Mul", edges[step.left], edges[step.right])
        case Encode() | Activate():
            return activation(build, step.activation, edges[step.source])
        case Join():
            return build.node("Concat", *(edges[name] for name in step.sources), axis=step.axis + 1)
        case Carry():
            before, after = program.shapes[step.source], program.shapes[step.name]
            return moves.carry(build, step.op, edges[step.source], before, after, _ZERO, _LEAST)
        case Host():
            return _host(build, step, [edges[name] for name in step.sources])


def _weighted(build: Builder, program: Program, step: WeightedSum, edges: dict[str, str]) -> str:
    weight, bias = decoded_weights(step), (step.bias * step.acc_scales).astype(np.float32)
    x = edges[step.source]
    if step.window is None:
        total = build.node("MatMul", x, build.constant(weight.T))
        total = build.node("Add", total, build.constant(bias)) if bias.any() else total
    else:
        size, shape, window = program.shapes[step.source], program.shapes[step.name], step.window
        first = tuple(b for b, _ in window.padding)
        last = after_pads(size[1:], shape[1:], window.kernel, window.stride, first, window.dilation)
        total = build.node(
            "Conv",
            x,
            build.constant(weight),
            build.constant(bias),
            kernel_shape=window.kernel,
            strides=window.stride,
            dilations=window.dilation,
            pads=[*first, *last],
            group=step.groups,
        )
    for term in step.residuals:
        total = build.node("Add", total, edges[term.source])
    return total


def _pooled(build: Builder, program: Program, step: PooledSum, x: str) -> str:
    """The mean of whole windows, corrected where padding does not count in the divisor."""
    size, shape, window = program.shapes[step.source], program.shapes[step.name], step.window
    first = tuple(b for b, _ in window.padding)
    last = after_pads(size[1:], shape[1:], window.kernel, window.stride, first, window.dilation)
    padded = build.pad(x, [(0, 0), *zip(first, last, strict=True)], _ZERO)
    mean = build.node("AveragePool", padded, kernel_shape=window.kernel, strides=window.stride)
    factor = np.prod(window.kernel) / step.divisors[step.divisor_index]
    return mean if (factor == 1).all() else build.node("Mul", mean, build.constant(factor.astype(np.float32)))


def _code_sum(build: Builder, step: CodeSum, edges: dict[str, str]) -> str:
    total = edges[step.terms[0].source]
    for term in step.terms[1:]:
        total = build.node("Add", total, edges[term.source])
    if step.offset is None:
        return total
    return build.node("Add", total, build.constant((step.offset * step.acc_scales[0]).astype(np.float32)))


def _host(build: Builder, step: Host, inputs: list[str]) -> str:
    match step.op:
        case ops.Softmax():
            return _softmax(build, step.op, inputs[0])
        case ops.LayerNorm():
            parameters: list[NDArray[Any]] = [step.op.scale, step.op.shift]
            return build.node(
                "LayerNormalization",
                inputs[0],
                *(build.constant(array) for array in parameters),
                axis=-step.op.axes,
                epsilon=step.op.epsilon,
            )
        case ops.MatMul():
            return build.node("MatMul", *inputs)
        case _:
            return moves.move(build, step.op, inputs[0])


def _softmax(build: Builder, op: ops.Softmax, x: str) -> str:
    return build.node("LogSoftmax" if op.log else "Softmax", x, axis=op.axis + 1)
