"""Codes that move: pools, shape operators, joins; and sums and products of codes, element by element."""

from __future__ import annotations

import math

import numpy as np

from rapidnn.graph import ops
from rapidnn.handoff.c.loops import Strides, c_strides, nest
from rapidnn.handoff.c.packing import bits_of, padded_table
from rapidnn.handoff.c.source import Source, c_type, narrowest
from rapidnn.handoff.c.store import Store
from rapidnn.handoff.c.windows import Walk
from rapidnn.tables.program import Carry, CodeProduct, CodeSum, Join, PooledSum, Program, TailOp

Place = dict[str, str]
Shape = tuple[int, ...]


def pooled_sum(
    source: Source, program: Program, step: PooledSum, store: Store, place: Place, label: str
) -> list[str]:
    """Average pooling: the codebook's integers over each window."""
    shape, size = program.shapes[step.name], program.shapes[step.source]
    w = step.window
    walk = Walk(size[1:], shape[1:], w.kernel, w.stride, tuple(b for b, _ in w.padding), w.dilation)
    row = source.table(f"{label}_row", narrowest(step.row))
    body = [
        "int32_t acc = 0;",
        *walk.taps([f"acc += {row}[x[at]];"], []),
        *store.select("place"),
        *store.put("acc"),
    ]
    strides = c_strides(shape)
    # The number of a place starts anew with every channel.
    moves: dict[str, Strides] = {"to": strides, "place": (0, *strides[1:])}
    return [
        f"    const uint8_t *const x = {place[step.source]};",
        *_indent([*store.declare(), *walk.declare(), "uint32_t to = 0, place = 0;"]),
        *walk.places(body, channels=shape[0], moves=moves),
        *_indent(["(void)place;"]),
    ]


def max_pool(program: Program, step: Carry, op: ops.MaxPool, place: Place) -> list[str]:
    """The largest code of each window."""
    shape, size = program.shapes[step.name], program.shapes[step.source]
    walk = Walk(size[1:], shape[1:], op.kernel, op.stride, tuple(b for b, _ in op.padding), op.dilation)
    body = [
        "uint8_t most = 0;",
        *walk.taps(["most = x[at] > most ? x[at] : most;"], []),
        "out[to] = most;",
    ]
    return [
        *_ends(place[step.source], place[step.name]),
        *_indent([*walk.declare(), "uint32_t to = 0;"]),
        *walk.places(body, channels=shape[0], moves={"to": c_strides(shape)}),
    ]


def carry(source: Source, program: Program, step: Carry, place: Place, label: str) -> list[str]:
    """A shape operator on codes; a reshape needs nothing."""
    before, after = program.shapes[step.source], program.shapes[step.name]
    ends = _ends(place[step.source], place[step.name])
    match step.op:
        case ops.MaxPool():
            return max_pool(program, step, step.op, place)
        case ops.Pad():
            starts = tuple(b for b, _ in step.op.pads)
            return [*ends, *_spread(program, step, before, after, starts, (1,) * len(after))]
        case ops.ZeroStuff():
            return [*ends, *_spread(program, step, before, after, (0,) * len(after), (1, *step.op.stride))]
        case _:
            return [*ends, *picked(source, step.op, before, after, label)]


def picked(
    source: Source, op: TailOp, before: Shape, after: Shape, label: str, value: str = "x[{index}]"
) -> list[str]:
    """Elements of ``x`` in another order to ``out``, each through the expression ``value``."""
    strides, to = c_strides(before), c_strides(after)
    start = 0
    match op:
        case ops.Reshape():
            moves: Strides = to
        case ops.Transpose():
            moves = tuple(strides[axis] for axis in op.perm)
        case ops.Slice():
            start = sum(first * s for first, s in zip(op.starts, strides, strict=True))
            moves = tuple(step * s for step, s in zip(op.steps, strides, strict=True))
        case ops.Take():
            return _taken(source, op, before, after, label, value)
    body = [f"out[to] = {value.format(index='from')};"]
    return [
        *_indent([f"int32_t from = {start};", "uint32_t to = 0;"]),
        *nest(after, {"from": moves, "to": to}, body),
    ]


def _taken(source: Source, op: ops.Take, before: Shape, after: Shape, label: str, value: str) -> list[str]:
    inner = math.prod(before[op.axis + 1 :])
    table = source.table(f"{label}_taken", narrowest(np.array(op.indices, np.int64) * inner))
    shape = (math.prod(before[: op.axis]), after[op.axis], inner)
    moves: dict[str, Strides] = {
        "from": (before[op.axis] * inner, 0, 1),
        "j": (0, 1, 0),
        "to": c_strides(shape),
    }
    body = [f"out[to] = {value.format(index=f'from + {table}[j]')};"]
    return [*_indent(["int32_t from = 0;", "uint32_t j = 0, to = 0;"]), *nest(shape, moves, body)]


def _spread(
    program: Program, step: Carry, before: Shape, after: Shape, starts: Shape, steps: Shape
) -> list[str]:
    """The source's codes with the code of zero around or between them."""
    strides = c_strides(after)
    start = sum(first * s for first, s in zip(starts, strides, strict=True))
    pad_code = program.group_of[step.source].pad_code
    to = tuple(a * s for a, s in zip(steps, strides, strict=True))
    return [
        f"    for (uint32_t i = 0; i < {math.prod(after)}u; ++i) {{",
        f"        out[i] = {pad_code};",
        "    }",
        *_indent([f"uint32_t from = 0, to = {start};"]),
        *nest(before, {"from": c_strides(before), "to": to}, ["out[to] = x[from];"]),
    ]


