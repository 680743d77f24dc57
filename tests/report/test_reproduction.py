"""A reproduction's page: its charts hold the result's figures, and what cannot be drawn is in the tables."""

import json
from statistics import geometric_mean

import pytest

from rapidnn.errors import DataError
from rapidnn.report.reproduction import render_reproduction
from rapidnn.reproduction.result import read_reproduction
from tests.cli.conftest import run_cli, run_json
from tests.report.pages import Page
from tests.report.reproductions import reproduction


@pytest.fixture(scope="module")
def page():
    return Page(render_reproduction(reproduction()))


def test_every_part_is_there(page):
    assert page.chart_ids() == [
        "loss-sizes", "energy-sizes", "speed-gains", "energy-gains", "claims-ratio", "sharing-cost", "tornado-ends"
    ]  # fmt: skip
    sections = [a["id"] for a in page.all("section")]
    assert sections == ["summary", "quality", "gains", "claims", "sharing", "tornado"]
    for chart in page.chart_ids():
        assert len(page.csv(chart)) > 1
    assert "a note & more" in page.text
    assert "1 trained" in page.text


def test_charts_hold_the_figures(page):
    found = reproduction()
    losses = page.csv("loss-sizes")[1:]
    assert [float(row[2]) for row in losses] == [100 * r.quality.loss for r in found.rows if r.quality]
    assert len(page.csv("energy-sizes")[1:]) == len(found.rows)
    speed = page.csv("speed-gains")
    assert [row[0] for row in speed[1:]] == ["<A>", "B", "mean of 2"]
    assert float(speed[1][1]) == found.rows[1].gains[0].speed
    assert float(speed[2][1]) == found.rows[2].gains[0].speed
    drawn = page.spec("claims-ratio")["data"][0]["x"]
    assert drawn == [claim.ratio for claim in found.claims if claim.ratio]
    assert len(page.csv("all-claims")[1:]) == len(found.claims)
    assert page.csv("sharing-table")[-1][-1] == "does not fit"
    assert all(row[1] != "64" for row in page.csv("sharing-cost")[1:])


def test_the_tornado_has_both_ends(page):
    spec = page.spec("tornado-ends")
    low, high = spec["data"]
    assert low["x"] == [pytest.approx(0.2)]
    assert high["x"] == [pytest.approx(0.4), pytest.approx(0.3)]
    now = geometric_mean(value for gain in reproduction().mean_gains for value in (gain.speed, gain.energy))
    assert spec["layout"]["shapes"][-1]["x0"] == pytest.approx(now)
    assert len(spec["layout"]["shapes"]) == 2


def test_the_command_takes_its_folder_or_its_file(tmp_path):
    (tmp_path / "out").mkdir()
    file = tmp_path / "out" / "reproduction.json"
    file.write_text(json.dumps(reproduction().to_json() | {"files": {"json": "x"}}))
    assert read_reproduction(file) == reproduction()
    for given in (file, tmp_path / "out"):
        document = run_json("report", given, "-o", tmp_path / "r.html")
        assert document["result"]["kind"] == "reproduction"
        assert "loss-sizes" in Page((tmp_path / "r.html").read_text("utf-8")).chart_ids()
    refused = run_cli("report", tmp_path / "out", "--data", "digits", "-o", tmp_path / "r.html", check=2)
    assert "--data belongs to the report of an artifact" in refused.stderr
    assert "also an input" in run_cli("report", file, "-o", file, check=2).stderr


@pytest.mark.parametrize("text", ["[]", "{}", "no", '{"rows": [], "claims": 3}', "{" * 100])
def test_other_files_are_refused_in_one_line(tmp_path, text):
    file = tmp_path / "reproduction.json"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        read_reproduction(tmp_path)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError):
        read_reproduction(tmp_path / "absent.json")


def test_nothing_of_it_may_be_empty(tmp_path):
    file = tmp_path / "r.json"
    file.write_text(json.dumps(reproduction().to_json() | {"rows": []}))
    with pytest.raises(DataError, match="no application"):
        read_reproduction(file)
