"""Accuracy of a composed network in words, a table and a chart, with what the sample size can and cannot tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rapidnn.execute.evaluate import Evaluation
from rapidnn.report.charts import Chart, Figure, axis, marker, named_axis
from rapidnn.report.data import Cell, Column, DataTable, percent, real

MAX_CLASSES = 100

_Z95 = 1.959963984540054
"""Two-sided 95 % point of the normal distribution."""


def evaluation_data(evaluation: Evaluation) -> DataTable:
    """The figures of an evaluation as (figure, value) rows; those that are not known are left out."""
    rows: list[tuple[Cell, ...]] = [("samples", f"{evaluation.samples:,}")]
    if evaluation.float_accuracy is not None:
        rows.append(("float accuracy", percent(evaluation.float_accuracy)))
    rows.append(("composed accuracy", accuracy_text(evaluation)))
    if evaluation.loss is not None:
        rows.append(("loss (float - composed)", _loss_text(evaluation)))
    if evaluation.agreement is not None:
        rows.append(("same answer as float", percent(evaluation.agreement)))
    if evaluation.sqnr_db is not None:
        rows.append(("output SQNR", f"{real(evaluation.sqnr_db)} dB"))
    return DataTable(
        (Column("figure", "figure", style="text"), Column("value", "value", style="text")), tuple(rows)
    )


def stored_validation(info: Mapping[str, Any]) -> Evaluation | None:
    """The evaluation on validation data that an artifact's ``info`` holds; None if there is none of a known form."""
    record = info.get("validation")
    if not isinstance(record, Mapping):
        return None
    from pydantic import TypeAdapter, ValidationError

    try:
        found = TypeAdapter(Evaluation).validate_python(dict(record))
    except ValidationError:
        return None
    shares = (found.accuracy, found.accuracy_stderr, found.float_accuracy, found.loss, found.agreement)
    sound = found.samples >= 1 and all(-1 <= share <= 1 for share in shares if share is not None)
    return found if sound else None


def accuracy_text(evaluation: Evaluation) -> str:
    """Composed accuracy with its standard error."""
    return f"{percent(evaluation.accuracy)} ± {100 * evaluation.accuracy_stderr:.2f} (standard error)"


def loss_stderr(evaluation: Evaluation) -> float | None:
    """An upper bound of the standard error of the loss, from the share of samples whose answers differ.

    Both networks see the same samples, so the loss is the mean of per-sample differences d in {-1, 0, 1}; d is not 0
    only where the answers differ, hence variance of d <= (1 - agreement) - loss**2. None without a float network.
    """
    if evaluation.loss is None or evaluation.agreement is None:
        return None
    variance = max(0.0, 1 - evaluation.agreement - evaluation.loss**2)
    return math.sqrt(variance / evaluation.samples)


def _loss_text(evaluation: Evaluation) -> str:
    assert evaluation.loss is not None
    error = loss_stderr(evaluation)
    bound = "" if error is None else f" ± at most {100 * error:.2f}"
    return f"{100 * evaluation.loss:.2f} points{bound}"


def loss_reading(evaluation: Evaluation) -> str:
    """What the evaluation says about the loss, and whether its samples can tell it from none."""
    error = loss_stderr(evaluation)
    if evaluation.loss is None or error is None:
        return (
            f"The composed network answers {accuracy_text(evaluation)} of {evaluation.samples:,} samples rightly; "
            "the loss against its float original is not known, since the float network was not evaluated."
        )
    if error == 0 and evaluation.agreement == 1:
        return f"On all {evaluation.samples:,} samples the tables give the float network's answer: no accuracy is lost."
    if abs(evaluation.loss) <= 2 * error:
        verdict = "within two standard errors of zero, so these samples cannot tell it from no loss"
    else:
        verdict = "more than two standard errors from zero"
    return f"Tables cost {_loss_text(evaluation)} of top-1 accuracy on {evaluation.samples:,} samples: {verdict}."


def wilson_interval(accuracy: float, samples: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson, JASA 1927): it stays in [0, 1] and does not vanish at 0 or 1."""
    square = _Z95**2
    centre = (accuracy + square / (2 * samples)) / (1 + square / samples)
    spread = math.sqrt(accuracy * (1 - accuracy) / samples + square / (4 * samples**2))
    half = _Z95 * spread / (1 + square / samples)
    return max(0.0, centre - half), min(1.0, centre + half)


def class_chart(evaluation: Evaluation) -> Chart:
    """Accuracy of every class that has samples with its 95 % interval; of more than 100 classes, the lowest 100."""
    known = [
        (index, samples, accuracy, *wilson_interval(accuracy, samples))
        for index, (samples, accuracy) in enumerate(
            zip(evaluation.class_samples, evaluation.class_accuracy, strict=True)
        )
        if accuracy is not None
    ]
    shown = (
        sorted(known, key=lambda row: (row[2], row[0]))[:MAX_CLASSES] if len(known) > MAX_CLASSES else known
    )
    percents = [(i, n, *(100 * share for share in shares)) for i, n, *shares in shown]
    table = DataTable(
        (
            Column("class", "class"),
            Column("samples", "samples"),
            Column("accuracy", "accuracy", "%"),
            Column("low", "95 % interval from", "%"),
            Column("high", "95 % interval to", "%"),
        ),
        tuple(percents),
    )
    return Chart(
        "classes",
        "Accuracy by class",
        _class_reading(evaluation, len(known)),
        _class_figure(table, percents),
        table,
    )


def _class_figure(table: DataTable, rows: list[tuple[Any, ...]]) -> Figure:
    """A dot and its interval for each class, on an axis that starts below the lowest interval."""
    accuracy = [row[2] for row in rows]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": accuracy,
        "y": list(range(len(rows))),
        "marker": {**marker(0), "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - value for value, (*_, high) in zip(accuracy, rows, strict=True)],
            "arrayminus": [value - row[3] for value, row in zip(accuracy, rows, strict=True)],
            "color": "#8C8C8C",
            "thickness": 2,
        },
        "hovertemplate": "%{x:.2f} %<extra></extra>",
    }
    low = min(row[3] for row in rows)
    layout = {
        "xaxis": axis("accuracy and its 95 % interval (%)", range=[max(-1.0, low - 3), 101]),
        "yaxis": named_axis(table.column("class"), range=[len(rows) - 0.4, -0.6], title={"text": "class"}),
        "height": 130 + 20 * len(rows),
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout}


def _class_reading(evaluation: Evaluation, known: int) -> str:
    scored = [(a, i) for i, a in enumerate(evaluation.class_accuracy) if a is not None]
    low, worst = min(scored)
    high, best = max(scored, key=lambda pair: (pair[0], -pair[1]))
    if low == high:
        text = f"All {known} classes with samples have the same accuracy, {percent(low)}"
    else:
        below, above = wilson_interval(low, evaluation.class_samples[worst])
        text = (
            f"Class {worst} is hardest at {percent(low)} of its {evaluation.class_samples[worst]:,} samples "
            f"(95 % interval {100 * below:.1f} to {100 * above:.1f} %), class {best} easiest at {percent(high)}"
        )
    missing = len(evaluation.class_samples) - known
    if missing:
        text += f"; {missing} class{'es have' if missing > 1 else ' has'} no samples"
    if known > MAX_CLASSES:
        text += f"; the {MAX_CLASSES} hardest of {known} are drawn"
    return text + "."
