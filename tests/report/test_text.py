"""Terminal tables show the same facts, and markup in names is text."""

import io

import pytest
from rich.console import Console

from rapidnn.errors import ArtifactError
from rapidnn.report import text
from tests.report.networks import cnn, cost_of, evaluation_of, mlp


def printed(*items, width=120):
    out = io.StringIO()
    Console(width=width, file=out).print(*items)
    return out.getvalue()


def test_layer_and_group_tables():
    program = cnn().program
    shown = printed(text.layer_table(program), text.group_table(program))
    for name in ("conv1", "conv3", "average pool", "joined by", "max pool"):
        assert name in shown
    row = next(line for line in shown.splitlines() if line.split()[:1] == ["conv3"])
    assert "pool" in row


@pytest.mark.parametrize("width", [80, 120])
def test_every_layer_keeps_its_name_and_numbers(width):
    program, cost = mlp().program, cost_of(mlp())
    for table in (text.layer_table(program), next(t for t in text.cost_tables(cost) if t.title == "stages")):
        lines = [line.split() for line in printed(table, width=width).splitlines()]
        firsts = [line[0] for line in lines if line]
        assert {"input", "fc1", "out"} <= set(firsts)
        assert max(map(len, printed(table, width=width).splitlines())) <= width


def test_markup_is_text():
    assert "[red]fc" in printed(text.layer_table(mlp(first="[red]fc").program))


def test_evaluation_table():
    evaluation = evaluation_of(mlp())
    shown = printed(text.evaluation_table(evaluation))
    assert f"{100 * evaluation.accuracy:.2f} %" in shown
    assert f"{100 * evaluation.float_accuracy:.2f} %" in shown
    assert "float accuracy" not in printed(text.evaluation_table(evaluation_of(mlp(), with_float=False)))


def test_cost_tables():
    cost = cost_of(mlp())
    shown = " ".join(printed(*text.cost_tables(cost)).split())
    for words in (
        "latency of one input",
        "recalled-medium",
        "mixed records",
        "leakage",
        "lifetime of the hottest",
    ):
        assert words in shown
    parts = {line.split()[0] for line in printed(text.cost_tables(cost)[1]).splitlines() if line.strip()}
    for component, energy in cost.by_component.items():
        assert (component in parts) == (energy > 0 or cost.bits_by_component[component] > 0)


def test_validation_line():
    evaluation = evaluation_of(mlp())
    line = text.validation_line(evaluation.to_json()).plain
    assert f"{evaluation.samples:,} samples" in line
    assert "at most" in line
    with pytest.raises(ArtifactError, match="compose it again"):
        text.validation_line({"accuracy": 1})
