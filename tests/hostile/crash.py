"""Work killed at random moments: after a restart its result equals the undisturbed one, and no torn file is ever seen.

A job runs in a forked process in a folder of its own, is killed with SIGKILL after a random share of the time it takes
undisturbed, and is started again there, until a run ends by itself.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import rapidnn
from tests.data.server import serve

Kills = dict[str, int]


@dataclass(frozen=True)
class Job:
    """``run`` works in a folder; ``result`` gives what has to be equal at the end; ``whole`` checks a visible file."""

    name: str
    run: Callable[[Path], None]
    result: Callable[[Path], object]
    whole: Callable[[Path], None]


def killed(
    job: Job, folder: Path, expected: object, seconds: float, rng: np.random.Generator, most: int
) -> int:
    """Kill a job at random moments, at most ``most`` times, then let it end; the number of kills that hit.

    Raises
    ------
    AssertionError
        If a file that can be seen is torn, a restart fails, or the result differs.
    """
    hits = 0
    for _ in range(most):
        child = _start(job, folder)
        time.sleep(float(rng.uniform(0, 1.05 * seconds)))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        hits += os.WIFSIGNALED(status)
        for path in visible(folder):
            job.whole(path)
        if not os.WIFSIGNALED(status):
            break
    child = _start(job, folder)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"{job.name}: the restart failed: {(folder / '.log').read_text()[-2000:]}"
    found = job.result(folder)
    assert found == expected, f"{job.name}: another result than undisturbed: {_differing(found, expected)}"
    return hits


def undisturbed(job: Job, folder: Path) -> tuple[object, float]:
    """The result without kills, and how long it takes."""
    start = time.monotonic()
    _, status = os.waitpid(_start(job, folder), 0)
    assert status == 0, (folder / ".log").read_text()[-2000:]
    return job.result(folder), time.monotonic() - start


def _differing(found: object, expected: object) -> list[str]:
    """Names of the files that differ, where results are files."""
    if not (isinstance(found, dict) and isinstance(expected, dict)):
        return []
    return sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))


def visible(folder: Path) -> list[Path]:
    """Files under their own name: temporary ones begin with a dot or end in ``.part``."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".") and path.suffix not in (".part", ".lock")
    ]


def _start(job: Job, folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        log = os.open(folder / ".log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(log, 1)
        os.dup2(log, 2)
        job.run(folder)
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def jobs() -> dict[str, Job]:
    """Compose, fine-tune, evaluate, explore, reproduce, download; small networks, trained before the first fork."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 12)).astype(np.float32)
    labels = (x @ rng.standard_normal((12, 4))).argmax(1)
    model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4)).eval()
    composed = rapidnn.compose(model, x, 4, 4, threads=1)  # imports what the jobs need

    def compose(folder: Path) -> None:
        for size in (4, 8):
            rapidnn.compose(model, x[:100], size, size, threads=1).save(folder / f"net-{size}.rapidnn")

    def finetune(folder: Path) -> None:
        made = rapidnn.compose(
            model, x, 4, 4, finetune=(x, labels), epochs=4, checkpoint=folder / "state.safetensors", threads=1
        )
        made.save(folder / "net.rapidnn")

    def evaluate(folder: Path) -> None:
        from rapidnn.cli.main import exit_code

        composed.save(folder / "net.rapidnn")
        np.savez(folder / ".x.npz", inputs=x)
        args = ["run", folder / "net.rapidnn", "--input", folder / ".x.npz", "-o", folder / "y.npz"]
        code = exit_code([str(a) for a in args])
        assert code == 0, code

    def explore(folder: Path) -> None:
        space = folder / ".space.yaml"
        space.write_text(
            "compose: {weights: [2, 4, 16], inputs: [2, 8]}\nhardware: {rna.columns: [128, 1024]}\n"
        )
        found = rapidnn.explore(
            model, x[:200], (x[200:], labels[200:]), folder=folder / "study", space=space, trials=6,
            objectives="loss,energy",
        )  # fmt: skip
        assert len(found.trials) >= 6

    return {
        job.name: job
        for job in (
            Job("compose", compose, _bytes, _whole),
            Job("finetune", finetune, lambda folder: (folder / "net.rapidnn").read_bytes(), _whole),
            Job("evaluate", evaluate, _bytes, _whole),
            Job("explore", explore, _figures, _whole),
            Job("reproduce", _reproduce, _bytes, _whole),
            Job("download", _download, _bytes, _whole),
        )
    }


def _reproduce(folder: Path) -> None:
    """Digits at two sizes after an epoch, by the command: trains, composes, counts, writes its results."""
    from dataclasses import replace

    from rapidnn.cli.main import exit_code
    from rapidnn.reproduction import applications, run

    digits = (replace(applications.DIGITS, quick_epochs=1, quick_samples=600),)
    run.applications = lambda names=None: digits  # this process ends with the job
    run.QUICK_SIZES, run.SHARED = ((4, 4), (16, 16)), (1, 8)
    os.chdir(folder)  # results name their files
    code = exit_code(["reproduce", "--quick", "-o", "out"])
    assert code == 0, code


CONTENT = np.random.default_rng(0).bytes(3 << 20)


def _download(folder: Path) -> None:
    import hashlib

    from rapidnn.data.download import fetch

    with serve() as mirror:
        mirror.files["data.bin"] = CONTENT
        mirror.cut["data.bin"] = [1 << 20]
        digest = hashlib.sha256(CONTENT).hexdigest()
        fetch([f"{mirror.url}/data.bin"], folder / "data.bin", sha256=digest, wait_s=0.01)


def _bytes(folder: Path) -> dict[str, bytes]:
    """Every visible file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in visible(folder)}


def _figures(folder: Path) -> bool:
    """Every trial of a search tells what its stored documents say, wherever it was made: figures by design."""
    KNOWN.setdefault("designs", {})
    for path in visible(folder):
        if path.suffix == ".json":
            assert KNOWN["designs"].setdefault(path.name, path.read_bytes()) == path.read_bytes(), path.name
    finished = 0
    for line in (folder / "study" / "journal.log").read_text().splitlines():
        row = json.loads(line)
        finished += row.get("op_code") == 6 and row.get("state") == 1
    return finished >= 6


KNOWN: dict[str, dict[str, Any]] = {}
"""Documents of a search by name, from all runs: a name is the digest of what it was made from."""


def _whole(path: Path) -> None:
    """Fail if a file under its own name is torn."""
    match path.suffix:
        case ".rapidnn":
            rapidnn.load(path)
        case ".safetensors":
            from safetensors import safe_open

            with safe_open(path, framework="numpy") as file:
                for name in file.keys():  # noqa: SIM118 - not a mapping
                    file.get_tensor(name)
        case ".npz":
            with np.load(path, allow_pickle=False) as archive:
                for name in archive.files:
                    _ = archive[name]
        case ".json":
            json.loads(path.read_text())
        case ".html":
            assert path.read_text().rstrip().endswith("</html>"), path
        case ".csv":
            lines = path.read_text().splitlines()
            assert len({line.count(",") for line in lines}) == 1, path
        case ".bin":
            assert path.read_bytes() == CONTENT, path
        case ".log":
            for line in path.read_text().splitlines():
                json.loads(line)
        case _:
            raise AssertionError(f"an unknown file is left: {path}")