def join(source: Source, program: Program, step: Join, place: Place, label: str) -> list[str]:
    """Codes side by side, translated where codebooks differ."""
    after = program.shapes[step.name]
    strides = c_strides(after)
    lines = [f"    uint8_t *const out = {place[step.name]};"]
    start = 0
    for index, name in enumerate(step.sources):
        before = program.shapes[name]
        value = "x[from]"
        if step.recode:
            value = f"{source.table(f'{label}_recode{index}', step.recode[index])}[x[from]]"
        lines += [
            "    {",
            f"    const uint8_t *const x = {place[name]};",
            f"    uint32_t from = 0, to = {start};",
        ]
        lines += nest(before, {"from": c_strides(before), "to": strides}, [f"out[to] = {value};"])
        lines.append("    }")
        start += before[step.axis] * strides[step.axis]
    return lines


def code_sum(
    source: Source, program: Program, step: CodeSum, store: Store, place: Place, label: str
) -> list[str]:
    """One row entry per term, and the constant."""
    shape = program.shapes[step.name]
    moves: dict[str, Strides] = {"to": c_strides(shape)}
    body, first = ["int32_t acc = 0;"], ["uint32_t to = 0;"]
    for index, term in enumerate(step.terms):
        rows = source.table(f"{label}_term{index}", narrowest(term.rows[0]))
        first.append(f"const uint8_t *const e{index} = {place[term.source]};")
        body.append(f"acc += {rows}[e{index}[to]];")
    if step.offset is not None:
        table = source.table(f"{label}_offset", narrowest(step.offset))
        first.append("uint32_t at = 0;")
        body.append(f"acc += {table}[at];")
        moves["at"] = _broadcast(step.offset.shape, shape)
    body += store.put("acc")
    return [*_indent([*store.declare(), *first]), *nest(shape, moves, body)]


def code_product(
    source: Source, program: Program, step: CodeProduct, store: Store, place: Place, label: str
) -> list[str]:
    """One entry of the table of both codes."""
    shape = program.shapes[step.name]
    if place[step.left] == place[step.right] and program.shapes[step.left] == program.shapes[step.right]:
        return _square(source, step, shape, store, place, label)
    width = bits_of(step.products.shape[1])
    table = source.table(f"{label}_products", narrowest(padded_table(step.products.astype(np.int64), width)))
    moves = {
        "to": c_strides(shape),
        "l": _broadcast(program.shapes[step.left], shape),
        "r": _broadcast(program.shapes[step.right], shape),
    }
    body = [
        f"const int32_t acc = {table}[(uint32_t)left[l] << {width} | right[r]];",
        *store.put("acc"),
    ]
    first = [
        "uint32_t to = 0, l = 0, r = 0;",
        f"const uint8_t *const left = {place[step.left]};",
        f"const uint8_t *const right = {place[step.right]};",
    ]
    return [*_indent([*store.declare(), *first]), *nest(shape, moves, body)]


def _square(
    source: Source, step: CodeProduct, shape: Shape, store: Store, place: Place, label: str
) -> list[str]:
    """A code by itself: the table's diagonal. Compilers make a multiplication of ``x << 8 | x``."""
    table = source.table(f"{label}_squares", narrowest(np.diagonal(step.products)))
    first = ["uint32_t to = 0;", f"const uint8_t *const x = {place[step.left]};"]
    body = [f"const int32_t acc = {table}[x[to]];", *store.put("acc")]
    return [*_indent([*store.declare(), *first]), *nest(shape, {"to": c_strides(shape)}, body)]


def apart(program: Program, edge: str, store: Store, place: Place) -> list[str]:
    """An encoding or activation of stored accumulators."""
    shape = program.shapes[edge]
    summing = program.summing_source(edge)
    first = [f"const int32_t *const x = {place[edge]};", *store.declare(), "uint32_t to = 0;"]
    one = [*store.put("x[to]"), "++to;"]
    if isinstance(summing, PooledSum):
        body = [*store.select("place"), *one, "++place;"]
        outer, inner = shape[0], math.prod(shape[1:])
        loop = _loop("place_", inner, body)
        return _indent([*first, *_loop("channel", outer, ["uint32_t place = 0;", *loop, "(void)place;"])])
    if not store.by_channel:
        return _indent([*first, *_loop("i", math.prod(shape), one)])
    unit = program.unit_index(edge).shape
    axis = next(axis for axis, extent in enumerate(unit) if extent > 1)
    channels = _loop(
        "channel", shape[axis], [*_loop("i", math.prod(shape[axis + 1 :]), one), *store.advance()]
    )
    return _indent([*first, *_loop("row", math.prod(shape[:axis]), [*store.rewind(), *channels])])


def c_of_values(source: Source, label: str, values: np.ndarray) -> str:
    """An expression for the codebook integer of the code ``x[{index}]``."""
    return f"{source.table(f'{label}_values', narrowest(values))}[x[{{index}}]]"


def _broadcast(shape: Shape, target: Shape) -> Strides:
    """Strides of an array that broadcasts to ``target``: 0 along axes of extent 1 and those it lacks."""
    own = tuple(0 if n == 1 else s for n, s in zip(shape, c_strides(shape), strict=True))
    return (*([0] * (len(target) - len(shape))), *own)


def _ends(source: str, target: str, kind: str = "uint8_t") -> list[str]:
    return _indent([f"const {kind} *const x = {source};", f"{kind} *const out = {target};"])


def _loop(name: str, count: int, body: list[str]) -> list[str]:
    return [f"for (uint32_t {name} = 0; {name} < {count}u; ++{name}) {{", *_indent(body), "}"]


def _indent(lines: list[str]) -> list[str]:
    return ["    " + line for line in lines]


__all__ = [
    "apart",
    "c_of_values",
    "c_type",
    "carry",
    "code_product",
    "code_sum",
    "join",
    "picked",
    "pooled_sum",
]
