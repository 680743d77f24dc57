"""One constant at a time: how far the four headline ratios move with it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rapidnn.errors import HardwareError
from rapidnn.machine.description import load_hardware
from rapidnn.machine.records import Choice, Constant, Hardware
from rapidnn.reproduction.evaluation import HEADLINE_RIVALS, Gain, gains, judge, means, rival_costs
from rapidnn.reproduction.points import Point
from rapidnn.rivals.description import FORMS, load_rival, records
from rapidnn.rivals.figures import Figures

FACTOR = 2.0
"""A constant without a range of its own is halved and doubled."""
SHOWN = 8
"""Constants of our machine, and half as many of the rivals, that are shown."""
_BESIDE = (
    "claims.",
    "recalled.",
    "power.",
    "reference.",
    "host.",
    "memory.",
    "chip.idle_share",
    "cell.endurance",
)
"""Constants that are shown beside a result, or that no network here uses: they enter no ratio."""


@dataclass(frozen=True)
class Swing:
    """What a constant's range does to the ratios' product: ``span`` = high over low of the geometric mean of the four.

    ``low`` and ``high`` are the constant's values; the ratios at each are in the order of ``RATIOS``, None where the
    machine cannot run with it.
    """

    machine: str
    constant: str
    confidence: str
    unit: str
    value: float
    low: float
    high: float
    at_low: tuple[float, ...] | None
    at_high: tuple[float, ...] | None
    span: float


RATIOS = tuple(f"{kind} over {name}" for name in HEADLINE_RIVALS for kind in ("speed", "energy"))


def tornado(
    points: Sequence[Point],
    hardware: str | Path,
    overrides: Mapping[str, str | float] | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> tuple[Swing, ...]:
    """Every sourced constant of our machine, ISAAC and PipeLayer, widest swing first.

    A constant goes to the ends of its record's ``range``, else to half and double.
    """
    base = load_hardware(hardware, overrides)
    theirs = {p.subject.application.name: rival_costs(p.work, HEADLINE_RIVALS) for p in points}
    unchanged = _ratios(points, base, theirs)
    jobs = [*_own(base), *_rivals()]
    found = []
    for index, (machine, name, record) in enumerate(jobs):
        progress("sensitivity", index, len(jobs))
        low, high = _range(record)
        ends: list[tuple[float, ...] | None] = []
        for value in (low, high):
            try:
                if machine == base.name:
                    changed = load_hardware(hardware, {**(overrides or {}), name: value})
                    ends.append(_ratios(points, changed, theirs))
                else:
                    changes = {machine: {name: value}}
                    others = {
                        p.subject.application.name: rival_costs(p.work, HEADLINE_RIVALS, changes)
                        for p in points
                    }
                    ends.append(_ratios(points, base, others))
            except (HardwareError, ValueError):
                ends.append(None)
        span = _span([e for e in (*ends, unchanged) if e is not None])
        if span > 1 + 1e-9:
            found.append(
                Swing(
                    machine,
                    name,
                    record.confidence,
                    record.unit,
                    float(record.value),
                    low,
                    high,
                    ends[0],
                    ends[1],
                    span,
                )
            )
    return tuple(sorted(found, key=lambda swing: -swing.span))


def _own(base: Hardware) -> Iterator[tuple[str, str, Any]]:
    unused = {f"compressors.{name}." for name in base.compressors if name != base.rna.compressor.value}
    unused |= {f"adders.{name}." for name in base.adders if name != base.rna.adder.value}
    for name, record in base.constants.items():
        numeric = isinstance(record.value, int | float) and not isinstance(record.value, bool)
        if isinstance(record, Choice) or not numeric or not record.value:
            continue
        if not name.startswith(_BESIDE) and not name.startswith(tuple(unused)):
            yield base.name, name, record


def _rivals() -> Iterator[tuple[str, str, Any]]:
    for machine in HEADLINE_RIVALS:
        for name, record in records(load_rival(machine, FORMS[machine])).items():
            if record.value and name not in (
                "node",
                "claimed_density",
                "claimed_efficiency",
                "first_efficiency",
            ):
                yield machine, name, record


def _range(record: Constant[Any]) -> tuple[float, float]:
    given = getattr(record, "range", None)
    low, high = given or (record.value / FACTOR, record.value * FACTOR)
    if isinstance(record.value, int):
        return max(1, round(low)), max(1, round(high))
    return float(low), float(high)


def _ratios(
    points: Sequence[Point], hardware: Hardware, theirs: Mapping[str, Mapping[str, Figures]]
) -> tuple[float, ...]:
    found: list[Gain] = []
    for point in points:
        name = point.subject.application.name
        found.extend(gains(judge(point, hardware).figures, theirs[name], name))
    return tuple(value for rival in HEADLINE_RIVALS for value in means(found, rival))


def _span(ends: Sequence[tuple[float, ...]]) -> float:
    """Largest over smallest of the geometric means of the four ratios."""
    logs = [sum(map(math.log, ratios)) / len(ratios) for ratios in ends]
    return math.exp(max(logs) - min(logs))


def widest(swings: Sequence[Swing]) -> tuple[Swing, ...]:
    """The constants that move the ratios most, those of our machine first: a rival's own sizes would hide them."""
    rivals = [swing for swing in swings if swing.machine in HEADLINE_RIVALS]
    ours = [swing for swing in swings if swing.machine not in HEADLINE_RIVALS]
    return (*ours[:SHOWN], *rivals[: SHOWN // 2])
