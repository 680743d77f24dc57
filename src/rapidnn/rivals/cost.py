"""What a rival's model answers: time, energy, area, and the terms its energy is the sum of."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class EnergyTerm:
    """``count`` times ``pj_each``: what happened how often in a layer, and the constants its price comes from."""

    layer: str
    component: str
    count: float
    unit: str
    pj_each: float
    constants: tuple[str, ...]

    @property
    def energy_pj(self) -> float:
        """The term's value."""
        return self.count * self.pj_each


@dataclass(frozen=True)
class Stage:
    """One layer on a machine: ``units`` that hold one copy of it, ``copies``, and its time for one input."""

    layer: str
    units: int
    copies: int
    stage_ns: float


@dataclass(frozen=True)
class RivalCost:
    """One input on a rival machine.

    ``interval_ns`` is the time between results of a stream, ``latency_ns`` that of one input alone. Hardware that one
    copy of the network leaves over holds more of them: ``network_copies`` take inputs side by side, which shortens the
    interval. Power drawn whatever the work is enters ``energy_pj`` by its share of one interval, the term ``static``.
    """

    machine: str
    precision: str
    chips: int
    network_copies: int
    area_mm2: float
    node_nm: float
    latency_ns: float
    interval_ns: float
    macs: int
    stages: tuple[Stage, ...]
    terms: tuple[EnergyTerm, ...]
    validated: str
    notes: tuple[str, ...]

    @property
    def energy_pj(self) -> float:
        """Energy of one input in a stream."""
        return sum(term.energy_pj for term in self.terms)

    @property
    def throughput_per_s(self) -> float:
        """Inputs a second in a stream."""
        return 1e9 / self.interval_ns

    @property
    def power_w(self) -> float:
        """Mean power at full throughput."""
        return self.energy_pj / self.interval_ns / 1000

    @property
    def gops_per_s_mm2(self) -> float:
        """Throughput over area; a multiply-accumulate is two operations."""
        return 2 * self.macs / self.interval_ns / self.area_mm2

    @property
    def gops_per_s_w(self) -> float:
        """Operations over energy."""
        return 2000 * self.macs / self.energy_pj if self.energy_pj else 0.0

    def by_component(self) -> dict[str, float]:
        """Energy in pJ by component."""
        return _sums((term.component, term.energy_pj) for term in self.terms)

    def by_layer(self) -> dict[str, float]:
        """Energy in pJ by layer."""
        return _sums((term.layer, term.energy_pj) for term in self.terms)

    def to_json(self) -> dict[str, Any]:
        """All fields and sums as plain JSON values."""
        sums = ("energy_pj", "throughput_per_s", "power_w", "gops_per_s_mm2", "gops_per_s_w")
        return (
            asdict(self)
            | {name: getattr(self, name) for name in sums}
            | {"by_component": self.by_component(), "by_layer": self.by_layer()}
        )

    def to_frame(self) -> pd.DataFrame:
        """The energy terms as rows."""
        import pandas as pd

        return pd.DataFrame([asdict(term) | {"energy_pj": term.energy_pj} for term in self.terms])


def _sums(items: Any) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in items:
        found[key] = found.get(key, 0.0) + value
    return found
