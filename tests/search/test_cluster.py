"""Searches and evaluations on a real Ray cluster: the same result, every trial once, whatever is lost on the way.

The cluster's nodes live in a network namespace that has the loopback device alone.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import rapidnn
from rapidnn.cli.main import exit_code
from rapidnn.errors import DataError
from tests.search.searches import SPACE, data, network, points, search

TRIALS = 60
ROOT = Path(__file__).parents[2]
ENTER = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def _namespaces():
    try:
        return subprocess.run([*ENTER, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


real = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.skipif(not _namespaces(), reason="network namespaces are not allowed here"),
]


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def local(space, tmp_path_factory):
    return search(tmp_path_factory.mktemp("local"), space, TRIALS)


def scene(name, folder, space):
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
    }
    command = [sys.executable, "-m", "tests.search.ray_scenes", name, str(folder), str(space), str(TRIALS)]
    child = subprocess.run(
        [*ENTER, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    return json.loads(child.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["same", "node_lost", "worker_killed", "driver_killed"])
@pytest.mark.filterwarnings("ignore")
def test_every_trial_counts_once_and_the_front_is_that_of_one_machine(name, tmp_path, space, local):
    found = scene(name, tmp_path / "study", space)
    assert len(set(found["numbers"])) == len(found["numbers"]) == TRIALS
    assert found["params"] == [t.params for t in local.trials]
    assert [tuple(point) for point in found["points"]] == points(local)
    if name != "same":
        assert len(found["struck"]) == 1
    if name == "driver_killed":
        assert found["struck"] == [-9]


def test_a_sharded_evaluation_has_the_same_integers(tmp_path, space):
    assert scene("sharded_evaluation", tmp_path, space) == {"equal": True, "samples": 5000}


for _test in (
    test_every_trial_counts_once_and_the_front_is_that_of_one_machine,
    test_a_sharded_evaluation_has_the_same_integers,
):
    for _mark in real:
        _mark(_test)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named(tmp_path, space):
    with pytest.raises(DataError, match=r"rapidnn\[ray\]"):
        search(tmp_path, space, 4, cluster="auto")


def test_a_cluster_and_workers_exclude_each_other(tmp_path, space):
    with pytest.raises(DataError, match="one of the two"):
        search(tmp_path, space, 4, cluster="auto", workers=2)


def test_a_device_is_refused_on_a_cluster(tmp_path, capsys):
    x, _ = data()
    rapidnn.compose(network(), x[:100], 4, 4).save(tmp_path / "F.rapidnn")
    command = ["evaluate", str(tmp_path / "F.rapidnn"), "--data", "digits", "--cluster", "auto"]
    assert exit_code([*command, "--backend", "torch", "--device", "cpu"]) == 2
    assert "--device" in capsys.readouterr().err
