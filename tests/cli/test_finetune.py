"""``rapidnn compose --finetune`` as a user types it: result, JSON, checkpoint, mistakes."""

import pytest

import rapidnn
from tests.cli.conftest import run_cli, run_json
from tests.cli.test_commands import check_schema


@pytest.fixture(scope="module")
def network(demo):
    return "compose", "digits-cnn", "--weights", demo[0] / "digits-cnn.safetensors", "-w", "4", "-u", "4"


def test_finetune_gains_accuracy_and_goes_on_from_its_checkpoint(network, tmp_path):
    out, state = tmp_path / "a.rapidnn", tmp_path / "state"
    arguments = (*network, "--finetune", "--epochs", "2", "--checkpoint", state, "-o", out)
    document = run_json(*arguments)
    check_schema(document)
    record = document["result"]["finetune"]
    assert [epoch["epoch"] for epoch in record["epochs"]] == [0, 1, 2]
    assert record["epochs"][0]["loss"] is None
    taken = record["epochs"][record["best_epoch"]]
    assert taken["validation_accuracy"] == document["result"]["validation"]["accuracy"]
    assert taken["validation_accuracy"] >= record["epochs"][0]["validation_accuracy"]
    assert rapidnn.load(out).info["finetune"] == record
    first = out.read_bytes()
    done = run_cli(*arguments, check=0)
    assert "fine-tuned on" in done.stdout
    assert out.read_bytes() == first


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--augment", "spin"), "--augment"), (("--device", "nowhere"), "use cpu"), (("--tree", "4"), "tree")],
)
def test_mistakes_are_told_in_one_line(network, tmp_path, options, message):
    done = run_cli(*network, "--finetune", *options, "-o", tmp_path / "a.rapidnn", check=2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
