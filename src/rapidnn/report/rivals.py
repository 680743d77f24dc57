"""A comparison of machines as terminal tables, and the sum behind a rival's energy, term by term."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rapidnn.rivals.compare import BASES, MachineComparison
from rapidnn.rivals.cost import RivalCost
from rapidnn.rivals.description import records
from rapidnn.rivals.figures import ComparedMachine
from rapidnn.rivals.machines import EIGHT_BIT, rival
from rapidnn.rivals.measured import MeasuredMachine


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
    """Machines at their own precision, the analog ones at 8 bits, the machine at hand, and what the gains mean."""
    yield _machines(result.machines, f"basis: {BASES[result.basis]}")
    if result.eight_bit:
        yield _machines(result.eight_bit, "scaled to 8 bits")
    if result.measured is not None:
        yield _measured(result.measured)
    accuracy = "not measured" if result.accuracy is None else f"{result.accuracy:.2%} (validation)"
    node = "each at its own node" if result.node_nm is None else f"all at {result.node_nm:g} nm"
    zeros = "zero products charged" if result.dense else "zero products skipped"
    yield Text(
        f"{result.macs:,} MACs; {node}; {zeros}; accuracy of the tables {accuracy}. Gains say how many times better "
        f"{result.hardware} is; below 1 it is worse. "
        + "; ".join(f"{m.machine}: {m.precision}" for m in result.machines)
        + "."
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


def _machines(machines: tuple[ComparedMachine, ...], title: str) -> Table:
    """A column a machine, so that seven of them fit a terminal of 80 columns."""
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("", no_wrap=True)
    for found in machines:
        table.add_column(found.machine, justify="right", no_wrap=True)
    for heading, cell in _ROWS:
        table.add_row(heading, *(cell(found) for found in machines))
    return table


def _short(value: float) -> str:
    """Three digits, without the padding of an exponent."""
    mantissa, _, exponent = f"{value:.3g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else mantissa


def _speed(found: ComparedMachine) -> str:
    return "no fit" if found.speed_gain is None else f"{found.speed_gain:.3g}x"


_ROWS: tuple[tuple[str, Callable[[ComparedMachine], str]], ...] = (
    ("chips", lambda m: f"{m.chips:,}"),
    ("copies", lambda m: f"{m.network_copies:,}"),
    ("node nm", lambda m: f"{m.node_nm:g}"),
    ("mm2", lambda m: f"{m.area_mm2:,.4g}"),
    ("latency us", lambda m: f"{m.latency_ns / 1e3:,.4g}"),
    ("inputs/s", lambda m: _short(m.throughput_per_s)),
    ("uJ", lambda m: f"{m.energy_pj / 1e6:,.4g}"),
    ("pJ/MAC", lambda m: f"{m.energy_pj_per_mac:.3g}"),
    ("speed gain", _speed),
    ("latency gain", lambda m: f"{m.latency_gain:.3g}x"),
    ("energy gain", lambda m: f"{m.energy_gain:.3g}x"),
)


def _measured(found: MeasuredMachine) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=f"measured here: {found.machine}")
    table.add_column("", no_wrap=True)
    table.add_column(f"{found.runtime}, {found.precision}, {found.threads} threads", justify="right")
    energy = found.energy_source if found.energy_pj is None else f"{found.energy_pj / 1e6:,.4g}"
    gain = "unknown" if found.energy_gain is None else f"{found.energy_gain:.3g}x"
    table.add_row("latency us", f"{found.latency_ns / 1e3:,.4g}")
    table.add_row(f"inputs/s in batches of {found.batch}", _short(found.throughput_per_s))
    table.add_row("uJ", energy)
    table.add_row("speed gain (machine by machine)", f"{found.speed_gain:.3g}x")
    table.add_row("latency gain", f"{found.latency_gain:.3g}x")
    table.add_row("energy gain", gain)
    return table
