"""Weighted sums: products looked up by packed weight code and input code."""

from __future__ import annotations

import math

import numpy as np

from rapidnn.handoff.c.loops import c_strides
from rapidnn.handoff.c.packing import bits_of, pack_rows, padded_table
from rapidnn.handoff.c.source import Source, c_type, narrowest
from rapidnn.handoff.c.store import Store
from rapidnn.handoff.c.windows import Walk
from rapidnn.tables.program import Program, WeightedSum


class Neuron:
    """The tables of a layer's neurons, and the C of one of them.

    The pointers ``w`` (weight codes), ``b`` (bias), ``p`` (products) and ``r<i>`` (residual rows) move from channel to
    channel; the last two only where channels have tables of their own.
    """

    def __init__(
        self, source: Source, program: Program, step: WeightedSum, label: str, place: dict[str, str]
    ) -> None:
        self._source, self._step = source, step
        self._width = bits_of(program.group_of[step.source].size)
        self._bits = bits_of(step.values.shape[1])
        products = narrowest(padded_table(step.products.astype(np.int64), self._width))
        self._kind = c_type(products)
        self._pointers: list[tuple[str, str, int]] = []  # declaration, table, elements of a channel
        flat = step.weight_codes.reshape(step.channels, -1)
        packed = pack_rows(flat, self._bits)
        if self._bits:
            name = source.table(f"{label}_weights", packed)
            self._pointers.append(("uint8_t *w", name, packed.shape[1]))
        per_channel = products.shape[1] * products.shape[2] if len(products) > 1 else 0
        self._pointers.append((f"{self._kind} *p", source.table(f"{label}_products", products), per_channel))
        self._has_bias = bool(step.bias.any())
        if self._has_bias:
            bias = narrowest(step.bias)
            self._pointers.append((f"{c_type(bias)} *b", source.table(f"{label}_bias", bias), 1))
        self._edges = []
        for index, term in enumerate(step.residuals):
            rows = narrowest(term.rows)
            size = rows.shape[1] if len(rows) > 1 else 0
            table = source.table(f"{label}_residual{index}", rows)
            self._pointers.append((f"{c_type(rows)} *r{index}", table, size))
            self._edges.append(f"const uint8_t *const e{index} = {place[term.source]};")

    def declare(self) -> list[str]:
        """Before all loops."""
        return [*(f"const {kind} = {table};" for kind, table, _ in self._pointers), *self._edges]

    def rewind(self) -> list[str]:
        """Before the first channel."""
        return [f"{kind.rpartition('*')[2]} = {table};" for kind, table, size in self._pointers if size]

    def advance(self) -> list[str]:
        """After each channel."""
        return [f"{kind.rpartition('*')[2]} += {size};" for kind, _, size in self._pointers if size]

    def add(self, x: str, *, masked: bool) -> list[str]:
        """Lines that make ``acc`` the sum of a channel over the codes ``x``, residuals at ``to`` included."""
        weights = "w, " if self._bits else ""
        plain = f"{self._sum(masked=False)}({weights}p, {x}, {self._step.taps}u)"
        if masked:
            part = f"{self._sum(masked=True)}({weights}p, {x}, {self._step.taps}u)"
            plain = f"whole ? {plain} : {part}"
        lines = [f"int32_t acc = {plain};"]
        if self._has_bias:
            lines.append("acc += b[0];")
        return lines + [f"acc += r{i}[e{i}[to]];" for i in range(len(self._edges))]

    def _sum(self, *, masked: bool) -> str:
        """The function that sums ``n`` products, shared by all layers with codes and tables of this form."""
        suffix = "_inside" if masked else ""
        name = f"sum_w{self._bits}_x{self._width}_{self._kind[:-2]}{suffix}"
        if self._bits == 0:
            body = ["for (uint32_t k = 0; k < n; ++k) {", f"    acc += {self._entry('0', 'k', masked)};", "}"]
        elif 8 % self._bits == 0:
            body = self._whole_bytes(masked)
        else:
            body = self._bit_stream(masked)
        weights = "const uint8_t *w, " if self._bits else ""
        lines = [
            f"static int32_t {name}({weights}const {self._kind} *p, const uint8_t *x, uint32_t n)",
            "{",
            "    int32_t acc = 0;",
            *(f"    {line}" for line in body),
            "    return acc;",
            "}",
        ]
        return self._source.share(name, "\n".join(lines) + "\n")

    def _entry(self, weight: str, k: str, masked: bool) -> str:
        index = f"x[{k}]" if weight == "0" else f"({weight}) << {self._width} | x[{k}]"
        # inside[k] is 0 or -1: a tap of the padding adds nothing.
        return f"p[{index}] & inside[{k}]" if masked else f"p[{index}]"

    def _whole_bytes(self, masked: bool) -> list[str]:
        """Bytes hold whole codes: a byte at a time, then what is left of the last one."""
        each, mask = 8 // self._bits, (1 << self._bits) - 1
        if each == 1:
            return [
                "for (uint32_t k = 0; k < n; ++k) {",
                f"    acc += {self._entry('(uint32_t)w[k]', 'k', masked)};",
                "}",
            ]
        lines = ["uint32_t k = 0;", f"while (n - k >= {each}u) {{", "    const uint32_t byte = *w++;"]
        for place in range(each):
            weight = f"(byte >> {place * self._bits} & {mask}u)" if place else f"(byte & {mask}u)"
            lines.append(f"    acc += {self._entry(weight, f'k + {place}u' if place else 'k', masked)};")
        lines += [f"    k += {each}u;", "}"]
        rest = self._entry(f"(byte & {mask}u)", "k", masked)
        return [
            *lines,
            "if (k < n) {",
            f"    for (uint32_t byte = *w; k < n; ++k, byte >>= {self._bits}) {{",
            f"        acc += {rest};",
            "    }",
            "}",
        ]

    def _bit_stream(self, masked: bool) -> list[str]:
        """Codes cross bytes: bits wait in a word."""
        return [
            "uint32_t waiting = 0, held = 0;",
            "for (uint32_t k = 0; k < n; ++k) {",
            f"    if (held < {self._bits}u) {{",
            "        waiting |= (uint32_t)*w++ << held;",
            "        held += 8u;",
            "    }",
            f"    acc += {self._entry(f'(waiting & {(1 << self._bits) - 1}u)', 'k', masked)};",
            f"    waiting >>= {self._bits};",
            f"    held -= {self._bits}u;",
            "}",
        ]


