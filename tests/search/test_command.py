"""``rapidnn explore`` as its user types it, and ``rapidnn compose --from-study``."""

from __future__ import annotations

import json

import jsonschema
import pytest

import rapidnn
from rapidnn.cli.main import exit_code
from rapidnn.cli.schemas import folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "d.safetensors"
    assert exit_code(["train", "digits-cnn", "--data", "digits", "--epochs", "1", "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def study(weights, tmp_path_factory):
    place = tmp_path_factory.mktemp("study") / "study"
    command = ["explore", "digits-cnn", "--weights", str(weights), "--data", "digits", "-o", str(place)]
    assert exit_code([*command, "--trials", "20"]) == 0
    return place


def shown(capsys, *command):
    capsys.readouterr()
    assert exit_code([*map(str, command), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((folder() / f"{document['command']}.json").read_text())
    jsonschema.validate(document, schema)
    return document["result"]


def test_the_front_of_a_study(study, capsys):
    result = shown(capsys, "explore", "--front", "-o", study)
    assert result["finished"] == 20
    assert result["verified"] + result["measured"] + result["predicted"] + result["refused"] == 20
    assert set(result["commands"]) == {str(t["number"]) for t in result["front"]}
    page = (study / "front.html").read_text()
    assert all(f"--trial {t['number']} " in page for t in result["front"])
    assert exit_code(["explore", "--front", "-o", str(study)]) == 0
    assert "front: " in capsys.readouterr().out


def test_a_trial_is_rebuilt_to_the_figures_it_was_told_with(study, tmp_path, capsys):
    trial = shown(capsys, "explore", "--front", "-o", study)["front"][0]
    path = tmp_path / "F.rapidnn"
    result = shown(capsys, "compose", "--from-study", study, "--trial", trial["number"], "-o", path)
    assert result["validation"]["loss"] == pytest.approx(trial["figures"]["loss"], abs=1e-12)
    assert result["study"]["figures"] == trial["figures"]
    sizes = rapidnn.load(path).info["settings"]["weights"]
    assert sizes == {n.partition(":")[2]: v for n, v in trial["params"].items() if n.startswith("weights:")}
    machine = [f"--set={name}={value}" for name, value in result["study"]["machine"].items()]
    cost = shown(capsys, "cost", path, "--data", "digits", "--samples", "32", *machine)
    assert cost["used_area_um2"] == pytest.approx(trial["figures"]["area"], rel=1e-12)
    assert cost["energy_pj"] == pytest.approx(trial["figures"]["energy"], rel=0.05)


def test_a_study_is_resumed_without_its_options(study, capsys):
    before = shown(capsys, "explore", "--front", "-o", study)
    after = shown(capsys, "explore", "--resume", "-o", study, "--trials", before["finished"] + 3)
    assert after["finished"] == before["finished"] + 3
    assert after["space_size"] == before["space_size"]


def test_a_database_takes_the_journals_place(weights, tmp_path, capsys):
    url = f"sqlite:///{tmp_path}/s.db#mine"
    command = ["explore", "digits-cnn", "--weights", weights, "--data", "digits", "-o", tmp_path / "f"]
    result = shown(capsys, *command, "--trials", "4", "--storage", url)
    assert result["finished"] == 4
    again = shown(capsys, "explore", "--front", "--storage", url, "-o", tmp_path / "f")
    assert again["front"] == result["front"]
    best = str(result["front"][0]["number"])
    shown(capsys, "compose", "--from-study", url, "--trial", best, "-o", tmp_path / "F.rapidnn")
    assert exit_code(["explore", "--front", "--storage", f"sqlite:///{tmp_path}/s.db#other"]) == 2
    assert "no such study" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["explore"], "which network?"),
        (["explore", "--front", "-o", "nowhere"], "no study there"),
        (["explore", "digits-cnn", "--front", "-o", "{study}"], "leave it out"),
        (["explore", "--resume", "-o", "{study}", "--sampler", "luck", "--trials", "x"], "--trials"),
        (["compose", "-o", "F.rapidnn"], "which network?"),
        (["compose", "--from-study", "{study}", "-o", "F.rapidnn"], "which trial?"),
        (["compose", "--from-study", "{study}", "--trial", "999", "-o", "F.rapidnn"], "trial 999"),
        (["compose", "--from-study", "{study}", "--trial", "1", "-w", "4", "-o", "F.rapidnn"], "-w"),
    ],
)
def test_mistakes_are_told_in_one_line(study, command, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert exit_code([part.replace("{study}", str(study)) for part in command]) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_an_unknown_sampler(weights, tmp_path, capsys):
    command = ["explore", "digits-cnn", "--weights", str(weights), "--data", "digits", "-o", str(tmp_path)]
    assert exit_code([*command, "--sampler", "luck"]) == 2
    assert "sampler 'luck'" in capsys.readouterr().err
