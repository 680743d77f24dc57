"""The search: Optuna proposes generations of designs, trials judge them, the archive keeps everything.

A generation is told in trial order, and its sampler is seeded by its place, so the front depends neither on who
finishes first nor, in a journal, on interruptions. A trial that was running when the process ended is failed at the
next start, and its design is queued again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rapidnn.errors import DataError
from rapidnn.search.archive import Archive, Kind
from rapidnn.search.objectives import LOSS, Constraint
from rapidnn.search.predict import Noise, expect
from rapidnn.search.result import Exploration, TrialRecord
from rapidnn.search.space import Space
from rapidnn.search.store import Store
from rapidnn.search.subject import Subject
from rapidnn.search.trial import Bar, Outcome, Task
from rapidnn.search.workers import Workers

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("nsga2", "nsga3", "tpe")
GENERATION = 20
_WORST = 1e30
"""Told for a design that cannot be built."""
_STRIDE = 1_000_003
"""Between the seeds of two searches, so that their generations share none."""

Progress = Callable[[str, int, int], None]
Watch = Callable[[Exploration], None]


class Study:
    """One search over a space.

    Parameters
    ----------
    archive
        Where trials are kept.
    store
        What trials share.
    noise
        The predicted noise of settings, or None where losses are not predicted.

    Raises
    ------
    DataError
        If the archive belongs to a search of another kind.
    """

    def __init__(
        self,
        subject: Subject,
        space: Space,
        objectives: Sequence[str],
        constraints: Sequence[Constraint],
        hardware: str,
        archive: Archive,
        store: Store,
        *,
        sampler: str = "nsga2",
        seed: int = 0,
        noise: Noise | None = None,
        origin: Mapping[str, Any] | None = None,
    ) -> None:
        self.subject, self.space, self.hardware = subject, space, hardware
        self.objectives, self.constraints = tuple(objectives), tuple(constraints)
        self.archive, self.store, self.noise = archive, store, noise
        self.sampler, self.seed = sampler, seed
        kind = Kind(
            self.objectives,
            dict(space.choices),
            hardware,
            subject.identity,
            subject.samples,
            subject.base.to_json(),
        )
        archive.describe(kind, constraints, origin)
        archive.requeue(lambda params: set(params) == set(space.choices))

    def run(
        self, trials: int, workers: Workers, progress: Progress, watch: Watch | None = None
    ) -> Exploration:
        """Go on until ``trials`` trials are finished in all; then verify what the front holds unverified."""
        progress("trials", len(self.archive.finished()), trials)
        while (done := len(self.archive.finished())) < trials:
            count = min(GENERATION - done % GENERATION, trials - done)
            self._generation(workers, count, lambda n, done=done: progress("trials", done + n, trials))  # type: ignore[misc]
            if watch is not None:
                watch(self.result())
        self._verify_front(workers, progress)
        return self.result()

    def result(self) -> Exploration:
        """All finished trials and their front."""
        return Exploration.of(
            self.objectives, self.constraints, self.hardware, self.space.size, self.archive.finished()
        )

    def _generation(self, workers: Workers, count: int, done: Callable[[int], None]) -> None:
        asked = self._asked(count)
        found = self.result()
        bar = Bar(self.objectives, self.constraints)
        bar = Bar(self.objectives, self.constraints, tuple(bar.values(t.figures) for t in found.front))
        noises = [self._noise(trial.params) for trial in asked]
        seen = _seen(found.trials)
        tasks = [
            self._task(trial.params, bar, None if noise is None else expect(noise, seen))
            for trial, noise in zip(asked, noises, strict=True)
        ]
        outcomes = self._judged(workers, tasks, done)
        for trial, outcome, noise in zip(asked, outcomes, noises, strict=True):
            self._tell(trial, outcome, noise)
        self.archive.flush()

    def _asked(self, count: int) -> list[optuna.Trial]:
        from optuna.distributions import CategoricalDistribution

        choices: dict[str, Any] = {
            name: CategoricalDistribution(values) for name, values in self.space.choices.items()
        }
        place = len(self.archive.finished())
        self.archive.study.sampler = make_sampler(self.sampler, self.seed * _STRIDE + place)
        asked = [self.archive.study.ask(choices) for _ in range(count)]
        self.archive.flush()
        return asked

    def _task(self, params: Mapping[str, Any], bar: Bar | None, expected: Any = None) -> Task:
        design = self.space.design(params, self.subject.base)
        return Task(design, bar, expected, self.store.get(design.settings))

    def _judged(self, workers: Workers, tasks: Sequence[Task], done: Callable[[int], None]) -> list[Outcome]:
        outcomes = workers.run(tasks, done)
        for task, outcome in zip(tasks, outcomes, strict=True):
            if outcome.known is not None:
                self.store.put(task.design.settings, outcome.known)
        return outcomes

    def _noise(self, params: Mapping[str, Any]) -> float | None:
        if self.noise is None:
            return None
        return self.noise(self.space.design(params, self.subject.base).settings)

    def _tell(self, trial: optuna.Trial, outcome: Outcome, noise: float | None) -> None:
        trial.set_user_attr("figures", dict(outcome.figures))
        trial.set_user_attr("samples", outcome.samples)
        trial.set_user_attr("refused", outcome.refused)
        whole = outcome.refused is None and outcome.samples == self.subject.samples
        trial.set_user_attr("verified", whole)
        trial.set_user_attr("noise", noise)
        for constraint in self.constraints:
            trial.set_constraint(
                constraint.figure, outcome.figures.get(constraint.figure, _WORST) - constraint.bound
            )
        values = [outcome.figures.get(name, _WORST) for name in self.objectives]
        self.archive.study.tell(trial, values)

    def _verify_front(self, workers: Workers, progress: Progress) -> None:
        """Measure whole what would be on the front if predictions and first looks held."""
        while open_ones := [r for r in self.result().candidates if not r.verified]:
            tasks = [self._task(record.params, None) for record in open_ones]
            count = len(open_ones)
            outcomes = self._judged(workers, tasks, lambda n, count=count: progress("verify", n, count))  # type: ignore[misc]
            for record, outcome in zip(open_ones, outcomes, strict=True):
                self.archive.verify(record.number, outcome.figures, outcome.samples)
            self.archive.flush()


def _seen(trials: Sequence[TrialRecord]) -> list[tuple[float, float]]:
    """Noise and measured loss of trials, each setting once."""
    pairs = {(t.noise, t.figures[LOSS]) for t in trials if t.noise is not None and t.samples > 0}
    return [(noise, loss) for noise, loss in pairs if noise is not None]


def make_sampler(name: str, seed: int) -> Any:
    """An Optuna sampler by name; DataError for another one."""
    from optuna import samplers

    match name:
        case "nsga2":
            return samplers.NSGAIISampler(population_size=GENERATION, seed=seed % 2**32)
        case "nsga3":
            return samplers.NSGAIIISampler(population_size=GENERATION, seed=seed % 2**32)
        case "tpe":
            return samplers.TPESampler(seed=seed % 2**32)
    raise DataError(f"sampler {name!r}: expected {', '.join(SAMPLERS)}")
