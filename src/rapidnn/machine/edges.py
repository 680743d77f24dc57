"""Edges of a program as the machine keeps them: their bits, and whose buffer a code edge is read from."""

from __future__ import annotations

import math

from rapidnn.graph import ops
from rapidnn.tables.activation import G_BITS
from rapidnn.tables.program import Activate, Carry, Host, Join, Program, word_width

FLOAT_BITS = 32
"""Real values are float32: the network's input, and what the host returns."""


def code_bits(size: int) -> int:
    """Bits of a stored code into ``size`` values, at least one: a memory has no narrower word."""
    return max(1, (size - 1).bit_length())


def value_bits(program: Program, edge: str) -> int:
    """Bits of one element of an edge: a code, an accumulator's word, an activation row's value, or a float32."""
    if edge in program.group_of:
        return code_bits(program.group_of[edge].size)
    step = program.step[edge]
    if isinstance(step, Host):
        return FLOAT_BITS
    if isinstance(step, Activate) and step.activation.z is not None:
        return G_BITS
    return word_width(program.summing_source(edge).bound)


def edge_bits(program: Program, edge: str) -> int:
    """Bits of one sample of an edge."""
    return math.prod(program.shapes[edge]) * value_bits(program, edge)


def stored_edges(program: Program, edge: str) -> tuple[str, ...]:
    """The edges whose buffers hold a code edge: its sources', where steps only change addresses.

    Shape operators, zero padding and stuffing, and joins within one codebook group move nothing.
    """
    found: list[str] = []
    seen: set[str] = set()
    waiting = [edge]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        step = program.step[name]
        if isinstance(step, Carry) and not isinstance(step.op, ops.MaxPool):
            waiting.append(step.source)
        elif isinstance(step, Join) and not step.recode:
            waiting.extend(reversed(step.sources))
        else:
            found.append(name)
    return tuple(found)
