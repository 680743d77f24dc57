"""``compose --max-loss`` and ``evaluate --baseline`` as a user types them: results, exit codes, JSON."""

import pytest

import rapidnn
from tests.cli.conftest import run_cli, run_json
from tests.cli.test_commands import check_schema


@pytest.fixture(scope="module")
def weights(demo):
    return ("--weights", demo[0] / "digits-cnn.safetensors")


def document_float_accuracy(artifact):
    return rapidnn.load(artifact).info["validation"]["float_accuracy"]


def test_max_loss_is_kept_with_less_energy_than_one_size(weights, tmp_path):
    out = tmp_path / "a.rapidnn"
    arguments = ("compose", "digits-cnn", *weights, "--max-loss", "0.02", "-w", "16", "-u", "16", "-o", out)
    document = run_json(*arguments)
    check_schema(document)
    record = document["result"]["max_loss"]
    assert record["met"]
    assert record["loss"] <= record["bound"] == 0.02
    assert record["energy_uj"] <= record["equal_size"]["energy_uj"]
    assert document["result"]["validation"]["loss"] == record["loss"]
    assert rapidnn.load(out).info["max_loss"]["met"] is True
    sizes = document["result"]["settings"]["weights"]
    steps = rapidnn.load(out).program.step
    assert {name: steps[name].values.shape[1] for name in sizes} == sizes


def test_a_bound_that_cannot_be_met_exits_3_and_keeps_the_artifact(weights, tmp_path):
    out = tmp_path / "a.rapidnn"
    arguments = ("compose", "digits-cnn", *weights, "--max-loss", "0", "-w", "2", "-u", "2", "-o", out)
    done = run_cli(*arguments, check=3)
    assert "not met" in done.stdout
    *_, last = done.stderr.splitlines()
    assert "0 points was not reached" in last
    seen = document_float_accuracy(out) >= 0.995
    assert ("trained on them" in done.stderr) == seen
    assert rapidnn.load(out).info["max_loss"]["met"] is False


@pytest.mark.parametrize("bound", ["-0.1", "1.5", "nan"])
def test_a_bound_that_is_no_share_is_a_user_mistake(weights, tmp_path, bound):
    done = run_cli(
        "compose", "digits-cnn", *weights, f"--max-loss={bound}", "-o", tmp_path / "a.rapidnn", check=2
    )
    assert "max_loss" in done.stderr
    assert not (tmp_path / "a.rapidnn").exists()


def test_evaluate_beside_uniform(demo, weights):
    out, _ = demo
    arguments = ("evaluate", out / "digits-cnn.rapidnn", "--network", "digits-cnn", *weights)
    plain = run_json(*arguments)
    document = run_json(*arguments, "--baseline", "uniform")
    check_schema(plain)
    check_schema(document)
    assert plain["result"]["baseline"] is None
    found = document["result"]["baseline"]
    assert found["ours"]["evaluation"]["accuracy"] == plain["result"]["accuracy"]
    assert found["uniform"]["evaluation"]["accuracy"] > 0.5
    assert (
        found["calibration_samples"] == rapidnn.load(out / "digits-cnn.rapidnn").info["calibration_samples"]
    )
    assert {layer["name"] for layer in found["ours"]["layers"]} >= {"conv1", "conv2"}
    shown = run_cli(*arguments, "--baseline", "uniform", check=0).stdout
    assert "uniform" in shown
    assert "conv1" in shown


def test_evaluate_beside_uniform_needs_the_network(demo):
    artifact = demo[0] / "digits-cnn.rapidnn"
    assert "--network" in run_cli("evaluate", artifact, "--baseline", "uniform", check=2).stderr
    done = run_cli("evaluate", artifact, "--baseline", "ternary", "--network", "digits-cnn", check=2)
    assert "expected uniform" in done.stderr


def test_evaluate_reports_fixed_point(demo, weights):
    artifact = demo[0] / "digits-cnn.rapidnn"
    arguments = ("evaluate", artifact, "--network", "digits-cnn", *weights, "--fixed-point")
    document = run_json(*arguments)
    check_schema(document)
    found = document["result"]["fixed_point"]
    assert (
        found["widths"][0]["evaluation"]["accuracy"] == rapidnn.load(artifact).info["validation"]["accuracy"]
    )
    assert found["widths"][-1]["product_bits"] == 11
    assert "product bits" in run_cli(*arguments, check=0).stdout
    assert "--network" in run_cli("evaluate", artifact, "--fixed-point", check=2).stderr
