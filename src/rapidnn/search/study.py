"""The search: Optuna proposes generations of designs, trials judge them, the journal keeps everything.

A generation is told in trial order, so the front does not depend on who finishes first. A trial that was running when
the process ended is failed at the next start, and its design is queued again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn.errors import DataError
from rapidnn.search.objectives import LOSS, Constraint, dominated
from rapidnn.search.result import Exploration, TrialRecord
from rapidnn.search.space import Design, Space
from rapidnn.search.subject import Subject
from rapidnn.search.trial import Outcome, Task, Workers, first_look

if TYPE_CHECKING:
    import optuna

SAMPLERS = ("nsga2", "nsga3", "tpe")
GENERATION = 20
JOURNAL = "journal.log"
_CONFIDENT = 2.0
"""Standard errors of the loss within which a design gets the benefit of the doubt."""
_WORST = 1e30
"""Told for a design that cannot be built."""

Progress = Callable[[int, int, int], None]
"""Trials done, trials wanted, size of the front."""


class Study:
    """One search over a space.

    Parameters
    ----------
    folder
        Holds the journal and the store; starting again with the same folder goes on.
    storage
        Any Optuna storage URL in place of the journal in ``folder``.

    Raises
    ------
    DataError
        If the folder or journal cannot be used, or belongs to a search of another kind.
    """

    def __init__(
        self,
        subject: Subject,
        space: Space,
        objectives: Sequence[str],
        constraints: Sequence[Constraint],
        hardware: str,
        folder: Path,
        *,
        sampler: str = "nsga2",
        seed: int = 0,
        storage: str | None = None,
    ) -> None:
        self.subject, self.space, self.hardware = subject, space, hardware
        self.objectives, self.constraints = tuple(objectives), tuple(constraints)
        self.kind = json.dumps(
            {
                "objectives": list(objectives),
                "choices": {name: list(values) for name, values in space.choices.items()},
                "hardware": hardware,
            },
            sort_keys=True,
        )
        self.study = self._open(folder, sampler, seed, storage)
        self._requeue()

    def run(self, trials: int, workers: int = 1, progress: Progress | None = None) -> Exploration:
        """Go on until ``trials`` trials are finished in all; then verify what the front holds unverified."""
        pool = Workers(self.subject, self.hardware, workers)
        try:
            while (done := len(self._finished())) < trials:
                self._generation(pool, min(GENERATION, trials - done))
                if progress is not None:
                    progress(len(self._finished()), trials, len(self.result().front))
            self._verify_front(pool)
        finally:
            pool.close()
        return self.result()

    def result(self) -> Exploration:
        """All finished trials and their front."""
        records = tuple(self._record(trial) for trial in self._finished())
        return Exploration.of(self.objectives, self.constraints, self.hardware, self.space.size, records)

    def _generation(self, pool: Workers, count: int) -> None:
        distributions = self._distributions()
        asked = [self.study.ask(distributions) for _ in range(count)]
        designs = [self.space.design(trial.params, self.subject.base) for trial in asked]
        few = first_look(self.subject.samples)
        outcomes = pool.run([Task(design, few) for design in designs])
        verified = [few == self.subject.samples] * count
        front = [self._values(record.figures) for record in self.result().front]
        again = [i for i in range(count) if not verified[i] and self._worth_more(outcomes[i], front)]
        for i, outcome in zip(again, self._fully(pool, [designs[i] for i in again]), strict=True):
            outcomes[i], verified[i] = outcome, True
        for trial, outcome, whole in zip(asked, outcomes, verified, strict=True):
            self._tell(trial, outcome, whole)

    def _fully(self, pool: Workers, designs: Sequence[Design]) -> list[Outcome]:
        return pool.run([Task(design, self.subject.samples) for design in designs])

    def _worth_more(self, outcome: Outcome, front: Sequence[tuple[float, ...]]) -> bool:
        """Whether a first look leaves hope: with the loss at its most likely best the design keeps the constraints and
        no verified design is better in everything.
        """
        if outcome.measured is None:
            return False
        hopeful = dict(outcome.figures)
        hopeful[LOSS] -= _CONFIDENT * outcome.measured.stderr
        if any(hopeful[c.figure] > c.bound for c in self.constraints):
            return False
        return not dominated(self._values(hopeful), front)

    def _values(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        return tuple(figures[name] for name in self.objectives)

    def _tell(self, trial: optuna.Trial, outcome: Outcome, verified: bool) -> None:
        trial.set_user_attr("figures", dict(outcome.figures))
        trial.set_user_attr("refused", outcome.refused)
        trial.set_user_attr("verified", verified)
        for constraint in self.constraints:
            over = outcome.figures.get(constraint.figure, _WORST) - constraint.bound
            trial.set_constraint(constraint.figure, over)
        values = self._values(outcome.figures) if outcome.measured else (_WORST,) * len(self.objectives)
        self.study.tell(trial, list(values))

    def _verify_front(self, pool: Workers) -> None:
        """Measure whole what a first look put on the front; finished trials are closed, so each is a new trial."""
        while open_ones := [r for r in self.result().candidates if not r.verified]:
            designs = [self.space.design(record.params, self.subject.base) for record in open_ones]
            for record, outcome in zip(open_ones, self._fully(pool, designs), strict=True):
                self.study.enqueue_trial(dict(record.params))
                trial = self.study.ask(self._distributions())
                self._tell(trial, outcome, True)

    def _distributions(self) -> dict[str, Any]:
        from optuna.distributions import CategoricalDistribution

        return {name: CategoricalDistribution(values) for name, values in self.space.choices.items()}

    def _finished(self) -> list[optuna.trial.FrozenTrial]:
        from optuna.trial import TrialState

        return self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def _record(self, trial: optuna.trial.FrozenTrial) -> TrialRecord:
        attributes = trial.user_attrs
        return TrialRecord(
            trial.number,
            dict(trial.params),
            dict(attributes["figures"]),
            bool(attributes["verified"]),
            attributes["refused"],
        )

    def _requeue(self) -> None:
        """Fail what was running when the search ended, and queue its designs."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
            if set(trial.params) == set(self.space.choices):
                self.study.enqueue_trial(dict(trial.params))

    def _open(self, folder: Path, sampler: str, seed: int, storage: str | None) -> optuna.Study:
        import optuna
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        place = folder / JOURNAL
        try:
            kept: Any = storage
            if storage is None:
                folder.mkdir(parents=True, exist_ok=True)
                kept = optuna.storages.JournalStorage(JournalFileBackend(str(place)))
            study = optuna.create_study(
                study_name="rapidnn",
                storage=kept,
                sampler=_sampler(sampler, seed),
                directions=["minimize"] * len(self.objectives),
                load_if_exists=True,
            )
        except OSError as error:
            raise DataError(f"{place}: cannot be used ({error.strerror or error})") from None
        except (ValueError, KeyError, TypeError) as error:
            where = storage or place
            raise DataError(
                f"{where}: not a journal of this program, or damaged ({error}); move it away"
            ) from None
        known = study.user_attrs.get("kind")
        if known is None:
            study.set_user_attr("kind", self.kind)
        elif known != self.kind:
            raise DataError(
                f"{storage or folder}: belongs to a search with another space, objectives or hardware; "
                "give another folder"
            )
        return study


def _sampler(name: str, seed: int) -> Any:
    from optuna import samplers

    match name:
        case "nsga2":
            return samplers.NSGAIISampler(population_size=GENERATION, seed=seed)
        case "nsga3":
            return samplers.NSGAIIISampler(population_size=GENERATION, seed=seed)
        case "tpe":
            return samplers.TPESampler(seed=seed)
    raise DataError(f"sampler {name!r}: expected {', '.join(SAMPLERS)}")
