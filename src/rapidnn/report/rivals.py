"""A comparison of machines as terminal tables, and the sum behind a rival's energy, term by term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rapidnn.rivals.compare import BASES, ComparedMachine, MachineComparison
from rapidnn.rivals.cost import RivalCost
from rapidnn.rivals.description import records
from rapidnn.rivals.machines import EIGHT_BIT, rival


@dataclass(frozen=True)
class ExplainedTerm:
    """A component's energy over all layers: count x pJ each, and the constants of the price."""

    component: str
    count: float
    unit: str
    pj_each: float
    energy_pj: float
    constants: tuple[str, ...]


@dataclass(frozen=True)
class ExplainedConstant:
    """A constant that entered, as its description has it."""

    name: str
    value: float
    unit: str
    confidence: str
    source: str


@dataclass(frozen=True)
class Explanation:
    """The terms whose sum is a rival's energy, the stages whose slowest is its interval, and the constants."""

    machine: str
    energy_pj: float
    interval_ns: float
    terms: tuple[ExplainedTerm, ...]
    stages: tuple[dict[str, Any], ...]
    constants: tuple[ExplainedConstant, ...]

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def explanation(cost: RivalCost) -> Explanation:
    """Add up a rival's terms by component and name the constants they rest on."""
    terms: dict[tuple[str, float], ExplainedTerm] = {}
    for term in cost.terms:
        key = (term.component, term.pj_each)
        count = term.count + (terms[key].count if key in terms else 0.0)
        terms[key] = ExplainedTerm(
            term.component, count, term.unit, term.pj_each, count * term.pj_each, term.constants
        )
    scaled = cost.precision.startswith("8-bit") and cost.machine in ("isaac", "pipelayer")
    known = records(rival(cost.machine, EIGHT_BIT if scaled else None).rival)
    used = dict.fromkeys(name for term in terms.values() for name in term.constants)
    return Explanation(
        machine=cost.machine,
        energy_pj=cost.energy_pj,
        interval_ns=cost.interval_ns,
        terms=tuple(terms.values()),
        stages=tuple(asdict(stage) for stage in cost.stages),
        constants=tuple(
            ExplainedConstant(n, known[n].value, known[n].unit, known[n].confidence, known[n].source)
            for n in used
        ),
    )


def comparison_tables(result: MachineComparison) -> Iterator[RenderableType]:
    """Machines at their own precision, the analog ones at 8 bits, and what the gains mean."""
    yield _machines(result, result.machines, f"machines, basis: {BASES[result.basis]}")
    if result.eight_bit:
        yield _machines(result, result.eight_bit, "scaled to 8 bits")
    accuracy = "not measured" if result.accuracy is None else f"{result.accuracy:.2%} (validation)"
    node = "each at its own node" if result.node_nm is None else f"all at {result.node_nm:g} nm"
    yield Text(
        f"{result.macs:,} MACs; {node}; accuracy of the tables {accuracy}. Gains say how many times better "
        f"{result.hardware} is; below 1 it is worse."
    )


def explanation_tables(explained: Explanation) -> list[RenderableType]:
    """The sum behind a rival's energy, its stages, and the constants with their sources."""
    sums = Table(
        title=f"{explained.machine}: energy of one input, {explained.energy_pj / 1e6:.4g} uJ, is the sum of"
    )
    for column in ("component", "count", "of", "pJ each", "uJ", "from"):
        sums.add_column(column, overflow="fold")
    for term in explained.terms:
        each = f"{term.pj_each:.6g}"
        sums.add_row(
            term.component,
            f"{term.count:,.0f}",
            term.unit,
            each,
            f"{term.energy_pj / 1e6:.4g}",
            ", ".join(term.constants),
        )
    stages = Table(title=f"{explained.machine}: interval {explained.interval_ns / 1e3:.4g} us")
    for column in ("layer", "units a copy", "copies", "stage us"):
        stages.add_column(column, overflow="fold")
    for stage in explained.stages:
        cells = (
            stage["layer"],
            f"{stage['units']:,}",
            f"{stage['copies']:,}",
            f"{stage['stage_ns'] / 1e3:.4g}",
        )
        stages.add_row(*cells)
    constants = Table(title="constants")
    for column in ("constant", "value", "unit", "confidence", "source"):
        constants.add_column(column, overflow="fold")
    for found in explained.constants:
        constants.add_row(found.name, f"{found.value:g}", found.unit, found.confidence, found.source)
    return [sums, stages, constants]


def _machines(result: MachineComparison, machines: tuple[ComparedMachine, ...], title: str) -> Table:
    table = Table(title=title)
    for column in (
        "machine",
        "precision",
        "chips",
        "copies",
        "mm2",
        "latency us",
        "inputs/s",
        "uJ",
        "pJ/MAC",
        "speed",
        "latency",
        "energy",
    ):
        table.add_column(
            column, justify="left" if column in ("machine", "precision") else "right", overflow="fold"
        )
    for found in machines:
        speed = "does not fit" if found.speed_gain is None else f"{found.speed_gain:.3g}x"
        table.add_row(
            found.machine,
            found.precision,
            f"{found.chips:,}",
            f"{found.network_copies:,}",
            f"{found.area_mm2:,.4g}",
            f"{found.latency_ns / 1e3:,.4g}",
            f"{found.throughput_per_s:,.4g}",
            f"{found.energy_pj / 1e6:,.4g}",
            f"{found.energy_pj_per_mac:.3g}",
            speed,
            f"{found.latency_gain:.3g}x",
            f"{found.energy_gain:.3g}x",
        )
    return table
