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
from rapidnn.rivals.figures import ComparedMachine, Figures, compared, our_figures, rival_figures, scaled
from rapidnn.rivals.machines import EIGHT_BIT, SCALABLE, rival
from rapidnn.rivals.measured import MeasuredMachine, measure
from rapidnn.rivals.work import workload

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

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from rapidnn.report.notebook import comparison_html

        return comparison_html(self)

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
    own = our_figures(ours, work.macs, described.cell.feature_nm.value)
    base = scaled(own, node_nm)
    rows = {name: compared(base, scaled(rival_figures(cost), node_nm), basis) for name, cost in costs.items()}
    validation = composed.info.get("validation")
    return MachineComparison(
        hardware=str(hardware),
        basis=basis,
        dense=dense,
        node_nm=node_nm,
        macs=work.macs,
        accuracy=validation.get("accuracy") if isinstance(validation, dict) else None,
        machines=(compared(base, base, basis), *(row for name, row in rows.items() if "@" not in name)),
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


def _measured(model: nn.Module | Path, x: Any, ours: Figures) -> MeasuredMachine:
    return measure(
        model,
        as_array(x),
        latency_ns=ours.latency_ns,
        interval_ns=ours.interval_ns,
        energy_pj=ours.energy_pj,
    )