def linear(
    program: Program, step: WeightedSum, neuron: Neuron, store: Store, place: dict[str, str]
) -> list[str]:
    """A layer over the last axis."""
    rows = math.prod(program.shapes[step.source][:-1])
    return [
        f"    const uint8_t *x = {place[step.source]};",
        *_indent([*store.declare(), *neuron.declare(), "uint32_t to = 0;"], 1),
        f"    for (uint32_t row = 0; row < {rows}u; ++row) {{",
        *_indent([*store.rewind(), *neuron.rewind()], 2),
        f"        for (uint32_t channel = 0; channel < {step.channels}u; ++channel) {{",
        *_indent([*neuron.add("x", masked=False), *store.put("acc"), "++to;"], 3),
        *_indent([*store.advance(), *neuron.advance()], 3),
        "        }",
        f"        x += {step.taps};",
        "    }",
    ]


def window_walk(program: Program, step: WeightedSum) -> Walk:
    """The walk of a convolution's windows; where it is ``clipped`` a mask says which taps lie in the input."""
    assert step.window is not None
    window = step.window
    before = tuple(b for b, _ in window.padding)
    source, shape = program.shapes[step.source], program.shapes[step.name]
    return Walk(source[1:], shape[1:], window.kernel, window.stride, before, window.dilation)


def convolution(
    program: Program, step: WeightedSum, neuron: Neuron, store: Store, place: dict[str, str]
) -> list[str]:
    """A layer over windows: the codes of one are gathered, then each channel sums its products."""
    shape, walk = program.shapes[step.name], window_walk(program, step)
    ins, outs, places = step.weight_codes.shape[1], step.channels // step.groups, math.prod(shape[1:])
    masked = bool(walk.clipped)
    kept = ["patch[n] = x[at];", *(["inside[n] = -1;"] if masked else []), "++n;"]
    missing = ["patch[n] = 0;", "inside[n] = 0;", "whole = 0;", "++n;"]
    body = [
        "uint32_t to = place;",
        "int32_t from = base;",
        *store.rewind(),
        *neuron.rewind(),
        f"for (uint32_t group = 0; group < {step.groups}u; ++group) {{",
        *_indent(["uint32_t n = 0;", *(["int whole = 1;"] if masked else [])], 1),
        *_indent(walk.taps(kept, missing, channels=ins, start="from"), 1),
        f"    for (uint32_t o = 0; o < {outs}u; ++o) {{",
        *_indent([*neuron.add("patch", masked=masked), *store.put("acc")], 2),
        *_indent([f"to += {places}u;", *store.advance(), *neuron.advance()], 2),
        "    }",
        f"    from += {ins * math.prod(walk.size)};",
        "}",
    ]
    return [
        f"    const uint8_t *const x = {place[step.source]};",
        *_indent([*store.declare(), *neuron.declare(), *walk.declare(), "uint32_t place = 0;"], 1),
        *walk.places(body, moves={"place": (0, *c_strides(shape[1:]))}),
    ]


def _indent(lines: list[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]
