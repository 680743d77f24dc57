"""What designs are judged by, and the bounds they must keep."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rapidnn.errors import DataError
from rapidnn.machine.cost import Cost

FIGURES: dict[str, tuple[str, Callable[[Cost], float]]] = {
    "energy": ("pJ per input", lambda cost: cost.energy_pj),
    "latency": ("ns", lambda cost: cost.latency_ns),
    "interval": ("ns between inputs of a stream", lambda cost: cost.bottleneck_ns),
    "area": ("um2 of the blocks in use with buffers", lambda cost: cost.used_area_um2),
    "power": ("W", lambda cost: cost.power_w),
    "edp": ("pJ ns", lambda cost: cost.edp_pj_ns),
    "wear": ("1 / s, the inverse of the hottest cell's lifetime", lambda cost: 1 / cost.lifetime_s),
}
"""Figures of the machine, all smaller is better."""
LOSS = "loss"
UNITS = {LOSS: "share of answers, float minus composed accuracy"} | {
    k: unit for k, (unit, _) in FIGURES.items()
}


@dataclass(frozen=True)
class Constraint:
    """A figure that must be at most a bound."""

    figure: str
    bound: float


def objectives(text: str) -> tuple[str, ...]:
    """``loss,energy,latency`` as names.

    Raises
    ------
    DataError
        If a name is unknown or there is none.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in UNITS:
            raise DataError(f"objective {name!r}: expected {', '.join(UNITS)}")
    if not names:
        raise DataError(f"no objective is given; expected some of {', '.join(UNITS)}")
    return names


def constraints(texts: Iterable[str]) -> tuple[Constraint, ...]:
    """``loss<=0.005`` as constraints.

    Raises
    ------
    DataError
        If one is not of this form.
    """
    found = []
    for text in texts:
        match = re.fullmatch(r"\s*([a-z]+)\s*<=\s*([-+.eE0-9]+)\s*", text)
        if match is None or match[1] not in UNITS:
            raise DataError(f"constraint {text!r}: expected FIGURE<=BOUND with one of {', '.join(UNITS)}")
        try:
            found.append(Constraint(match[1], float(match[2])))
        except ValueError:
            raise DataError(f"constraint {text!r}: {match[2]!r} is not a number") from None
    return tuple(found)


def figures(cost: Cost, loss: float) -> dict[str, float]:
    """All figures of a design."""
    return {LOSS: loss} | {name: float(of(cost)) for name, (_, of) in FIGURES.items()}


def dominated(candidate: tuple[float, ...], others: Iterable[tuple[float, ...]]) -> bool:
    """Whether another point is nowhere worse and somewhere better."""
    return any(
        other != candidate and all(o <= c for o, c in zip(other, candidate, strict=True)) for other in others
    )
