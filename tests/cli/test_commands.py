"""Every command as a user types it, on the demo's network; JSON output keeps the shipped schemas."""

import json

import jsonschema
import numpy as np
import pytest
import torch

import rapidnn
from rapidnn.cli import schemas
from tests.cli.conftest import run_cli, run_json


def check_schema(document):
    name = document["command"].replace(" ", "-")
    schema = json.loads((schemas.folder() / f"{name}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)


def test_shipped_schemas_are_current():
    shipped = {path.name: path.read_text() for path in schemas.folder().iterdir()}
    assert shipped == schemas.documents()


def test_demo(demo):
    out, document = demo
    check_schema(document)
    evaluation = document["result"]["evaluation"]
    assert evaluation["float_accuracy"] >= 0.95
    assert evaluation["loss"] <= 0.02
    assert sorted(p.name for p in out.iterdir()) == [
        "digits-cnn.rapidnn",
        "digits-cnn.safetensors",
        "report.html",
    ]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<html" in page
    assert "conv2" in page


def test_evaluate_compares_with_the_float_network(demo):
    out, document = demo
    alone = run_json("evaluate", out / "digits-cnn.rapidnn")
    check_schema(alone)
    both = run_json(
        "evaluate", out / "digits-cnn.rapidnn", "--data", "digits", "--network", "digits-cnn",
        "--weights", out / "digits-cnn.safetensors",
    )  # fmt: skip
    check_schema(both)
    assert (
        alone["result"]["accuracy"]
        == both["result"]["accuracy"]
        == document["result"]["evaluation"]["accuracy"]
    )
    assert both["result"]["float_accuracy"] == document["result"]["evaluation"]["float_accuracy"]
    assert alone["result"]["float_accuracy"] is None


def test_reference_backend_gives_the_same_accuracy(demo):
    out, _ = demo
    results = [
        run_json("evaluate", out / "digits-cnn.rapidnn", "--limit", 20, "--backend", backend)["result"]
        for backend in ("cpu", "numpy", "reference", "torch")
    ]
    assert results[0]["accuracy"] == results[1]["accuracy"] == results[2]["accuracy"]


def test_run_writes_outputs_and_accumulators(demo, tmp_path):
    out, _ = demo
    rng = np.random.default_rng(0)
    x = rng.integers(0, 17, (7, 8, 8)).astype(np.float64)
    np.savez(tmp_path / "x.npz", inputs=x)
    document = run_json(
        "run", out / "digits-cnn.rapidnn", "--input", tmp_path / "x.npz", "-o", tmp_path / "y.npz"
    )
    check_schema(document)
    composed = rapidnn.load(out / "digits-cnn.rapidnn")
    prepared = composed.preprocess.apply(x)
    with np.load(tmp_path / "y.npz") as results:
        assert (results["accumulators"] == composed.accumulators(prepared, backend="reference")).all()
        assert results["outputs"].dtype == np.float32
        assert (results["outputs"] == composed(prepared)).all()


def test_compose_is_deterministic_and_takes_sizes_per_layer(demo, tmp_path):
    out, _ = demo
    arguments = [
        "compose",
        "digits-cnn",
        "--weights",
        out / "digits-cnn.safetensors",
        "-w",
        "conv1=64,*=8",
        "-u",
        "8",
    ]
    for name in ("a", "b"):
        document = run_json(*arguments, "-o", tmp_path / f"{name}.rapidnn")
        check_schema(document)
    assert (tmp_path / "a.rapidnn").read_bytes() == (tmp_path / "b.rapidnn").read_bytes()
    steps = rapidnn.load(tmp_path / "a.rapidnn").program.step
    assert steps["conv1"].values.shape[1] > 16
    assert steps["conv2"].values.shape == (1, 8)


def test_cost_follows_an_override(demo):
    out, document = demo
    slow = run_json("cost", out / "digits-cnn.rapidnn", "--set", "rna.cycle_ns=2.2")
    check_schema(slow)
    assert slow["result"]["latency_ns"] > 1.5 * document["result"]["cost"]["latency_ns"]


def test_cost_from_stored_statistics_with_audit_and_rate(demo, tmp_path):
    artifact = demo[0] / "digits-cnn.rapidnn"
    stored = tmp_path / "s.json"
    first = run_json("cost", artifact, "--samples", 4, "--exact", "--save-statistics", stored)
    again = run_json("cost", artifact, "--statistics", stored, "--rate", 30)
    check_schema(first)
    check_schema(again)
    assert first["result"]["energy_interval_95"] == 0
    assert again["result"]["energy_pj"] == first["result"]["energy_pj"]
    assert first["result"]["lifetime_at"] is None
    assert again["result"]["lifetime_at"]["hottest_s"] > again["result"]["lifetime_s"]
    assert {row["structure"] for row in first["result"]["audit"]} >= {"product_rows", "nor_outputs", "link"}
    shown = run_cli("cost", artifact, "--statistics", stored, "--audit", "--rate", 30, check=0).stdout
    assert "bits per multiply-accumulate" in shown
    assert "the network fits one chip" in shown
    assert "lifetime at 30 inputs/s" in shown
    refused = run_cli("cost", artifact, "--statistics", stored, "--data", "digits", check=2)
    assert "give one of the two" in refused.stderr
    refused = run_cli("cost", artifact, "--statistics", stored, "--set", "cell.technology=fefet", check=2)
    assert refused.stderr.count("\n") == 1
    assert "no stateful gate is shown" in refused.stderr


def test_inspect_an_onnx_file(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 3, 3)

        def forward(self, x):
            return torch.cumsum(self.conv(x).flatten(1), 1)

    path = tmp_path / "net.onnx"
    torch.onnx.export(Net().eval(), (torch.zeros(2, 1, 8, 8),), path, dynamo=True, verbose=False)
    document = run_json("inspect", path, "-w", 4)
    check_schema(document)
    by_operator = {node["operator"]: node for node in document["result"]["nodes"]}
    assert not document["result"]["supported"]
    assert by_operator["CumSum"]["where"] == "refused"
    assert by_operator["Conv"]["macs"] == 9 * 3 * 36
    assert by_operator["Conv"]["memory_bytes"] == (9 * 2 + 4 * 16 * 16) / 8
    assert "refused" in run_cli("inspect", path, check=0).stdout


def test_inspect_hardware_report_and_train(demo, tmp_path):
    out, _ = demo
    check_schema(run_json("inspect", out / "digits-cnn.rapidnn"))
    check_schema(run_json("hardware", "list"))
    check_schema(run_json("hardware", "show", "rapidnn-hpca20"))
    check_schema(run_json("report", out / "digits-cnn.rapidnn", "-o", tmp_path / "r.html", "--limit", 50))
    check_schema(run_json("train", "digits-cnn", "-o", tmp_path / "w.safetensors", "--epochs", 1))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.html", "w.safetensors"]


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "train",
        "compose",
        "evaluate",
        "run",
        "cost",
        "inspect",
        "report",
        "trace",
        "compare",
        "explore",
        "hardware",
    ],
)
def test_help(command):
    done = run_cli(*command.split(), "--help", check=0)
    assert "Usage" in done.stdout


def test_tables_on_stdout_nothing_on_stderr(demo):
    out, _ = demo
    done = run_cli("evaluate", out / "digits-cnn.rapidnn", check=0)
    assert "accuracy" in done.stdout
    assert done.stderr == ""
