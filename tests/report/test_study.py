"""A search's page: every design drawn once, the front's commands, linked views."""

import pytest

from rapidnn.report.study import render_study, scale
from rapidnn.search.objectives import Constraint
from rapidnn.search.result import Exploration, TrialRecord
from tests.report.pages import Page


def study(trials=6):
    made = [
        TrialRecord(
            i,
            {"weights": 2**i, "inputs": 16, "rna.columns": 512},
            {"loss": 0.5 / 2**i, "energy": 10.0 * 2**i, "area": 5.0 + i % 2},
            samples=64 * (i % 3),
            verified=i > 2,
            refused="does not fit" if i == 0 else None,
        )
        for i in range(trials)
    ]
    bound = Constraint("energy", 1000.0)
    return Exploration.of(("loss", "energy", "area"), (bound,), "rapidnn-hpca20", 100, made)


def test_the_page():
    found = study()
    page = Page(render_study(found, "<net>", "<study>"))
    assert page.chart_ids() == ["front-energy", "front-area"]
    numbers = {trial.number for trial in found.trials if trial.refused is None}
    for chart, name in (("front-energy", "energy"), ("front-area", "area")):
        spec, rows = page.spec(chart), page.csv(chart)[1:]
        assert {int(row[1]) for row in rows} == numbers
        assert len(rows) == len(numbers)
        assert [float(row[3]) for row in rows] == [y for trace in spec["data"] for y in trace["y"]]
        for row in rows:
            factor, unit = scale(found, name)
            assert float(row[3]) == factor * found.trials[int(row[1])].figures[name]
            assert f"({unit})" in page.csv(chart)[0][3]
        assert spec["layout"]["meta"]["link"] == "trials"
    designs = page.csv("front-designs")
    assert [int(row[0]) for row in designs[1:]] == [trial.number for trial in found.front]
    assert "rapidnn compose --from-study '<study>' --trial" in page.text
    assert "rna.columns=512" in page.text
    assert "energy at most 1,000" in page.text


def test_no_front_yet():
    page = Page(render_study(study(2), "net", "study"))
    assert "no front" in page.text
    assert "front-designs" not in page.text


def test_units_fit_the_front():
    found = study()
    assert scale(found, "loss") == (100.0, "points")
    factor, unit = scale(found, "energy")  # 80 to 320 pJ
    assert unit == "pJ"
    assert factor == pytest.approx(1.0)
    assert scale(found, "area") == (1e-6, "mm²")
