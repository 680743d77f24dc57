"""``rapidnn trace`` as a user types it, on the demo's network."""

import json
from xml.etree import ElementTree

import jsonschema
import pytest

from rapidnn.cli import schemas
from tests.cli.conftest import run_cli, run_json


def layers_of(artifact):
    return [layer["name"] for layer in run_json("inspect", artifact)["result"]["layers"]]


def test_a_neuron_of_every_layer_is_the_executors(demo):
    artifact = demo[0] / "digits-cnn.rapidnn"
    for name in layers_of(artifact)[1:]:
        document = run_json("trace", artifact, "--layer", name, "--neuron", "1", "--sample", "3")
        jsonschema.validate(document, json.loads((schemas.folder() / "trace.json").read_text()))
        result = document["result"]
        assert result["exact"]
        assert result["sample"] == 3
        assert result["cycles"] == sum(result["cycles_by_phase"].values())
        assert result["events"] == []


def test_every_cycle_and_pictures(demo, tmp_path):
    artifact = demo[0] / "digits-cnn.rapidnn"
    layer = layers_of(artifact)[1]
    picture = tmp_path / "rows.svg"
    shown = run_cli(
        "trace", artifact, "--layer", layer, "--neuron", "0,4,4", "--cycles", "--plot", picture, check=0
    )
    assert "these integers are the executor's" in shown.stdout
    assert "final addition in lane 0" in shown.stdout
    tree = ElementTree.parse(picture)
    told = [title.text for title in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert any("nor+1" in text for text in told)
    events = run_json("trace", artifact, "--layer", layer, "--neuron", "0,4,4", "--cycles")["result"][
        "events"
    ]
    marks = sum(len(e["rows_written"]) for e in events)
    assert sum(text.startswith("row ") for text in told) == marks > 100
    page = tmp_path / "rows.html"
    run_cli("trace", artifact, "--layer", layer, "--plot", page, check=0)
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--layer", "nope"], "layer 'nope' does not accumulate; the layers with neurons are: "),
        (["--layer", "LAYER", "--neuron", "9999"], "has no neuron 9999; it has channel 0 to "),
        (["--layer", "LAYER", "--neuron", "a,b"], "expected a channel, or channel,y,x such as 3,5,7"),
        (["--layer", "LAYER", "--sample", "999999"], "--sample 999999"),
        (["--layer", "LAYER", "--plot", "x.png"], "expected a name that ends in .svg or .html"),
        (["--layer", "LAYER", "--set", "rna.columns=4"], "raise rna.columns"),
        ([], "--layer"),
    ],
)
def test_mistakes_are_named_in_one_line(demo, options, words):
    artifact = demo[0] / "digits-cnn.rapidnn"
    layer = layers_of(artifact)[1]
    done = run_cli("trace", artifact, *(layer if word == "LAYER" else word for word in options))
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
