"""Charts draw exactly what their tables hold, and their tables hold what the network and the machine say."""

import csv
import io

import numpy as np
import pytest

from rapidnn.report import machine_charts as machine
from rapidnn.report.accuracy import class_chart
from rapidnn.report.activations import activation_charts
from rapidnn.report.charts import label
from rapidnn.report.data import Column, DataTable
from rapidnn.report.distribution_charts import weight_charts
from rapidnn.report.layers import codebook_chart, product_charts
from tests.report.networks import cnn, cost_of, evaluation_of, mlp, tanh_net


def numbers(chart, key):
    """A column read back from the chart's CSV."""
    rows = list(csv.reader(io.StringIO(chart.table.csv())))
    index = [column.key for column in chart.table.columns].index(key)
    assert rows[0][index] == chart.table.columns[index].csv_title
    return [float(row[index]) for row in rows[1:]]


@pytest.mark.parametrize("granularity", ["layer", "channel"])
def test_weight_charts(granularity):
    composed = cnn(granularity=granularity)
    charts = weight_charts(composed.program)
    assert [chart.title for chart in charts] == ["conv1", "conv2", "conv3", "out"]
    for chart in charts:
        trace = chart.figure["data"][0]
        assert trace["x"] == numbers(chart, "value")
        assert trace["y"] == numbers(chart, "count")
        step = composed.program.step[chart.title]
        assert sum(trace["y"]) == step.weight_codes.size
        if granularity == "layer":
            values = step.values[0] * step.scales[0]
            assert trace["x"] == values.tolist()
            assert trace["y"] == [(step.weight_codes == code).sum() for code in range(len(values))]


def test_product_charts():
    composed = cnn()
    for chart in product_charts(composed.program):
        rows = list(csv.reader(io.StringIO(chart.table.csv())))[1:]
        drawn = [[int(cell) for cell in row[1:]] for row in rows]
        assert chart.figure["data"][0]["z"] == drawn
        assert drawn == composed.program.step[chart.title].products[0].tolist()


def test_large_product_tables_are_thinned():
    charts = product_charts(mlp(weights=256, inputs=256, operand_bits=16).program)
    assert all(np.size(chart.figure["data"][0]["z"]) <= 64 * 64 for chart in charts)


def test_codebook_chart():
    composed = cnn()
    chart = codebook_chart(composed.program)
    drawn = [value for trace in chart.figure["data"] for value in trace["x"]]
    assert drawn == numbers(chart, "relative")
    values = [v for g in composed.program.groups for v in (g.values * g.scale).tolist()]
    assert sorted(numbers(chart, "value")) == sorted(values)
    assert max(map(abs, drawn)) == 1


def test_class_chart():
    evaluation = evaluation_of(mlp())
    chart = class_chart(evaluation)
    trace = chart.figure["data"][0]
    assert trace["x"] == numbers(chart, "accuracy")
    assert trace["x"] == pytest.approx([100 * a for a in evaluation.class_accuracy])
    ends = np.array(trace["x"]) + trace["error_x"]["array"]
    assert ends.tolist() == pytest.approx(numbers(chart, "high"))


def test_activation_charts():
    charts = activation_charts(tanh_net().program)
    assert len(charts) == 1
    assert activation_charts(cnn().program) == []
    for key, trace in zip(("exact", "table", "error"), charts[0].figure["data"], strict=True):
        assert trace["x"] == numbers(charts[0], "x")
        assert trace["y"] == numbers(charts[0], key)


def test_machine_charts():
    cost = cost_of(cnn())
    charts = {chart.id: chart for chart in machine.machine_charts(cost)}
    assert set(charts) >= {"energy", "components", "stages", "cycles", "area"}
    for chart in (charts[name] for name in ("energy", "components", "stages", "cycles", "area")):
        traces = chart.figure["data"]
        keys = [c.key for c in chart.table.columns if c.key not in ("name",)]
        assert [trace["x"] for trace in traces] == [numbers(chart, key) for key in keys]
    stages = [layer.stage_ns for layer in cost.by_layer]
    shown = numbers(charts["stages"], "value")
    assert np.array(shown) / shown[0] == pytest.approx(np.array(stages) / stages[0])
    assert sum(numbers(charts["area"], "value")) == pytest.approx(cost.area_um2 / 1e6)


def test_what_is_not_drawn_by_itself_is_drawn_together(monkeypatch):
    cost = cost_of(cnn())
    whole = machine._energy(cost)
    monkeypatch.setattr(machine, "MAX_ROWS", 3)
    monkeypatch.setattr(machine, "MAX_SERIES", 2)
    few = machine._energy(cost)
    assert len(few.table.rows) == 3
    assert len(few.figure["data"]) == 2

    def total(chart):
        return sum(sum(row[1:]) for row in chart.table.rows)

    assert total(few) == pytest.approx(total(whole))
    assert few.table.rows[-1][0] == "4 other layers"
    unit = {"pJ": 1, "nJ": 1e3, "µJ": 1e6}[whole.table.columns[1].unit]
    assert total(whole) * unit == pytest.approx(cost.energy_pj)


def test_labels_keep_their_ends_and_lose_their_markup():
    assert label("<i>&</i>") == "&lt;i&gt;&amp;&lt;/i&gt;"
    assert label("a" * 40 + "end").endswith("end")
    assert len(label("x" * 500)) <= 28


def test_csv_quotes_and_keeps_precision():
    table = DataTable(
        (Column("a", "name", style="text"), Column("b", "value", "pJ"), Column("c", "part", style="share")),
        (('say "x", twice\nover', 0.1 + 0.2, None), ("b", 3, 0.25)),
    )
    rows = list(csv.reader(io.StringIO(table.csv())))
    assert rows == [
        ["name", "value (pJ)", "part"],
        ['say "x", twice\nover', "0.30000000000000004", ""],
        ["b", "3", "0.25"],
    ]
    assert table.shown() == [['say "x", twice\nover', "0.3", "\u2013"], ["b", "3", "25.00"]]
    assert [column.title for column in table.columns] == ["name", "value (pJ)", "part (%)"]
