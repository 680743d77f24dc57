"""Tree codebooks: one artifact, a program for every level (SPEC section 1).

The finest level is the artifact's own program. A coarser level has the same steps and shares the weight codes: a code
of level L is the finest code without its low bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rapidnn.tables.program import Encode, Program, Step, WeightedSum


@dataclass(frozen=True)
class SharedCodes:
    """Stands for the weight codes of a coarser level in a file: those of ``tensor`` without ``shift`` low bits."""

    tensor: str
    shift: int


def shared_codes(finest: Program, level: Program) -> Program:
    """The level's program with :class:`SharedCodes` in place of weight codes."""

    def share(step: Step) -> Any:
        if not isinstance(step, WeightedSum):
            return step
        stand_in: Any = SharedCodes(f"steps/{step.name}/weight_codes", dropped(finest, step))
        return replace(step, weight_codes=stand_in)

    return replace(level, steps=tuple(share(step) for step in level.steps))


def dropped(finest: Program, coarser: WeightedSum) -> int:
    """How many low bits the weight codes of a coarser level lack."""
    whole = finest.step[coarser.name]
    assert isinstance(whole, WeightedSum)
    return bits(whole.values.shape[1]) - bits(coarser.values.shape[1])


def bits(size: int) -> int:
    """Bits of a code of a codebook of so many values."""
    return (size - 1).bit_length()


def validate_levels(finest: Program, levels: Mapping[int, Program]) -> None:
    """Raise ValueError with the reason if programs are not coarser levels of ``finest``."""
    for level, program in levels.items():
        if not 1 <= level <= 7:
            raise ValueError(f"level {level} is not 1 to 7 bits")
        for whole, part in zip(finest.steps, program.steps, strict=True):
            if type(whole) is not type(part) or whole.name != part.name:
                raise ValueError(f"level {level} has other steps than the finest")
            if isinstance(part, WeightedSum):
                codes = finest.step[part.name].weight_codes >> max(0, dropped(finest, part))  # type: ignore[union-attr]
                if part.values.shape[1] > 1 << level or not np.array_equal(codes, part.weight_codes):
                    raise ValueError(f"level {level}: the weight codes of {part.name!r} are not the finest's")
            if isinstance(part, Encode) and part.encoding.shape[1] != whole.encoding.shape[1]:  # type: ignore[union-attr]
                raise ValueError(f"level {level}: {part.name!r} searches another codebook than the finest")
        for group in program.groups:
            if group.size > 1 << level or group.name not in finest.group:
                raise ValueError(f"level {level}: code group {group.name!r} is not one of the tree")
