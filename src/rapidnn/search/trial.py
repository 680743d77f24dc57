"""One trial: a design's figures, its loss on ever more of the evaluation set for as long as it stays hopeful."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rapidnn.errors import RapidnnError
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.search.objectives import LOSS, Constraint, dominated, figures
from rapidnn.search.predict import Expected
from rapidnn.search.space import Design
from rapidnn.search.subject import Known, Measured, Subject

FEW = 256
"""Samples of the first look at least."""
_CONFIDENT = 2.0
"""Standard errors of the loss within which a design gets the benefit of the doubt."""


@dataclass(frozen=True)
class Outcome:
    """Figures of a design, its loss measured on ``samples`` of the evaluation set (0: predicted).

    ``refused`` says why it cannot be built, and then there are no figures. ``known`` is what is now known of its
    settings, or None where nothing was added.
    """

    figures: Mapping[str, float]
    samples: int
    refused: str | None = None
    known: Known | None = None


@dataclass(frozen=True)
class Bar:
    """What a design has to promise to be measured further: to keep the constraints, and to lose to no verified one.

    ``front`` holds the objectives of the verified designs when the generation began, so that an outcome does not depend
    on which trial of a generation ends first.
    """

    objectives: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    front: tuple[tuple[float, ...], ...] = ()

    def values(self, found: Mapping[str, float]) -> tuple[float, ...]:
        """The objectives of some figures."""
        return tuple(found[name] for name in self.objectives)

    def cleared(self, found: Mapping[str, float], least_loss: float) -> bool:
        """Whether a design with these figures, and a loss of at least this, is worth more."""
        hopeful = {**found, LOSS: least_loss}
        if any(hopeful[c.figure] > c.bound for c in self.constraints):
            return False
        return not dominated(self.values(hopeful), self.front)


@dataclass(frozen=True)
class Task:
    """A design to judge.

    Without a bar its loss is measured on the whole evaluation set. ``known`` is what is known of its settings.
    """

    design: Design
    bar: Bar | None = None
    expected: Expected | None = None
    known: Known = field(default_factory=dict)


def rungs(samples: int) -> tuple[int, ...]:
    """Successive halving backwards: an eighth of the evaluation set (at least 256), then twice as many, up to all."""
    found = [min(samples, max(FEW, samples // 8))]
    while found[-1] < samples:
        found.append(samples if 4 * found[-1] > 3 * samples else min(samples, 2 * found[-1]))
    return tuple(found)


def run_task(subject: Subject, hardware: str, task: Task) -> Outcome:
    """Compose, cost, and measure one design."""
    settings = task.design.settings
    known = dict(task.known)
    before = repr(sorted(known.get("answers", {}))), "statistics" in known
    try:
        described = load_hardware(hardware, dict(task.design.hardware))
        statistics = subject.statistics(settings, known)
        found = figures(estimate_program(subject.network(settings).program, statistics, described), 0.0)
        loss, samples = _loss(subject, task, known, found)
    except RapidnnError as error:
        return Outcome({}, 0, str(error))
    after = repr(sorted(known.get("answers", {}))), "statistics" in known
    return Outcome({**found, LOSS: loss}, samples, None, known if before != after else None)


def _loss(subject: Subject, task: Task, known: Known, found: Mapping[str, float]) -> tuple[float, int]:
    """The loss, and the samples it was measured on."""
    if task.bar is None:
        return subject.measured(task.design.settings, subject.samples, known).loss, subject.samples
    if task.expected is not None and not task.bar.cleared(found, task.expected.least):
        return task.expected.loss, 0
    for samples in rungs(subject.samples):
        measured: Measured = subject.measured(task.design.settings, samples, known)
        if not task.bar.cleared(found, measured.loss - _CONFIDENT * measured.stderr):
            break
    return measured.loss, samples
