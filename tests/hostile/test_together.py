"""Processes that work in one folder at once: each ends, with the result that one alone gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.crash import visible

ROOT = Path(__file__).parents[2]


def results(job, folder, processes):
    folder.mkdir()
    command = [sys.executable, "-m", "tests.hostile.together", job, str(folder), str(processes)]
    env = dict(os.environ, OMP_NUM_THREADS="1")
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(processes)
    ]
    told = []
    for process in started:
        out, said = process.communicate(timeout=500)
        assert process.returncode == 0, said[-3000:]
        told.append(out[out.index("RESULT") :])
    assert not list(folder.rglob("*.part")), "a temporary file is left"
    return told


@pytest.mark.parametrize("job", ["cache", pytest.param("reproduce", marks=pytest.mark.slow)])
def test_processes_in_one_folder(job, tmp_path):
    (alone,) = results(job, tmp_path / "alone", 1)
    one, other = results(job, tmp_path / "together", 2)
    assert one == alone
    assert other == alone
    names = [{path.name for path in visible(tmp_path / place)} for place in ("alone", "together")]
    assert names[0] == names[1]
