"""What notebooks show of results, and their data frames."""

from dataclasses import dataclass

import numpy as np
import pytest

from rapidnn.composer.budget import BudgetReport, Trial
from rapidnn.composer.finetune.finetune import EpochReport, FinetuneReport, Schedule
from rapidnn.frames import frame
from rapidnn.machine.network import collect_statistics
from rapidnn.report import facts
from rapidnn.rivals.compare import compare
from tests.report.networks import cnn, cost_of, evaluation_of, mlp
from tests.report.pages import Page


def inputs_for(composed):
    return np.random.default_rng(3).normal(size=(4, *composed.program.input_shape)).astype(np.float32)


def test_a_network():
    composed = cnn()
    evil = "<b>net</b>"
    composed.info |= {"network": evil, "validation": evaluation_of(composed).to_json()}
    page = Page(composed._repr_html_())
    assert evil in page.text
    assert not page.all("b")
    assert not page.scripts
    names = [layer.name for layer in facts.layers(composed.program)]
    assert [row[0] for row in page.tables[0][1:]] == names
    assert composed.to_frame().index.tolist() == names
    assert composed.to_frame().loc["conv1", "taps"] == 18


def test_a_cost_an_evaluation_and_a_comparison():
    composed = mlp()
    cost = cost_of(composed)
    page = Page(cost._repr_html_())
    assert [len(table) - 1 for table in page.tables][1] == len(cost.by_layer)
    evaluation = evaluation_of(composed)
    assert f"{100 * evaluation.accuracy:.2f} %" in Page(evaluation._repr_html_()).text
    result = compare(composed, inputs_for(composed), ["isaac"])
    page = Page(result._repr_html_())
    assert [row[0] for row in page.tables[0][1:]] == ["rapidnn", "isaac", "isaac at 8 bits"]


def test_many_rows_are_cut_and_say_so(monkeypatch):
    monkeypatch.setattr("rapidnn.report.notebook._ROWS", 2)
    composed = cnn()
    page = Page(composed._repr_html_())
    assert len(page.tables[0]) == 3
    assert f"{len(composed.to_frame()) - 2} more rows" in page.text


@dataclass(frozen=True)
class Inner:
    a: int


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner
    listed: tuple[int, ...]


def test_frames_flatten_records():
    found = frame([Outer("x", Inner(1), (1, 2)), Outer("y", Inner(2), ())], "name")
    assert found.index.tolist() == ["x", "y"]
    assert found["inner.a"].tolist() == [1, 2]
    assert found.columns.tolist() == ["inner.a"]
    assert frame([], "name").empty


def test_frames_of_results():
    composed = mlp()
    statistics = collect_statistics(composed, inputs_for(composed))
    means = statistics.to_frame()["mean_addends"]
    assert means["fc1"] == statistics.steps["fc1"].mean_addends
    budget = BudgetReport(0.1, 0.0, True, 5, 1.0, "x", None, 5, (Trial(0.1, 2.0), Trial(0.0, 3.0)))
    assert budget.to_frame()["predicted_uj"].tolist() == [2.0, 3.0]


@pytest.mark.parametrize("losses", [(None, 0.5), (None,)])
def test_epochs(losses):
    epochs = tuple(EpochReport(i, loss, 0.5) for i, loss in enumerate(losses))
    report = FinetuneReport(epochs, 0, 1, 1, 1, "cpu", Schedule(), ())
    assert report.to_frame().index.tolist() == list(range(len(losses)))
