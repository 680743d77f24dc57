"""Worker processes: one that dies is replaced, none outlives its search, Ctrl-C is an orderly end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rapidnn.errors import DataError
from rapidnn.search import workers
from rapidnn.search.space import Design
from rapidnn.search.trial import Outcome, Task
from tests.search.searches import SPACE, points, search


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.yaml"
    path.write_text(SPACE)
    return path


def tasks(count):
    return [Task(Design(None, {"index": i})) for i in range(count)]  # type: ignore[arg-type]


def test_a_killed_worker_is_replaced_and_its_task_run_again(tmp_path, monkeypatch):
    """The first process that meets task 3 dies of it."""

    def mortal(subject, hardware, task):
        grave = Path(subject) / "dead"
        if task.design.hardware["index"] == 3 and not grave.exists():
            grave.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return Outcome({"index": task.design.hardware["index"]}, 1)

    monkeypatch.setattr(workers, "run_task", mortal)
    pool = workers.Processes(str(tmp_path), "", 2)  # type: ignore[arg-type]
    done = []
    found = pool.run(tasks(8), done.append)
    pool.close()
    assert (tmp_path / "dead").exists()
    assert [outcome.figures["index"] for outcome in found] == list(range(8))
    assert done[-1] == 8


def test_workers_that_always_die_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "run_task", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    pool = workers.Processes(None, "", 2)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="died 3 times"):
        pool.run(tasks(4), lambda _: None)
    pool.close()


LEAD = """
import sys, time
from pathlib import Path
from rapidnn.search import workers
from rapidnn.search.space import Design
from rapidnn.search.trial import Task
def slow(subject, hardware, task):
    import os
    Path(sys.argv[1], str(os.getpid())).touch()
    time.sleep(60)
workers.run_task = slow
workers.Processes(None, "", 2).run([Task(Design(None, {})) for _ in range(2)], lambda n: None)
"""


def test_workers_end_with_their_parent(tmp_path):
    with subprocess.Popen([sys.executable, "-c", LEAD, str(tmp_path)]) as child:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        child.kill()
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert len(pids) == 2
    while any(_runs(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)


def _runs(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


INTERRUPTED = """
import sys
from rapidnn.cli import main, explore
from tests.search.searches import search
def command(folder: str, space: str) -> None:
    search(folder, space, 4000, workers=2)
main.app.command("try")(command)
sys.exit(main.exit_code(["try", *sys.argv[1:]]))
"""


def test_ctrl_c_ends_orderly_and_the_search_goes_on(tmp_path, space):
    folder = tmp_path / "study"
    command = [sys.executable, "-c", INTERRUPTED, str(folder), str(space)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        journal = folder / "journal.log"
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not (journal.exists() and journal.stat().st_size > 20_000):
            time.sleep(0.05)
        os.killpg(child.pid, signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert child.returncode == 130, told
    assert told.splitlines()[-1] == "rapidnn: interrupted"
    assert "Traceback" not in told
    found = search(folder, space, 60)
    assert len(found.trials) >= 60
    assert points(found)
