"""Terminal tables of the facts the HTML report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from rapidnn.composer.baseline import Comparison
from rapidnn.composer.fixed_point import FixedPoint
from rapidnn.errors import ArtifactError
from rapidnn.execute.evaluate import Evaluation
from rapidnn.machine.cost import Cost
from rapidnn.report import facts
from rapidnn.report.accuracy import accuracy_text, evaluation_data, loss_stderr, stored_validation
from rapidnn.report.audit import audit_data, two_ways_data
from rapidnn.report.blame import beside_data, blame_data
from rapidnn.report.data import ABSENT, DataTable, percent, quantity, real
from rapidnn.report.fixed_point import rounding_data, width_data
from rapidnn.report.layers import layer_data
from rapidnn.report.machine import (
    comparison_data,
    component_data,
    cost_data,
    layer_cost_data,
    lifetime,
    peak_data,
)
from rapidnn.tables.program import Program

_TEXT_WIDTH = 12
"""Characters of a text that stand on one line at least."""
_GOOD_WIDTH = 18
"""Characters of a text that stand on one line where columns can be moved to make room."""

_LAYER_KEYS = (
    "name",
    "kind",
    "runs_on",
    "shape",
    "taps",
    "weights",
    "inputs",
    "operand_bits",
    "shift",
    "word_bits",
    "macs",
    "host_macs",
    "memory_bytes",
    "joins",
    "then",
)
_STAGE_KEYS = (
    "name",
    "runs_on",
    "neurons",
    "blocks",
    "replicas",
    "addends",
    "cycles",
    "stage",
    "energy",
    "share",
)
_COMPONENT_KEYS = ("component", "energy", "share", "bits")
_COMPARISON_KEYS = ("figure", "unit", "achieved", "stated", "ratio", "confidence")

_LAYER_SPARE = (
    "joins",
    "then",
    "shift",
    "operand_bits",
    "memory_bytes",
    "word_bits",
    "host_macs",
    "inputs",
    "weights",
)
_LIFETIMES = {
    "hottest": "the cell written most",
    "rotated": "with the working rows rotated",
    "levelled": "with perfect levelling",
}
_CONTINUED = ", continued"
_STAGE_SPARE = ("replicas", "addends", "neurons", "cycles", "runs_on")


def layer_table(program: Program) -> FittedTable:
    """The layers of a composed network; ``joined by`` names what enters beside a layer's own source."""
    return FittedTable(layer_data(facts.layers(program)).only(*_LAYER_KEYS), "layers", _LAYER_SPARE)


def group_table(program: Program) -> Table:
    """The input codebooks: size, grid, range of real values, the code of an exact zero, and who shares them."""
    table = _frame("input codebooks", show_header=True)
    for heading in ("codebook", "codes", "bits", "from", "to", "pad code", "edges"):
        table.add_column(
            heading, justify="left" if heading in ("codebook", "edges") else "right", overflow="fold"
        )
    for group in facts.groups(program):
        pad = ABSENT if group.pad_code is None else str(group.pad_code)
        ends = (real(group.values[0]), real(group.values[-1]))
        cells = (group.name, str(len(group.values)), str(group.bits), *ends, pad, ", ".join(group.edges))
        table.add_row(*map(Text, cells))
    return table


def evaluation_table(evaluation: Evaluation) -> Table:
    """Accuracy, and the comparison with the float network where there is one."""
    return _table(evaluation_data(evaluation), "accuracy", header=False)


def validation_line(record: Mapping[str, Any]) -> Text:
    """An artifact's stored ``info["validation"]`` as one line.

    Raises
    ------
    ArtifactError
        If the record has another form.
    """
    found = stored_validation({"validation": record})
    if found is None:
        raise ArtifactError(
            "the artifact's record of its validation is not of a known form; compose it again"
        )
    text = f"validation: composed {accuracy_text(found)} on {found.samples:,} samples"
    error = loss_stderr(found)
    if found.float_accuracy is not None and found.loss is not None and error is not None:
        loss = f"{100 * found.loss:.2f} points ± at most {100 * error:.2f}"
        text += f", float {percent(found.float_accuracy)}, loss {loss}"
    return Text(text)


