"""The commands that write pages, as a user types them."""

import json

import numpy as np
import pytest

from rapidnn.search.explore import explore
from tests.cli.conftest import run_cli, run_json
from tests.report.networks import mlp
from tests.report.pages import Page


def test_report_and_compare_write_pages(tmp_path):
    rng = np.random.default_rng(0)
    mlp().save(tmp_path / "f.rapidnn")
    data = tmp_path / "d.npz"
    np.savez(data, inputs=rng.normal(size=(30, 6)).astype(np.float32), labels=rng.integers(0, 3, 30))
    given = (tmp_path / "f.rapidnn", "--data", data)
    run_json("report", *given, "--against", "isaac,gtx1080", "-o", tmp_path / "r.html")
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert {"classes", "timeline", "addends", "inputs-0", "gains"} <= set(page.chart_ids())
    document = run_json("compare", *given, "--against", "isaac", "--html", tmp_path / "c.html")
    page = Page((tmp_path / "c.html").read_text("utf-8"))
    energy = page.csv("machine-energy")
    assert float(energy[1][1]) == document["result"]["machines"][0]["energy_pj_per_mac"]
    printed = tmp_path / "c.json"
    printed.write_text(json.dumps(document))
    assert run_json("report", printed, "-o", tmp_path / "again.html")["result"]["kind"] == "comparison"
    assert (tmp_path / "again.html").read_text("utf-8") == (tmp_path / "c.html").read_text("utf-8")
    refused = run_cli("compare", *given, "--html", tmp_path / "f.rapidnn", check=2)
    assert "also an input" in refused.stderr


@pytest.mark.slow
def test_sizes_and_levels(tmp_path):
    rng = np.random.default_rng(0)
    data = tmp_path / "d.npz"
    np.savez(data, inputs=rng.normal(size=(60, 1, 8, 8)).astype(np.float32), labels=rng.integers(0, 10, 60))
    made = ("--data", data, "--random-weights", "--recover", "none")
    run_json(
        "compose", "digits-cnn", *made, "-w", "4", "-u", "4", "--tree", "4", "-o", tmp_path / "t.rapidnn"
    )
    out = tmp_path / "r.html"
    given = (tmp_path / "t.rapidnn", "--data", data, "-o", out)
    run_json("report", *given)
    levels = Page(out.read_text("utf-8")).csv("sizes-energy")
    assert [row[0] for row in levels[1:]] == ["2", "4"]
    run_json("report", *given, "--network", "digits-cnn", "--sizes", "2,8")
    page = Page(out.read_text("utf-8"))
    assert [row[0] for row in page.csv("sizes")[1:]] == ["2", "8"]
    assert "--network" in run_cli("report", *given, "--sizes", "2,8", check=2).stderr
    bad = run_cli("report", *given, "--network", "digits-cnn", "--sizes", "1,x", check=2)
    assert "2 to 256" in bad.stderr


def test_a_study_has_a_report(tmp_path):
    rng = np.random.default_rng(0)
    net = mlp()
    study = tmp_path / "study"
    explore(
        net, rng.normal(size=(12, 6)).astype(np.float32), folder=study, objectives="energy,area", trials=5
    )
    document = run_json("report", study, "-o", tmp_path / "r.html")
    assert document["result"]["kind"] == "search"
    assert "front-area" in Page((tmp_path / "r.html").read_text("utf-8")).chart_ids()
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "journal.log" in run_cli("report", empty, "-o", tmp_path / "r.html", check=2).stderr


@pytest.mark.parametrize("change", [{"machines": []}, {"basis": "weight"}, {"macs": "many"}, {"machines": 3}])
def test_other_comparisons_are_refused_in_one_line(tmp_path, change):
    whole = {"artifact": "a", "hardware": "h", "basis": "area", "node_nm": None, "macs": 1, "accuracy": None}
    record = whole | {"machines": [], "eight_bit": []} | change
    (tmp_path / "c.json").write_text(json.dumps({"command": "compare", "result": record}))
    refused = run_cli("report", tmp_path / "c.json", "-o", tmp_path / "c.html", check=2)
    assert len(refused.stderr.splitlines()) == 1
    assert "rapidnn compare" in refused.stderr
