"""Who runs trials: this process, or processes that share the subject's memory."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, Protocol

from rapidnn.errors import DataError
from rapidnn.search.subject import Subject
from rapidnn.search.trial import Outcome, Task, run_task

Done = Callable[[int], None]
"""Called with the number of tasks that are done."""
_DEATHS = 3
"""Times in a row that a worker may die without any task being finished."""


class Workers(Protocol):
    """Runs tasks; results come in the order of the tasks."""

    def run(self, tasks: Sequence[Task], done: Done) -> list[Outcome]:
        """All outcomes."""

    def close(self) -> None:
        """Let go of processes."""


class Here:
    """This process, one task after another."""

    def __init__(self, subject: Subject, hardware: str) -> None:
        self.subject, self.hardware = subject, hardware

    def run(self, tasks: Sequence[Task], done: Done) -> list[Outcome]:
        """All outcomes."""
        outcomes = []
        for task in tasks:
            outcomes.append(run_task(self.subject, self.hardware, task))
            done(len(outcomes))
        return outcomes

    def close(self) -> None:
        """Nothing to let go of."""


class Processes:
    """Forked processes; one that dies (killed, out of memory) is replaced and its task run again."""

    def __init__(self, subject: Subject, hardware: str, count: int) -> None:
        self.shared = subject, hardware
        self.count = count
        self.busy = False
        self.pool = self._started()

    def run(self, tasks: Sequence[Task], done: Done) -> list[Outcome]:
        """All outcomes.

        Raises
        ------
        DataError
            If workers die again and again.
        """
        found: dict[int, Outcome] = {}
        deaths = 0
        self.busy = True
        while len(found) < len(tasks):
            before = len(found)
            try:
                self._round(tasks, found, done)
            except BrokenProcessPool:
                deaths = deaths + 1 if len(found) == before else 1
                if deaths == _DEATHS:
                    raise DataError(
                        f"worker processes died {deaths} times while running the same trials, perhaps of too little "
                        "memory; the trials before are kept: try again with fewer --workers"
                    ) from None
                self.close()
                self.pool = self._started()
        self.busy = False
        return [found[index] for index in range(len(tasks))]

    def _round(self, tasks: Sequence[Task], found: dict[int, Outcome], done: Done) -> None:
        open_ones: dict[Future[Outcome], int] = {
            self.pool.submit(_in_worker, task): index
            for index, task in enumerate(tasks)
            if index not in found
        }
        broken: BrokenProcessPool | None = None
        while open_ones:
            finished, _ = wait(open_ones, return_when=FIRST_COMPLETED)
            for future in finished:
                index = open_ones.pop(future)
                try:
                    found[index] = future.result()
                except BrokenProcessPool as error:
                    broken = error
            done(len(found))
        if broken is not None:
            raise broken

    def close(self) -> None:
        """End the processes; those at work (the search was interrupted) at once."""
        if not self.busy:
            self.pool.shutdown()
        for end in self.pipe:
            os.close(end)
        self.pool.shutdown(cancel_futures=True)

    def _started(self) -> ProcessPoolExecutor:
        self.pipe = os.pipe()
        begun = (self.shared, *self.pipe)
        pool = ProcessPoolExecutor(self.count, get_context("fork"), initializer=_begin, initargs=begun)
        with _uninterrupted():
            pool.submit(int)  # the first task forks all processes
        return pool


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ctrl-C waits until the block ends: Python drops one that comes while a process is forked."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if seen:
        raise KeyboardInterrupt


_SHARED: list[tuple[Any, str]] = []
"""What a worker process inherits from the one that started it."""


def _begin(shared: tuple[Any, str], held: int, leash: int) -> None:
    """A worker leaves Ctrl-C to its parent and ends with it; torch keeps to one thread, as the pool of a forked process
    would hang.
    """
    os.close(leash)
    _SHARED.append(shared)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "torch" in sys.modules:
        with contextlib.suppress(RuntimeError):
            sys.modules["torch"].set_num_threads(1)
    threading.Thread(target=_watch, args=(held,), daemon=True).start()


def _watch(held: int) -> None:
    """End when the parent lets go of the other end of the pipe, or ends itself, however that is."""
    os.read(held, 1)
    os._exit(1)


def _in_worker(task: Task) -> Outcome:
    subject, hardware = _SHARED[-1]
    return run_task(subject, hardware, task)