def baseline_tables(compared: Comparison) -> list[Table | FittedTable]:
    """A composed network beside uniform quantisation at equal sizes, in all and layer by layer."""
    title = (
        f"layers: SQNR over {compared.ours.edge_samples} samples; loss of each alone over "
        f"{compared.ours.alone_samples:,}"
    )
    return [
        _table(beside_data(compared), "beside uniform quantisation of equal sizes"),
        FittedTable(blame_data(compared), title, ("alone_sqnr_uniform", "alone_sqnr")),
    ]


def fixed_point_tables(found: FixedPoint) -> list[Table | FittedTable]:
    """Rounding of operands and products layer by layer, and the network against the width of a product."""
    return [
        FittedTable(rounding_data(found), "fixed point by layer", ("shift", "input_bits", "weight_bits")),
        _table(width_data(found), "held-out training data against the bits of a product"),
    ]


def budget_line(record: Mapping[str, Any]) -> Text:
    """An artifact's ``info["max_loss"]`` (`rapidnn.composer.budget.BudgetReport`) as one line."""
    verdict = "met" if record["met"] else "not met"
    text = (
        f"max loss {100 * record['bound']:g} points: {verdict} with {100 * record['loss']:.2f} after "
        f"{len(record['tried'])} trials; {quantity(record['energy_uj'] * 1e-6, 'J')} an input on {record['hardware']}"
    )
    equal = record["equal_size"]
    if equal is not None:
        energy, ratio = quantity(equal["energy_uj"] * 1e-6, "J"), equal["energy_uj"] / record["energy_uj"]
        text += f" (all codebooks of {equal['size']}: {energy}, {ratio:.2f} times as much)"
    return Text(text)


def recovery_line(report: Mapping[str, Any]) -> str:
    """What recovery without labels did, in one line."""
    layers = report["layers"]
    known = [x for x in layers if None not in (x["sqnr_before_db"], x["sqnr_after_db"])]
    before, after = (
        sum(x[key] for x in known) / max(1, len(known)) for key in ("sqnr_before_db", "sqnr_after_db")
    )
    coded = sum(x["method"] == "codes" for x in layers)
    return (
        f"recovery: {coded} of {len(layers)} layers coded anew, all biases corrected; accumulators {before:.1f} dB -> "
        f"{after:.1f} dB on average over layers, {report['samples']} samples"
    )


def finetune_line(record: Mapping[str, Any]) -> Text:
    """An artifact's ``info["finetune"]`` (`rapidnn.composer.finetune.FinetuneReport`) as one line."""
    before, taken = record["epochs"][0], record["epochs"][record["best_epoch"]]
    return Text(
        f"fine-tuned on {record['samples']} samples: validation accuracy {before['validation_accuracy']:.2%} before, "
        f"{taken['validation_accuracy']:.2%} after epoch {record['best_epoch']} of {len(record['epochs']) - 1}"
    )


def cost_tables(cost: Cost) -> list[Table | FittedTable]:
    """The machine's figures, energy by component, stages, figures beside stated ones, and what to keep in mind."""
    tables: list[Table | FittedTable] = [
        _table(cost_data(cost), "one input on the machine", header=False),
        _table(component_data(cost).only(*_COMPONENT_KEYS), "energy by component"),
        _table(two_ways_data(cost), "energy of the blocks two ways"),
        FittedTable(layer_cost_data(cost).only(*_STAGE_KEYS), "stages", _STAGE_SPARE),
        _table(peak_data(cost), "peak of one chip at reference neurons"),
        _table(comparison_data(cost).only(*_COMPARISON_KEYS), "achieved beside stated"),
        _note_table(cost),
    ]
    return [table for table in tables if table.row_count]


