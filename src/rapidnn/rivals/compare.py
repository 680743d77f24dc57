"""compare(): the composed network's machine beside its rivals on the same network, on a basis the user picks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rapidnn.errors import HardwareError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array
from rapidnn.machine.cost import Cost
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.network import DEFAULT_HARDWARE, collect_statistics
from rapidnn.machine.records import Hardware
from rapidnn.rivals.cost import RivalCost
from rapidnn.rivals.dense import dense_program, dense_statistics
from rapidnn.rivals.machines import EIGHT_BIT, SCALABLE, rival
from rapidnn.rivals.measured import MeasuredMachine, measure
from rapidnn.rivals.work import Workload, workload

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

Basis = Literal["area", "power", "chip", "capacity"]
BASES: dict[str, str] = {
    "area": "throughput per area: the same silicon for all",
    "power": "throughput per power: the same watts for all",
    "chip": "one chip each, where the network fits it",
    "capacity": "as many chips each as hold the network",
}
DEFAULT_RIVALS = ("isaac", "pipelayer", "dadiannao", "gtx1080")
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
class MachineComparison:
    """RAPIDNN's machine and its rivals on one network.

    ``machines`` are at their native precision, ours first; ``eight_bit`` are the analog ones scaled to 8 bits.
    ``costs`` are the rivals' own answers by name (``NAME@8`` for the scaled ones), on which ``--explain`` builds.
    ``dense`` says that zero products were charged like others; ``measured`` is the machine at hand, where asked for.
    """

    hardware: str
    basis: str
    dense: bool
    node_nm: float | None
    macs: int
    accuracy: float | None
    machines: tuple[ComparedMachine, ...]
    eight_bit: tuple[ComparedMachine, ...]
    measured: MeasuredMachine | None
    costs: Mapping[str, RivalCost]
    ours: Cost

    def to_json(self) -> dict[str, Any]:
        """All but the full costs, as plain JSON values."""
        found = asdict(self)
        del found["costs"], found["ours"]
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row a machine; the scaled ones are named ``NAME@8``."""
        import pandas as pd

        scaled = [asdict(m) | {"machine": f"{m.machine}@8"} for m in self.eight_bit]
        return pd.DataFrame([asdict(m) for m in self.machines] + scaled).set_index("machine")


def compare(
    composed: ComposedNetwork,
    x: Any,
    against: Iterable[str] = DEFAULT_RIVALS,
    *,
    basis: Basis = "area",
    hardware: str | Path = DEFAULT_HARDWARE,
    overrides: Mapping[str, str | float] | None = None,
    node_nm: float | None = None,
    dense: bool = False,
    measured: nn.Module | Path | None = None,
    seed: int = 0,
) -> MachineComparison:
    """Time, energy and area of a composed network's machine beside its rivals on the same network.

    Parameters
    ----------
    x
        Real inputs ``(N, *input_shape)``, preprocessed, whose codes are counted (see :func:`rapidnn.estimate`).
    against
        Names of rivals: :func:`rapidnn.rivals.machines.rival_names`.
    basis
        What speeds are compared at; see :data:`BASES`.
    node_nm
        Bring all machines to this technology node: area and energy with the square of the feature size, times in
        proportion to it. A stated rule, not a prediction; by default each stays at its own.
    dense
        Charge our machine for products that are zero, which it else skips; no rival's figures depend on the data.
    measured
        The float network (a PyTorch module or an ONNX file) to run in real time on the machine at hand.

    Raises
    ------
    HardwareError
        If a rival or basis is unknown, or the machine cannot run the network.
    DataError
        If ``x`` is empty or does not fit the network.
    """
    if basis not in BASES:
        raise HardwareError(f"basis {basis!r}: expected {', '.join(BASES)}")
    if node_nm is not None and not node_nm > 0:
        raise HardwareError(f"node {node_nm!r}: expected a feature size in nm")
    names = list(dict.fromkeys(against))
    chosen = {name: rival(name) for name in names}
    chosen |= {f"{name}@8": rival(name, EIGHT_BIT) for name in names if name in SCALABLE}
    described = load_hardware(hardware, overrides)
    ours = _cost(composed, x, described, dense=dense, seed=seed)
    work = workload(composed.program)
    costs = {name: machine.estimate(work) for name, machine in chosen.items()}
    own = _ours(ours, work, described.cell.feature_nm.value)
    base = _scaled(own, node_nm)
    rows = {name: _row(base, _scaled(_theirs(cost), node_nm), basis) for name, cost in costs.items()}
    validation = composed.info.get("validation")
    return MachineComparison(
        hardware=str(hardware),
        basis=basis,
        dense=dense,
        node_nm=node_nm,
        macs=work.macs,
        accuracy=validation.get("accuracy") if isinstance(validation, dict) else None,
        machines=(_row(base, base, basis), *(row for name, row in rows.items() if "@" not in name)),
        eight_bit=tuple(row for name, row in rows.items() if "@" in name),
        measured=None if measured is None else _measured(measured, x, own),
        costs=costs,
        ours=ours,
    )


def _cost(composed: ComposedNetwork, x: Any, hardware: Hardware, *, dense: bool, seed: int) -> Cost:
    if not dense:
        return estimate_program(composed.program, collect_statistics(composed, x, seed=seed), hardware)
    return estimate_program(
        dense_program(composed.program), dense_statistics(composed, x, seed=seed), hardware
    )


def _measured(model: nn.Module | Path, x: Any, ours: _Figures) -> MeasuredMachine:
    return measure(
        model,
        as_array(x),
        latency_ns=ours.latency_ns,
        interval_ns=ours.interval_ns,
        energy_pj=ours.energy_pj,
    )


@dataclass(frozen=True)
class _Figures:
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


def _ours(cost: Cost, work: Workload, feature_nm: float) -> _Figures:
    # As for the rivals, blocks that one copy of the network leaves over hold more of them.
    copies = max(1, cost.blocks_total // max(1, cost.blocks_used))
    return _Figures(
        OURS,
        "codebooks",
        cost.chips,
        copies,
        cost.area_um2 / 1e6,
        feature_nm,
        cost.latency_ns,
        cost.bottleneck_ns / copies,
        cost.energy_pj,
        work.macs,
        "bottom-up; see rapidnn cost",
    )


def _theirs(cost: RivalCost) -> _Figures:
    return _Figures(
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


def _scaled(found: _Figures, node_nm: float | None) -> _Figures:
    if node_nm is None:
        return found
    s = node_nm / found.node_nm
    return _Figures(
        found.machine,
        found.precision,
        found.chips,
        found.network_copies,
        found.area_mm2 * s * s,
        node_nm,
        found.latency_ns * s,
        found.interval_ns * s,
        found.energy_pj * s * s,
        found.macs,
        found.validated,
    )


def _row(ours: _Figures, theirs: _Figures, basis: str) -> ComparedMachine:
    speed: float | None = theirs.interval_ns / ours.interval_ns
    if basis == "area":
        speed = theirs.interval_ns * theirs.area_mm2 / (ours.interval_ns * ours.area_mm2)
    elif basis == "power":
        # Throughput per watt is the inverse of the energy per input.
        speed = theirs.energy_pj / ours.energy_pj
    elif basis == "chip" and max(ours.chips, theirs.chips) > 1:
        speed = None
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
        speed_gain=speed,
        latency_gain=theirs.latency_ns / ours.latency_ns,
        energy_gain=theirs.energy_pj / ours.energy_pj,
        validated=theirs.validated,
    )
