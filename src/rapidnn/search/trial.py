"""One trial: a design's figures, first on part of the evaluation set, then on all of it if it is worth it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from rapidnn.errors import RapidnnError
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.search.objectives import figures
from rapidnn.search.space import Design
from rapidnn.search.subject import Measured, Subject

FEW = 256
"""Samples of the first look at least."""


@dataclass(frozen=True)
class Outcome:
    """Figures of a design; ``refused`` says why it cannot be built, and then there are none."""

    figures: Mapping[str, float]
    measured: Measured | None
    refused: str | None = None


@dataclass(frozen=True)
class Task:
    """A design to judge on the first ``samples`` of the evaluation set."""

    design: Design
    samples: int


def first_look(samples: int) -> int:
    """Samples of the first look: an eighth, at least 256."""
    return min(samples, max(FEW, samples // 8))


def run_task(subject: Subject, hardware: str, task: Task) -> Outcome:
    """Compose, measure, and cost one design."""
    settings = task.design.settings
    try:
        described = load_hardware(hardware, dict(task.design.hardware))
        statistics = subject.statistics(settings)
        cost = estimate_program(subject.network(settings).program, statistics, described)
        measured = subject.loss(settings, task.samples)
    except RapidnnError as error:
        return Outcome({}, None, str(error))
    return Outcome(figures(cost, measured.loss), measured)


class Workers:
    """Runs tasks here, or in processes that share the subject's memory; results come in the order of the tasks."""

    def __init__(self, subject: Subject, hardware: str, count: int) -> None:
        self.subject = subject
        self.hardware = hardware
        self.pool = None
        if count > 1:
            _SHARED.append((subject, hardware))
            self.pool = get_context("fork").Pool(count)

    def run(self, tasks: Sequence[Task]) -> list[Outcome]:
        """All outcomes."""
        if self.pool is None:
            return [run_task(self.subject, self.hardware, task) for task in tasks]
        return self.pool.map(_in_worker, tasks, chunksize=1)

    def close(self) -> None:
        """End the processes."""
        if self.pool is not None:
            self.pool.terminate()
            self.pool.join()
            _SHARED.pop()


_SHARED: list[tuple[Any, str]] = []
"""What a worker process inherits from the one that started it."""


def _in_worker(task: Task) -> Outcome:
    subject, hardware = _SHARED[-1]
    return run_task(subject, hardware, task)
