"""Results of a cost estimate: frozen records with units in their names, a table and a JSON form."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rapidnn.errors import HardwareError
from rapidnn.machine.audit import AuditRow
from rapidnn.machine.ledger import HOST_COMPONENTS
from rapidnn.machine.topdown import TwoWays

if TYPE_CHECKING:
    import pandas as pd


MACHINE, HOST = "machine", "host"
"""Where a stage runs."""


@dataclass(frozen=True)
class LayerCost:
    """One stage of the pipeline, for one input.

    ``runs_on`` is ``machine`` or ``host``; what runs on the host has no blocks, and its ``kind`` names the operator.
    ``host_macs`` are the multiply-accumulates of its matrix products, which ``macs`` leaves out. A product of two codes
    counts as one multiply-accumulate.
    ``cycles`` are mean cycles of one neuron by phase. ``stage_ns`` is the time of the layer's busiest block.
    ``writes_mean`` and ``writes_hottest`` count writes per working cell of the busiest block. ``turn`` numbers the lot
    of layers that lie in the blocks together, from 0; layers of different turns share blocks and their area.
    ``*_standard_error`` are those of the sampled neurons' means.
    """

    name: str
    kind: str
    runs_on: str
    steps: tuple[str, ...]
    neurons: int
    macs: int
    host_macs: int
    channels: int
    blocks: int
    replicas: int
    word_bits: int
    lanes: int
    addends_mean: float
    addends_standard_error: float
    cycles: dict[str, float]
    cycles_standard_error: float
    turn: int
    stage_ns: float
    energy_pj: float
    by_component: dict[str, float]
    bits_by_component: dict[str, float]
    area_um2: float
    writes_mean: float
    writes_hottest: float

    @property
    def cycles_mean(self) -> float:
        """Mean cycles of one neuron."""
        return sum(self.cycles.values())


@dataclass(frozen=True)
class PeakPoint:
    """All blocks of a chip busy with a reference neuron of ``inputs`` inputs.

    ``top_down_pj_per_mac`` is the description's first block power times the neuron's cycles.
    """

    inputs: int
    cycles_per_neuron: float
    energy_pj_per_mac: float
    top_down_pj_per_mac: float
    gops_per_s: float
    gops_per_s_mm2: float
    gops_per_s_w: float


@dataclass(frozen=True)
class Comparison:
    """An achieved figure beside a claimed or recalled one; ``ratio`` is achieved / stated."""

    name: str
    unit: str
    achieved: float
    stated: float
    ratio: float
    confidence: str
    source: str


@dataclass(frozen=True)
class Cost:
    """What one input costs on a machine, in a full pipeline.

    ``latency_ns`` is one input's way through all stages, ``throughput_per_s`` the inverse of ``bottleneck_ns``, the
    time from one result to the next. ``power_w`` is energy times throughput. ``area_um2`` is that of whole chips with
    buffers, ``used_area_um2`` of the blocks in use with buffers. ``gops_per_s*`` are this network's (1 MAC = 2 ops),
    ``peak`` the reference neuron's: first at the description's K, then over a range of K; empty where it does not fit.

    Lifetimes are those at full throughput: ``lifetime_s`` of the cell written most, ``lifetime_rotated_s`` of that cell
    with the working rows rotated as the description says, ``lifetime_levelled_s`` with perfect levelling over a
    block's working cells; infinite where nothing is written. :meth:`lifetime_at` gives one at another rate.

    The host runs its operators one after another, so where their times together exceed the slowest stage in blocks,
    ``bottleneck_layer`` is ``host``; its energy is in the components ``host`` and ``host_link``, its
    multiply-accumulates only in ``host_macs``.

    ``turns`` is 1 where all layers lie in blocks of their own; otherwise layers take turns in the given chips, for
    batches of ``batch`` inputs; ``reload_ns`` is the part of ``bottleneck_ns`` in which tables come in, and
    ``latency_ns`` is a batch's. ``two_ways`` sets the blocks' energy beside their power times their busy time,
    ``idle_power_w`` is that of the first of them. ``audit`` lists every bit that is read, moved or written by
    structure. ``energy_interval_95`` and ``time_interval_95`` are half the 95 % intervals of the energy and of the
    blocks' busy time due to sampling, as shares. ``confidence`` counts the constants that entered by how well they are
    known.
    """

    hardware: str
    latency_ns: float
    bottleneck_ns: float
    bottleneck_layer: str
    throughput_per_s: float
    energy_pj: float
    power_w: float
    edp_pj_ns: float
    macs: int
    host_macs: int
    gops_per_s: float
    gops_per_s_mm2: float
    gops_per_s_w: float
    area_um2: float
    used_area_um2: float
    block_area_um2: float
    chips: int
    turns: int
    batch: int
    reload_ns: float
    blocks_total: int
    blocks_used: int
    utilisation: float
    kib_per_neuron: float
    lifetime_s: float
    lifetime_rotated_s: float
    lifetime_levelled_s: float
    idle_power_w: float
    energy_interval_95: float
    time_interval_95: float
    by_component: dict[str, float]
    bits_by_component: dict[str, float]
    area_by_component_um2: dict[str, float]
    by_layer: tuple[LayerCost, ...]
    audit: tuple[AuditRow, ...]
    two_ways: tuple[TwoWays, ...]
    peak: tuple[PeakPoint, ...]
    comparison: tuple[Comparison, ...]
    zeros: dict[str, str]
    confidence: dict[str, int]
    notes: tuple[str, ...]

    @property
    def host_energy_pj(self) -> float:
        """Energy of the operators on the host, and of the bits to and from it."""
        return sum(self.by_component[name] for name in HOST_COMPONENTS)

    def stream_ns(self, inputs: int) -> float:
        """Time of a stream of inputs, from the first code to the last result: the pipeline fills, runs and drains."""
        if self.turns > 1 or self.reload_ns:
            return math.ceil(inputs / self.batch) * self.latency_ns
        return self.latency_ns + (inputs - 1) * self.bottleneck_ns if inputs else 0.0

    def lifetime_at(self, inputs_per_s: float) -> dict[str, float]:
        """Seconds until the endurance is reached at a rate: ``hottest``, ``rotated`` and ``levelled``.

        Raises
        ------
        HardwareError
            If the rate is not positive or above the throughput.
        """
        if not 0 < inputs_per_s <= self.throughput_per_s:
            raise HardwareError(
                f"{inputs_per_s:g} inputs/s: the rate must be above 0 and at most the throughput of "
                f"{self.throughput_per_s:.4g} inputs/s"
            )
        slower = self.throughput_per_s / inputs_per_s
        return {
            "hottest": self.lifetime_s * slower,
            "rotated": self.lifetime_rotated_s * slower,
            "levelled": self.lifetime_levelled_s * slower,
        }

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from rapidnn.report.notebook import cost_html

        return cost_html(self)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values; an infinite lifetime is None."""
        found = asdict(self)
        for key in ("lifetime_s", "lifetime_rotated_s", "lifetime_levelled_s"):
            if math.isinf(found[key]):
                found[key] = None
        return found

    def to_frame(self) -> pd.DataFrame:
        """One row per layer: its scalars, then ``cycles.*`` by phase and ``energy_pj.*`` by component."""
        import pandas as pd

        rows = []
        for layer in self.by_layer:
            row = {k: v for k, v in asdict(layer).items() if not isinstance(v, dict | tuple)}
            row |= {f"cycles.{phase}": value for phase, value in layer.cycles.items()}
            row |= {f"energy_pj.{part}": value for part, value in layer.by_component.items()}
            rows.append(row)
        return pd.DataFrame(rows).set_index("name")
