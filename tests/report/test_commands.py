"""The commands that write pages, as a user types them."""

import numpy as np

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
    refused = run_cli("compare", *given, "--html", tmp_path / "f.rapidnn", check=2)
    assert "also an input" in refused.stderr