def audit_table(cost: Cost) -> Table:
    """Every bit that moves or is written, by structure and per multiply-accumulate."""
    return _table(audit_data(cost), "audit: bits per multiply-accumulate, and their energy")


def lifetime_table(cost: Cost, inputs_per_s: float) -> Table:
    """How long the cells last at a rate.

    Raises
    ------
    HardwareError
        If the rate is not positive or above the throughput.
    """
    table = _frame(f"lifetime at {inputs_per_s:g} inputs/s", show_header=False)
    for name, seconds in cost.lifetime_at(inputs_per_s).items():
        table.add_row(_LIFETIMES[name], lifetime(seconds))
    return table


def _note_table(cost: Cost) -> Table:
    """One line a note; what is charged nothing, and how well the constants are known, in one entry each."""
    lines = Table.grid()
    lines.add_column(no_wrap=True, overflow="ellipsis")
    for note in cost.notes:
        lines.add_row(Text(note))
    known = ", ".join(f"{count} {name}" for name, count in cost.confidence.items() if count)
    notes = _frame("keep in mind", show_header=False)
    notes.add_row(lines)
    notes.add_row(Text(f"constants by confidence: {known}"))
    notes.add_row(Text(f"charged nothing (reasons in the report and in --json): {'; '.join(cost.zeros)}"))
    return notes


class FittedTable:
    """A table that fits the console it is printed on: where it is narrow, ``spare`` columns move to further tables.

    They move in the order given, as few as are needed; the first column names the rows in all of them.
    """

    def __init__(self, data: DataTable, title: str, spare: Sequence[str]) -> None:
        self.data = data
        self.title = title
        self._spare = [key for key in spare if key in (column.key for column in data.columns)]

    @property
    def row_count(self) -> int:
        """Rows of either table."""
        return len(self.data.rows)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for moved in range(len(self._spare) + 1):
            data = self.data.without(*self._spare[:moved])
            if _width(console, options, data) <= options.max_width:
                break
        yield _table(data, self.title)
        if moved:
            kept = [column.key for column in data.columns[1:]]
            rest = self.data.without(*kept)
            if len(_shown_columns(rest)) > 1:
                # At least one moved column stays in the next table, so this ends.
                title = f"{self.title.removesuffix(_CONTINUED)}{_CONTINUED}"
                yield FittedTable(rest, title, self._spare[: moved - 1])


def _width(console: Console, options: ConsoleOptions, data: DataTable) -> int:
    """The width at which no text has to break below :data:`_GOOD_WIDTH` characters."""
    probe = _table(data, "", cut=_GOOD_WIDTH)
    return Measurement.get(console, options.update_width(10_000), probe).maximum


def _shown_columns(data: DataTable) -> list[int]:
    """All columns but those of text that are empty."""
    texts = [column.style == "text" for column in data.columns]
    return [i for i, text in enumerate(texts) if not text or any(row[i] is not None for row in data.rows)]


def _table(data: DataTable, title: str, *, header: bool = True, cut: int | None = None) -> Table:
    """``cut`` shortens texts, to measure what the table needs at least."""
    chosen = _shown_columns(data)
    shown = data.shown()
    table = _frame(title, show_header=header)
    for index in chosen:
        column = data.columns[index]
        text = column.style == "text"
        least = _TEXT_WIDTH if index else _GOOD_WIDTH
        table.add_column(
            Text(column.brief or column.title),
            justify="left" if text else "right",
            overflow="fold",
            no_wrap=not text,
            min_width=min(least, max(len(row[index]) for row in shown)) if text and shown else None,
        )
    for row in shown:
        table.add_row(*(Text(row[i][:cut] if data.columns[i].style == "text" else row[i]) for i in chosen))
    return table


def _frame(title: str, *, show_header: bool) -> Table:
    return Table(
        title=title, title_justify="left", show_header=show_header, box=box.SIMPLE, padding=(0, 1, 0, 0)
    )
