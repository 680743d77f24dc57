"""One campaign against one loader, in a process of its own::

    python -m tests.hostile.campaign TARGET SEED COUNT [SECONDS]

Every file must load or be refused with one line (a ``RapidnnError``), in time, within memory, without starting a
program or touching a file outside its folder. The last line printed is a JSON object of what was tried.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from rapidnn.errors import RapidnnError

SECONDS = 20
"""Of the processor, for one input; ten times as many by the clock."""
ADDRESS_SPACE = 6 << 30
LIMIT = 64 << 20
"""What RAPIDNN_LIMIT_BYTES allows an input to unpack to; the process may not grow by twice that for one input."""
_FORBIDDEN = {
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "subprocess.Popen", "os.chmod",
    "socket.connect", "socket.bind", "shutil.rmtree", "os.remove", "os.rename", "ctypes.dlopen", "webbrowser.open",
    "pickle.find_class",
}  # fmt: skip


class TooLong(BaseException):
    """A loader did not end in time; no loader may catch it."""


class Watch:
    """What the interpreter reports while a loader runs: programs started, files written outside the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self.active = False
        self.seen: list[str] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event in _FORBIDDEN and not (event in ("os.remove", "os.rename") and self.inside(args[0])):
            self.seen.append(f"{event} {args!r:.200}")
        if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            writes = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and not self.inside(args[0]):
                self.seen.append(f"writes {args[0]!r:.200}")

    def inside(self, path: object) -> bool:
        return os.path.realpath(os.fsdecode(path)).startswith(self.folder)  # type: ignore[arg-type]


def survive(read: Any, path: Path, watch: Watch) -> tuple[str, str]:
    """``("loaded" or "refused", "")``, or ``("fault", what went wrong)``."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watch.seen.clear()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(10 * SECONDS)
    watch.active = True
    outcome, wrong = "loaded", ""
    try:
        read(path)
    except RapidnnError as error:
        outcome = "refused"
        if "\n" in str(error) or not str(error) or len(str(error)) > 2000:
            wrong = f"not one short line: {str(error)!r:.500}"
    except TooLong:
        wrong = f"over {SECONDS} s\n{traceback.format_exc()}"
    except BaseException:
        wrong = traceback.format_exc()
    finally:
        watch.active = False
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    if not wrong and watch.seen:
        wrong = f"did what it may not: {watch.seen[:3]}"
    if not wrong and grown > 2 * LIMIT:
        wrong = f"grew by {grown >> 20} MiB"
    return ("fault" if wrong else outcome), wrong


def _too_long(*_: object) -> None:
    raise TooLong


def many(names: list[str], seed: int, count: int) -> int:
    """Several loaders one after the other in this process; the first fault ends it."""
    return max(main(name, seed, count, 1e9) for name in names)


def main(name: str, seed: int, count: int, seconds: float, *, go_on: bool = False) -> int:
    """One loader; 1 if anything went wrong."""
    from tests.hostile.targets import targets

    os.environ["RAPIDNN_LIMIT_BYTES"] = str(LIMIT)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    signal.signal(signal.SIGALRM, _too_long)
    signal.signal(signal.SIGPROF, _too_long)
    warnings.simplefilter("ignore")
    target = targets(name)
    rng = np.random.default_rng(seed)
    tally: Counter[str] = Counter()
    start, faults = time.monotonic(), []
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base) as folder:
        os.chdir(folder)
        path = Path(folder) / target.file
        path.parent.mkdir(parents=True, exist_ok=True)
        watch = Watch(Path(folder))
        path.write_bytes(target.whole)
        target.read(path)  # what loaders import is not what an input made them do
        outcome, wrong = survive(target.read, path, watch)
        if outcome != "loaded":
            print(f"{name}: the whole file is not taken: {wrong or outcome}")
            return 1
        for number in range(count):
            if time.monotonic() - start > seconds:
                break
            path.write_bytes(target.mutate(rng))
            outcome, wrong = survive(target.read, path, watch)
            tally[outcome] += 1
            if wrong:
                faults.append(wrong)
                print(f"input {number} of seed {seed}: {wrong}", flush=True)
                if not go_on:
                    break
        watch.active = False
        os.chdir("/")
        left = sorted(p.name for p in Path(folder).iterdir() if p.name != Path(target.file).parts[0])
        if left:
            faults.append(f"left behind: {left}")
            print(faults[-1])
    taken = time.monotonic() - start
    print(
        json.dumps(
            {"target": name, "seed": seed, "inputs": tally.total(), **tally, "seconds": round(taken, 1)}
        )
    )
    return 1 if faults else 0


if __name__ == "__main__":
    most = float(sys.argv[4]) if len(sys.argv) > 4 else 1e9
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), most, go_on="--go-on" in sys.argv))
