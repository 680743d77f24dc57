"""What a machine makes of points: its cost beside every rival's, and geometric means over applications."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import geometric_mean

from rapidnn.machine.cost import Cost
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.records import Hardware
from rapidnn.reproduction.points import Point
from rapidnn.rivals.figures import Figures, our_figures, rival_figures, speed_gain
from rapidnn.rivals.machines import rival
from rapidnn.rivals.work import Workload

RIVALS = ("isaac", "pipelayer", "dadiannao", "eyeriss", "gtx1080", "h200")
HEADLINE_RIVALS = ("isaac", "pipelayer")
BASIS = "area"


@dataclass(frozen=True)
class Gain:
    """How many times better our machine is than a rival on one application: throughput on the same silicon, energy."""

    application: str
    rival: str
    speed: float
    energy: float
    latency: float
    capacity_speed: float


@dataclass(frozen=True, eq=False)
class Judged:
    """A point on a machine."""

    point: Point
    cost: Cost
    figures: Figures


def judge(point: Point, hardware: Hardware) -> Judged:
    """Cost of a point's network on a machine.

    Raises
    ------
    HardwareError
        If the machine cannot run it.
    """
    cost = estimate_program(point.program, point.statistics, hardware)
    return Judged(point, cost, our_figures(cost, point.work.macs, hardware.cell.feature_nm.value))


def rival_costs(
    work: Workload, names: Iterable[str] = RIVALS, changes: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, Figures]:
    """Rivals' figures on the same work, with constants changed by rival."""
    return {name: rival_figures(rival(name, (changes or {}).get(name)).estimate(work)) for name in names}


def gains(ours: Figures, theirs: Mapping[str, Figures], application: str) -> tuple[Gain, ...]:
    """Gains over rivals, speed on the area basis."""
    found = []
    for name, figures in theirs.items():
        speed, capacity = (speed_gain(ours, figures, basis) for basis in (BASIS, "capacity"))
        assert speed is not None
        assert capacity is not None
        energy = figures.energy_pj / ours.energy_pj
        latency = figures.latency_ns / ours.latency_ns
        found.append(Gain(application, name, speed, energy, latency, capacity))
    return tuple(found)


def means(found: Iterable[Gain], name: str) -> tuple[float, float]:
    """Geometric means over applications of speed and energy gain over a rival."""
    chosen = [gain for gain in found if gain.rival == name]
    return geometric_mean(g.speed for g in chosen), geometric_mean(g.energy for g in chosen)
