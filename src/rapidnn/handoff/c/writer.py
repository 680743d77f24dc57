"""The whole network as files of C99."""

from __future__ import annotations

import math
import re

import numpy as np

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.handoff.c import moves, sums, texts
from rapidnn.handoff.c.plan import OUTPUT, Plan, plan_memory
from rapidnn.handoff.c.source import Source
from rapidnn.handoff.c.store import RANK, Store
from rapidnn.handoff.names import identifier
from rapidnn.handoff.records import Content
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
    Step,
    WeightedSum,
)


def write_c(composed: ComposedNetwork) -> Content:
    """``<name>.c`` and ``<name>.h`` with one inference function, ``stdin.c`` to try it, and a ``README.md``.

    Raises
    ------
    ModelError
        If an operator runs on the host.
    """
    program = composed.program
    refuse_host(program, "c")
    name = identifier(composed)
    plan, source = plan_memory(program), Source()
    calls = _steps(program, plan, source)
    patch, inside = _scratch(program)
    ram = plan.code_bytes + 4 * plan.sum_words + patch + inside
    sizes = texts.Sizes(plan.code_bytes, plan.sum_words, patch, inside, source.flash_bytes, ram)
    files: dict[str, str | bytes] = {
        f"{name}.c": texts.source_file(name, source, sizes, calls),
        f"{name}.h": texts.header(name, composed, sizes),
        "stdin.c": texts.stdin_file(name),
        "README.md": texts.readme(name, composed, sizes),
    }
    return Content(files, source.flash_bytes, ram)


def float_keys(thresholds: np.ndarray) -> Int32:
    """float32 thresholds as integers in the same order: ``x > t`` is ``key(x) > key(t)`` for every x but NaN.

    A key is the float's bits, those of the magnitude inverted where the sign is set. Of the two zeros the positive one
    is the threshold, since no zero is above another.
    """
    bits = (thresholds.astype(np.float32) + np.float32(0)).view(np.int32)
    return np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int32)


def _steps(program: Program, plan: Plan, source: Source) -> list[str]:
    """Write a function for every step; the calls in order."""
    calls = []
    for index, step in enumerate(program.steps):
        if step.name in plan.done_elsewhere:
            continue
        label = f"s{index}_" + re.sub(r"\W+", "_", step.name, flags=re.ASCII).strip("_").lower()[:40]
        if isinstance(step, EncodeInput):
            source.functions.append(_encode_input(source, step, plan, label))
            continue
        body = _body(source, program, step, plan, label.rstrip("_"))
        calls.append(_function(source, label.rstrip("_"), step.name, body))
    last = _finish(source, program, plan)
    if last:
        calls.append(_function(source, "finish", "the result in the order of the network's output", last))
    return calls


def _function(source: Source, label: str, comment: str, body: list[str]) -> str:
    text = "\n".join(body)
    output = bool(re.search(rf"= {OUTPUT};", text))
    about = comment.replace("*/", "* /").replace("\\", "/").replace("\n", " ")
    source.functions.append(
        f"/* {about} */\nstatic void {label}({'int32_t *output' if output else 'void'})\n{{\n{text}\n}}\n"
    )
    return f"{label}({OUTPUT if output else ''});"


def _body(source: Source, program: Program, step: Step, plan: Plan, label: str) -> list[str]:
    place = plan.place
    follower = step if isinstance(step, Encode | Activate) else plan.fused.get(step.name)
    edge = step.name if follower is None else follower.name
    store = Store(source, program, follower, label, place[edge], edge)
    match step:
        case WeightedSum():
            neuron = sums.Neuron(source, program, step, label, place)
            layer = sums.linear if step.window is None else sums.convolution
            return layer(program, step, neuron, store, place)
        case PooledSum():
            return moves.pooled_sum(source, program, step, store, place, label)
        case CodeSum():
            return moves.code_sum(source, program, step, store, place, label)
        case CodeProduct():
            return moves.code_product(source, program, step, store, place, label)
        case Encode() | Activate():
            return moves.apart(program, step.source, store, place)
        case Join():
            return moves.join(source, program, step, place, label)
        case Carry():
            return moves.carry(source, program, step, place, label)
        case _:
            raise AssertionError(step)


def _encode_input(source: Source, step: EncodeInput, plan: Plan, label: str) -> str:
    keys = float_keys(step.thresholds)
    code = "0"
    if len(keys):
        source.share("rank", RANK)
        code = f"(uint8_t)rank({source.table(f'{label}_keys', keys)}, {len(keys)}u, key)"
    return texts.ENCODE_INPUT.format(place=plan.place[step.name], count=math.prod(step.shape), code=code)


def _finish(source: Source, program: Program, plan: Plan) -> list[str]:
    """Copy the output edge, through the shape operators at the end, to the caller's array."""
    from rapidnn.graph import ops

    if plan.place[program.output] == OUTPUT:
        return []
    coded = program.output in program.group_of
    shape, tail = (
        program.shapes[program.output],
        list(program.tail) or [ops.Reshape(program.shapes[program.output])],
    )
    value, kind = "x[{index}]", "uint8_t" if coded else "int32_t"
    if coded:
        value = moves.c_of_values(source, "output", program.group_of[program.output].values)
    order = np.arange(math.prod(shape), dtype=np.int64).reshape(1, *shape)
    from rapidnn.execute.host import shape_op

    for op in tail:
        order = shape_op(op, order)
    flat = order.reshape(-1)
    lines = [f"    const {kind} *const x = {plan.place[program.output]};", "    int32_t *const out = output;"]
    index = "i"
    if not np.array_equal(flat, np.arange(len(flat))):
        index = f"{source.table('output_order', flat.astype(np.uint32 if flat.max() >= 1 << 16 else np.uint16))}[i]"
    return [
        *lines,
        f"    for (uint32_t i = 0; i < {len(flat)}u; ++i) {{",
        f"        out[i] = {value.format(index=index)};",
        "    }",
    ]


def _scratch(program: Program) -> tuple[int, int]:
    """Bytes of the patch that convolutions gather, and of its mask where windows of one leave the input."""
    windows = [step for step in program.steps if isinstance(step, WeightedSum) and step.window is not None]
    masked = [step.taps for step in windows if sums.window_walk(program, step).clipped]
    return max((step.taps for step in windows), default=0), max(masked, default=0)
