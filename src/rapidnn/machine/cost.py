"""Results of a cost estimate: frozen records with units in their names, a table and a JSON form."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rapidnn.machine.ledger import HOST_COMPONENTS

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
    ``writes_mean`` and ``writes_hottest`` count writes per working cell of the busiest block.
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
    stage_ns: float
    energy_pj: float
    by_component: dict[str, float]
    bits_by_component: dict[str, float]
    area_um2: float
    writes_mean: float
    writes_hottest: float


@dataclass(frozen=True)
class PeakPoint:
    """All blocks of a chip busy with a reference neuron of ``inputs`` inputs."""

    inputs: int
    cycles_per_neuron: float
    energy_pj_per_mac: float
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

    ``latency_ns`` is one input's way through all stages, ``throughput_per_s`` the inverse of the slowest stage.
    ``power_w`` is energy times throughput. ``area_um2`` is that of whole chips with buffers, ``used_area_um2`` of the
    blocks in use with buffers. ``gops_per_s*`` are this network's (1 MAC = 2 ops), ``peak`` the reference neuron's:
    first at the description's K, then over a range of K; empty where it does not fit. ``lifetime_s`` is the hottest
    cell's at full throughput, ``lifetime_levelled_s`` with perfect levelling over a block's working cells; infinite
    where nothing is written. The host runs its operators one after another, so where their times together exceed the
    slowest stage in blocks, ``bottleneck_layer`` is ``host``; its energy is in the components ``host`` and
    ``host_link``, its multiply-accumulates only in ``host_macs``. ``confidence`` counts the constants that entered by
    how well they are known.
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
    blocks_total: int
    blocks_used: int
    utilisation: float
    kib_per_neuron: float
    lifetime_s: float
    lifetime_levelled_s: float
    by_component: dict[str, float]
    bits_by_component: dict[str, float]
    area_by_component_um2: dict[str, float]
    by_layer: tuple[LayerCost, ...]
    peak: tuple[PeakPoint, ...]
    comparison: tuple[Comparison, ...]
    zeros: dict[str, str]
    confidence: dict[str, int]
    notes: tuple[str, ...]

    @property
    def host_energy_pj(self) -> float:
        """Energy of the operators on the host, and of the bits to and from it."""
        return sum(self.by_component[name] for name in HOST_COMPONENTS)

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values; an infinite lifetime is None."""
        found = asdict(self)
        for key in ("lifetime_s", "lifetime_levelled_s"):
            if found[key] == float("inf"):
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
