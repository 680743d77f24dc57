"""Results as notebooks show them: small HTML without scripts, that follows the notebook's own colours."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from rapidnn.report.data import DataTable

if TYPE_CHECKING:
    from rapidnn.execute.composed import ComposedNetwork
    from rapidnn.execute.evaluate import Evaluation
    from rapidnn.machine.cost import Cost
    from rapidnn.rivals.compare import MachineComparison

_FACTS = "text-align:left"
_ROWS = 40


def network_html(composed: ComposedNetwork) -> str:
    """A composed network: its size in a sentence, what was validated, and its layers."""
    from rapidnn.report import facts
    from rapidnn.report.accuracy import loss_reading, stored_validation
    from rapidnn.report.layers import layer_data, layers_reading

    found = facts.layers(composed.program)
    known = stored_validation(composed.info)
    lines = [layers_reading(found), *([loss_reading(known) + " (validation)"] if known else [])]
    name = str(composed.info.get("network", "network"))
    table = layer_data(found).only(
        "name", "kind", "shape", "taps", "weights", "inputs", "word_bits", "macs", "parameters"
    )
    return _block(f"ComposedNetwork: {name}", lines, table)


def cost_html(cost: Cost) -> str:
    """A cost: one sentence, the headline figures, and the stages folded away."""
    from rapidnn.report.machine import cost_data, cost_reading, layer_cost_data, lifetime_reading

    stages = f"<details><summary>Stages</summary>{_grid(layer_cost_data(cost))}</details>"
    return (
        _block(f"Cost on {cost.hardware}", [cost_reading(cost), lifetime_reading(cost)], cost_data(cost))
        + stages
    )


def comparison_html(result: MachineComparison) -> str:
    """A comparison: its sentences and the table of all machines."""
    from rapidnn.report.comparison import comparison_section

    section = comparison_section(result)
    lines = [chart.reading for chart in section.charts if chart.id == "gains"]
    return _block(
        f"{result.hardware} beside other machines", [*lines, *section.reading], section.tables[0].table
    )


def evaluation_html(evaluation: Evaluation) -> str:
    """An evaluation: what it says about the loss, and its figures."""
    from rapidnn.report.accuracy import evaluation_data, loss_reading

    return _block("Evaluation", [loss_reading(evaluation)], evaluation_data(evaluation))


def _block(title: str, lines: list[str], table: DataTable) -> str:
    said = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return f"<div><strong>{escape(title)}</strong>{said}</div>{_grid(table)}"


def _grid(table: DataTable) -> str:
    heads = "".join(f"<th scope='col'>{escape(column.title)}</th>" for column in table.columns)
    shown = table.shown()
    rows = "".join(
        "<tr>" + "".join(f"<td style='{_FACTS}'>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in shown[:_ROWS]
    )
    more = f"<p>{len(shown) - _ROWS:,} more rows: see to_frame().</p>" if len(shown) > _ROWS else ""
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}"
