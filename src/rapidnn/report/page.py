"""The report page: one HTML text with everything inside, put together from the sections' tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation
from rapidnn.machine.cost import Cost
from rapidnn.machine.statistics import ProgramStatistics
from rapidnn.report import facts
from rapidnn.report.accuracy import class_chart, evaluation_data, loss_reading, stored_validation
from rapidnn.report.activations import activation_charts
from rapidnn.report.comparison import COMPARED, comparison_section
from rapidnn.report.data import percent, quantity, real
from rapidnn.report.distribution_charts import input_charts, weight_charts
from rapidnn.report.distributions import Distributions
from rapidnn.report.html import Card, Section, Titled, render_template
from rapidnn.report.layers import (
    codebook_chart,
    layer_data,
    layers_reading,
    product_charts,
    weight_note,
)
from rapidnn.report.machine import (
    comparison_data,
    component_data,
    confidence_data,
    cost_data,
    cost_reading,
    layer_cost_data,
    lifetime,
    lifetime_reading,
    peak_data,
    zeros_data,
)
from rapidnn.report.machine_charts import machine_charts
from rapidnn.report.settings import settings_data
from rapidnn.report.sizes import SizePoint, size_charts, stored_points
from rapidnn.rivals.compare import MachineComparison

NO_EVALUATION = (
    "Accuracy was not measured for this report. Give it labelled data: rapidnn report with --data, or from Python "
    "write_report(..., evaluation=rapidnn.execute.evaluate.evaluate(composed, x, labels))."
)
NO_COST = (
    "The machine was not estimated for this report. Give it inputs: rapidnn report with --data, or from Python "
    "write_report(..., cost=rapidnn.estimate(composed, x))."
)


def render(
    composed: ComposedNetwork,
    *,
    evaluation: Evaluation | None,
    cost: Cost | None,
    title: str,
    statistics: ProgramStatistics | None = None,
    counted: Distributions | None = None,
    comparison: MachineComparison | None = None,
    sizes: Sequence[SizePoint] | None = None,
) -> str:
    """The report as one HTML text that needs no network; equal arguments give equal text.

    Parameters
    ----------
    composed
        The network; its layers, codebooks and tables are always shown, a tree's validation accuracy by level too.
    evaluation, cost
        Accuracy on labelled data and the machine's cost; without one the page says how to get it.
    title
        The page's heading, plain text.
    statistics
        What ``cost`` was computed from: adds addends and occupied counters.
    counted
        Distributions of weights and activations (:func:`rapidnn.report.distributions.distributions`).
    comparison
        Rival machines on the same network: adds a section.
    sizes
        Other codebook sizes (:mod:`rapidnn.report.sizes`); without, a tree's levels as the artifact knows them.
    """
    network = _network_context(composed, counted)
    context: dict[str, Any] = {
        "title": title,
        "sections": [
            ("summary", "Summary"),
            ("accuracy", "Accuracy"),
            ("layers", "Layers"),
            *([("activations", "Activation tables")] if network["activations"] else []),
            ("machine", "Machine"),
            *([(COMPARED, "Other machines")] if comparison else []),
        ],
        "summary": _summary(composed, evaluation, cost),
        "cards": [*_accuracy_cards(composed, evaluation), *_cost_cards(cost)],
        "machine": None if cost is None else _machine(composed, cost, statistics),
        "no_cost": NO_COST,
        "compared": None if comparison is None else comparison_section(comparison),
        **network,
        **_accuracy_context(composed, evaluation, sizes),
    }
    return render_template("report.html.j2", context)


def _summary(composed: ComposedNetwork, evaluation: Evaluation | None, cost: Cost | None) -> list[str]:
    lines = [loss_reading(evaluation)] if evaluation else []
    if composed.info.get("random_weights"):
        lines.append(
            "The network's weights are random: its accuracy means nothing, its cost is that of its shape."
        )
    return lines + ([cost_reading(cost), lifetime_reading(cost)] if cost else [])


def _accuracy_cards(composed: ComposedNetwork, evaluation: Evaluation | None) -> list[Card]:
    source = "samples"
    if evaluation is None:
        evaluation, source = stored_validation(composed.info), "validation samples, when composed"
    if evaluation is None:
        return [Card("composed accuracy", "not measured")]
    note = f"{evaluation.samples:,} {source}"
    known = evaluation.float_accuracy
    return [
        Card(
            "float accuracy",
            "not measured" if known is None else percent(known),
            "" if known is None else note,
        ),
        Card(
            "composed accuracy",
            percent(evaluation.accuracy),
            f"± {100 * evaluation.accuracy_stderr:.2f} standard error; {note}",
        ),
    ]


def _cost_cards(cost: Cost | None) -> list[Card]:
    if cost is None:
        return []
    return [
        Card("latency", quantity(cost.latency_ns * 1e-9, "s"), "one input, all stages"),
        Card("throughput", f"{real(cost.throughput_per_s)}/s", f"inputs, limited by {cost.bottleneck_layer}"),
        Card("energy", quantity(cost.energy_pj * 1e-12, "J"), "one input"),
        Card("power", quantity(cost.power_w, "W"), "full pipeline"),
        Card(
            "area",
            f"{cost.area_um2 / 1e6:,.4g} mm²",
            f"{cost.chips} whole chip{'s' if cost.chips > 1 else ''}",
        ),
        Card("lifetime", lifetime(cost.lifetime_s), "hottest cell, full throughput"),
    ]


def _machine(composed: ComposedNetwork, cost: Cost, statistics: ProgramStatistics | None) -> Section:
    recalled = sum(row.confidence.startswith("recalled") for row in cost.comparison)
    tables = (
        Titled("figures", "Figures", cost_data(cost)),
        Titled(
            "stated",
            "Achieved beside stated",
            comparison_data(cost),
            f"{recalled} of these {len(cost.comparison)} stated figures are recalled, not read in a source, and no "
            "constant was chosen to meet any of them.",
        ),
        Titled(
            "peak",
            "Peak rates of one chip",
            peak_data(cost),
            "The first row is the machine's reference neuron.",
        ),
        Titled("stages-table", "Stages", layer_cost_data(cost)),
        Titled("components-table", "Energy account", component_data(cost)),
        Titled("zeros", "Charged nothing", zeros_data(cost)),
        Titled(
            "confidence",
            "How well the constants are known",
            confidence_data(cost),
            "The constants that entered this estimate; those shown beside it, and those of programmes not chosen, did "
            "not.",
        ),
    )
    sources = f"Every constant with its source and confidence: rapidnn hardware show {cost.hardware}."
    return Section(
        "machine",
        "Machine",
        reading=(cost_reading(cost),),
        charts=tuple(machine_charts(cost, composed.program, statistics)),
        tables=tuple(table for table in tables if table.table.rows),
        notes=(*cost.notes, sources),
    )


def _network_context(composed: ComposedNetwork, counted: Distributions | None) -> dict[str, Any]:
    program = composed.program
    found = facts.layers(program)
    return {
        "settings": settings_data(composed),
        "layers": layer_data(found),
        "layers_reading": layers_reading(found),
        "weights": weight_charts(program, counted),
        "inputs": [] if counted is None else input_charts(program, counted),
        "weight_note": weight_note(program),
        "products": product_charts(program),
        "codebooks": codebook_chart(program),
        "activations": activation_charts(program),
    }


def _accuracy_context(
    composed: ComposedNetwork, evaluation: Evaluation | None, sizes: Sequence[SizePoint] | None
) -> dict[str, Any]:
    points = stored_points(composed) if sizes is None else sizes
    charts = size_charts(points)
    if evaluation is None:
        return {"evaluation": None, "no_evaluation": NO_EVALUATION, "accuracy_charts": charts}
    return {
        "evaluation": evaluation_data(evaluation),
        "accuracy_charts": [class_chart(evaluation), *charts],
    }
