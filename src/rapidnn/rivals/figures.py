"""A machine's figures on a network, brought to one node, and the gains of one machine over another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rapidnn.machine.cost import Cost
from rapidnn.rivals.cost import RivalCost

OURS = "rapidnn"


@dataclass(frozen=True)
class ComparedMachine:
    """One machine on the network. ``speed_gain`` and ``energy_gain`` say how many times better RAPIDNN's machine is.

    ``speed_gain`` compares throughput on the chosen basis and is None where the basis does not apply;
    ``latency_gain`` compares one input alone on the machines as they are. With a common node, ``area_mm2``,
    ``energy_pj`` and times are the scaled ones.
    """

    machine: str
    precision: str
    chips: int
    network_copies: int
    area_mm2: float
    node_nm: float
    latency_ns: float
    throughput_per_s: float
    energy_pj: float
    energy_pj_per_mac: float
    power_w: float
    speed_gain: float | None
    latency_gain: float
    energy_gain: float
    validated: str


@dataclass(frozen=True)
class Figures:
    """What is compared of a machine; times in ns, energy of one input in pJ."""

    machine: str
    precision: str
    chips: int
    network_copies: int
    area_mm2: float
    node_nm: float
    latency_ns: float
    interval_ns: float
    energy_pj: float
    macs: int
    validated: str


def our_figures(cost: Cost, macs: int, feature_nm: float) -> Figures:
    """Our machine's figures; ``macs`` are those of the network's weighted layers, as rivals count them."""
    # As for the rivals, blocks that one copy of the network leaves over hold more of them.
    copies = max(1, cost.blocks_total // max(1, cost.blocks_used))
    return Figures(
        OURS,
        "codebooks",
        cost.chips,
        copies,
        cost.area_um2 / 1e6,
        feature_nm,
        cost.latency_ns,
        cost.bottleneck_ns / copies,
        cost.energy_pj,
        macs,
        "bottom-up; see rapidnn cost",
    )


def rival_figures(cost: RivalCost) -> Figures:
    """A rival's figures."""
    return Figures(
        cost.machine,
        cost.precision,
        cost.chips,
        cost.network_copies,
        cost.area_mm2,
        cost.node_nm,
        cost.latency_ns,
        cost.interval_ns,
        cost.energy_pj,
        cost.macs,
        cost.validated,
    )


def scaled(found: Figures, node_nm: float | None) -> Figures:
    """At another node: area and energy with the square of the feature size, times in proportion; None leaves it."""
    if node_nm is None:
        return found
    s = node_nm / found.node_nm
    return replace(
        found,
        node_nm=node_nm,
        area_mm2=found.area_mm2 * s * s,
        latency_ns=found.latency_ns * s,
        interval_ns=found.interval_ns * s,
        energy_pj=found.energy_pj * s * s,
    )


def speed_gain(ours: Figures, theirs: Figures, basis: str) -> float | None:
    """Our throughput over theirs on one of `rapidnn.rivals.compare.BASES`; None where that does not apply."""
    if basis == "area":
        return theirs.interval_ns * theirs.area_mm2 / (ours.interval_ns * ours.area_mm2)
    if basis == "power":
        # Throughput per watt is the inverse of the energy per input.
        return theirs.energy_pj / ours.energy_pj
    if basis == "chip" and max(ours.chips, theirs.chips) > 1:
        return None
    return theirs.interval_ns / ours.interval_ns


def compared(ours: Figures, theirs: Figures, basis: str) -> ComparedMachine:
    """A machine beside ours."""
    return ComparedMachine(
        machine=theirs.machine,
        precision=theirs.precision,
        chips=theirs.chips,
        network_copies=theirs.network_copies,
        area_mm2=theirs.area_mm2,
        node_nm=theirs.node_nm,
        latency_ns=theirs.latency_ns,
        throughput_per_s=1e9 / theirs.interval_ns,
        energy_pj=theirs.energy_pj,
        energy_pj_per_mac=theirs.energy_pj / theirs.macs,
        power_w=theirs.energy_pj / theirs.interval_ns / 1000,
        speed_gain=speed_gain(ours, theirs, basis),
        latency_gain=theirs.latency_ns / ours.latency_ns,
        energy_gain=theirs.energy_pj / ours.energy_pj,
        validated=theirs.validated,
    )
