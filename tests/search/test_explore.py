"""The search: the same front however it is run, nothing lost or counted twice, mistakes told in one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rapidnn
from rapidnn.errors import DataError
from rapidnn.search.archive import JOURNAL
from rapidnn.search.objectives import constraints, dominated
from rapidnn.search.result import Exploration, TrialRecord
from tests.search.searches import SPACE, data, network, points, search


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE)
    return path


def test_the_front_is_verified_and_undominated(tmp_path, space):
    found = search(tmp_path, space)
    assert len(found.trials) == 40
    assert all(t.verified for t in found.front)
    values = [
        (t.figures["loss"], t.figures["energy"]) for t in found.trials if t.verified and t.refused is None
    ]
    assert all(not dominated(point, values) for point in points(found))
    assert found.to_frame()["front"].sum() == len(found.front)


def test_neither_workers_nor_interruptions_change_the_front(tmp_path, space):
    whole = search(tmp_path / "whole", space)
    assert points(search(tmp_path / "two", space, workers=2)) == points(whole)
    again = search(tmp_path / "whole", space)
    assert points(again) == points(whole)
    assert len(again.trials) == len(whole.trials)


def test_constraints_bind(tmp_path, space):
    found = search(tmp_path, space, constraints=["loss<=0.3"])
    assert found.front
    assert all(t.figures["loss"] <= 0.3 for t in found.front)
    assert any(t.figures["loss"] > 0.3 for t in found.trials if t.refused is None)


SCRIPT = """
import sys
from pathlib import Path
from tests.search.searches import search
search(Path(sys.argv[1]), Path(sys.argv[2]), trials=60)
"""


def test_a_killed_search_goes_on_and_counts_every_trial_once(tmp_path, space):
    folder = tmp_path / "study"
    command = [sys.executable, "-c", SCRIPT, str(folder), str(space)]
    journal = folder / JOURNAL
    child = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < deadline:
        if journal.exists() and journal.stat().st_size > 10_000:
            child.send_signal(signal.SIGKILL)
            break
        time.sleep(0.01)
    child.wait()
    found = search(folder, space, trials=60)
    assert len({t.number for t in found.trials}) == len(found.trials) == 60
    assert all(t.figures or t.refused for t in found.trials)
    whole = search(tmp_path / "whole", space, trials=60)
    assert [t.params for t in found.trials] == [t.params for t in whole.trials]
    assert points(found) == points(whole)


def test_an_artifact_has_its_machine_explored(tmp_path, space):
    x, y = data()
    composed = rapidnn.compose(network(), x[:100], 8, 8, validation=(x, y))
    found = rapidnn.explore(
        composed, x[:50], folder=tmp_path, space=space, objectives="energy,area,latency", trials=8
    )
    assert set(found.trials[0].params) == {"rna.columns", "rna.neurons_per_block"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("compose: {weights: 4}", "must be a list"),
        ("compose: {wights: [4]}", "wights is not one of"),
        ("compose: {weights: [0]}", "a codebook has 1 to 256 values"),
        ("hardware: {rna.colums: [1]}", "did you mean"),
        ("colour: red", "'colour' is not one of"),
        ("{}", "nothing to choose"),
        ("[1", "cannot be read as YAML"),
    ],
)
def test_bad_spaces_are_refused(tmp_path, text, message):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        search(tmp_path / "study", path)


def test_another_search_in_the_same_folder_is_refused(tmp_path, space):
    search(tmp_path, space, trials=20)
    x, y = data()
    with pytest.raises(DataError, match="other objectives"):
        rapidnn.explore(
            network(), x[:100], (x, y), folder=tmp_path, space=space, objectives="energy", trials=20
        )


@pytest.mark.parametrize("text", ["loss<0.1", "speed<=1", "loss<=-", "loss"])
def test_bad_constraints(text):
    with pytest.raises(DataError, match="constraint"):
        constraints([text])


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12))
def test_a_front_is_what_no_other_beats(values):
    trials = [
        TrialRecord(i, {"i": i}, {"loss": float(a), "energy": float(b)}, 9, True, None)
        for i, (a, b) in enumerate(values)
    ]
    front = {
        (t.figures["loss"], t.figures["energy"])
        for t in Exploration.of(("loss", "energy"), (), "", 1, trials).front
    }
    best = {v for v in values if not any(o != v and o[0] <= v[0] and o[1] <= v[1] for o in values)}
    assert front == best
