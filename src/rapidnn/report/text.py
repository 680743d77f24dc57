"""Terminal tables of the facts the HTML report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from rapidnn.errors import ArtifactError
from rapidnn.execute.evaluate import Evaluation
from rapidnn.machine.cost import Cost
from rapidnn.report import facts
from rapidnn.report.accuracy import accuracy_text, evaluation_data, loss_stderr, stored_validation
from rapidnn.report.data import ABSENT, DataTable, percent, real
from rapidnn.report.layers import layer_data
from rapidnn.report.machine import comparison_data, component_data, cost_data, layer_cost_data
from rapidnn.tables.program import Program

_LAYER_KEYS = (
    "name",
    "kind",
    "shape",
    "taps",
    "weights",
    "inputs",
    "operand_bits",
    "shift",
    "word_bits",
    "macs",
)
_LAST_KEYS = ("memory_bytes", "joins", "then")
_TEXT_WIDTH = 12

_STAGE_KEYS = ("name", "neurons", "blocks", "replicas", "addends", "cycles", "stage", "energy", "share")
_COMPONENT_KEYS = ("component", "energy", "share", "bits")
_COMPARISON_KEYS = ("figure", "unit", "achieved", "stated", "ratio", "confidence")


def layer_table(program: Program) -> Table:
    """The layers of a composed network; ``joined by`` names what enters an open accumulator."""
    return _table(layer_data(facts.layers(program)), "layers", _LAYER_KEYS + _LAST_KEYS)


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
    return _table(evaluation_data(evaluation), "accuracy")


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


def cost_tables(cost: Cost) -> list[Table]:
    """The machine's figures, energy by component, stages, figures beside stated ones, and what to keep in mind."""
    notes = _frame("keep in mind", show_header=False)
    for note in cost.notes:
        notes.add_row(Text(note))
    for item, reason in cost.zeros.items():
        notes.add_row(Text(f"not charged: {item} ({reason})"))
    tables = [
        _table(cost_data(cost), "one input on the machine"),
        _table(component_data(cost), "energy by component", _COMPONENT_KEYS),
        _table(layer_cost_data(cost), "stages", _STAGE_KEYS),
        _table(comparison_data(cost), "achieved beside stated", _COMPARISON_KEYS),
        notes,
    ]
    return [table for table in tables if table.row_count]


def _table(data: DataTable, title: str, keys: Sequence[str] | None = None) -> Table:
    kept = [i for i, column in enumerate(data.columns) if keys is None or column.key in keys]
    chosen = [
        i for i in kept if data.columns[i].style != "text" or any(row[i] is not None for row in data.rows)
    ]
    shown = data.shown()
    table = _frame(title, show_header=len(data.columns) > 2)
    for index in chosen:
        column = data.columns[index]
        text = column.style == "text"
        table.add_column(
            Text(column.brief or column.title),
            justify="left" if text else "right",
            overflow="fold",
            no_wrap=not text,
            min_width=min(_TEXT_WIDTH, max(len(row[index]) for row in shown)) if text else None,
        )
    for row in shown:
        table.add_row(*(Text(row[index]) for index in chosen))
    return table


def _frame(title: str, *, show_header: bool) -> Table:
    return Table(
        title=title, title_justify="left", show_header=show_header, box=box.SIMPLE, padding=(0, 1, 0, 0)
    )
