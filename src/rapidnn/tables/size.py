"""How large a composed network is when its codes are packed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

import numpy as np

from rapidnn.tables.program import CodeGroup, Program, Step, WeightedSum


def packed_bytes(program: Program) -> float:
    """Bytes of all tables as the artifact stores them, but weight codes packed to ceil(log2 w) bits each."""
    return sum(_bytes(part) for part in (*program.groups, *program.steps))


def float_bytes(program: Program) -> float:
    """Bytes of the float32 weights and biases that the weighted layers replace."""
    layers = [step for step in program.steps if isinstance(step, WeightedSum)]
    return 4.0 * sum(step.weight_codes.size + step.bias.size for step in layers)


def _bytes(part: CodeGroup | Step) -> float:
    if isinstance(part, WeightedSum):
        bits = int(part.values.shape[1] - 1).bit_length()
        return _arrays(part) - part.weight_codes.nbytes + part.weight_codes.size * bits / 8
    return _arrays(part)


def _arrays(value: object) -> float:
    """Bytes of the arrays a record holds, those of records within it included."""
    if isinstance(value, np.ndarray):
        return float(value.nbytes)
    if isinstance(value, tuple):
        return sum(map(_arrays, value))
    if is_dataclass(value):
        return float(sum(_arrays(getattr(value, field.name)) for field in fields(value)))
    return 0.0
