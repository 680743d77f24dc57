"""What a search found: every finished trial, and the front of the verified ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rapidnn.search.objectives import LOSS, UNITS, Constraint

if TYPE_CHECKING:
    import pandas as pd


KNOWN_BY = ("verified", "measured", "predicted", "refused")


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial: its choices and figures.

    The loss was measured on the first ``samples`` samples of the evaluation set, or predicted where they are 0;
    ``verified`` says that it was all of them. ``refused`` is why the design cannot be built, or None. ``noise`` is the
    predicted relative noise power of the outputs, or None where none is predicted.
    """

    number: int
    params: dict[str, Any]
    figures: dict[str, float]
    samples: int
    verified: bool
    refused: str | None
    noise: float | None = None

    @property
    def known_by(self) -> str:
        """How the loss is known: ``verified``, ``measured`` (in part), ``predicted``, or ``refused``."""
        if self.refused is not None:
            return "refused"
        return "verified" if self.verified else "measured" if self.samples else "predicted"


@dataclass(frozen=True)
class Exploration:
    """All finished trials; ``front`` holds the verified ones that keep the constraints and that no other beats."""

    objectives: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    hardware: str
    space_size: int
    trials: tuple[TrialRecord, ...]
    front: tuple[TrialRecord, ...]
    candidates: tuple[TrialRecord, ...]

    @classmethod
    def of(
        cls,
        objectives: Sequence[str],
        constraints: Sequence[Constraint],
        hardware: str,
        space_size: int,
        trials: Sequence[TrialRecord],
    ) -> Exploration:
        """``candidates`` is the front as it would be if predictions and first looks held."""
        whole = {tuple(sorted(t.params.items())) for t in trials if t.verified}
        usable = [
            t
            for t in trials
            if t.refused is None
            and all(t.figures[c.figure] <= c.bound for c in constraints)
            # A first look says nothing about a design that was measured whole later.
            and (t.verified or tuple(sorted(t.params.items())) not in whole)
        ]
        front = _front(objectives, [t for t in usable if t.verified])
        return cls(
            tuple(objectives),
            tuple(constraints),
            hardware,
            space_size,
            tuple(trials),
            front,
            _front(objectives, usable),
        )

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values; a count of trials for each way a loss is known."""
        return {
            "objectives": list(self.objectives),
            "units": {name: UNITS[name] for name in UNITS},
            "constraints": [asdict(c) for c in self.constraints],
            "hardware": self.hardware,
            "space_size": self.space_size,
            "finished": len(self.trials),
            **{how: sum(t.known_by == how for t in self.trials) for how in KNOWN_BY},
            "front": [asdict(t) for t in self.front],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a trial: figures, choices, how its loss is known and whether it is on the front."""
        import pandas as pd

        on_front = {t.number for t in self.front}
        rows = [
            {
                "trial": t.number,
                **t.figures,
                **t.params,
                "loss_is": t.known_by,
                "samples": t.samples,
                "front": t.number in on_front,
            }
            for t in self.trials
        ]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()


def _front(objectives: Sequence[str], trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """The undominated trials, one for each set of values, ascending by the loss or the first objective."""
    first = LOSS if LOSS in objectives else objectives[0]
    by_values: dict[tuple[float, ...], TrialRecord] = {}
    for trial in trials:
        by_values.setdefault(tuple(trial.figures[name] for name in objectives), trial)
    kept: list[TrialRecord] = []
    front = np.empty((0, len(objectives)))
    # In lexicographic order only an earlier point can beat a later one.
    for values, trial in sorted(by_values.items(), key=lambda item: item[0]):
        if not (front <= values).all(axis=1).any():
            front = np.vstack([front, values])
            kept.append(trial)
    return tuple(sorted(kept, key=lambda t: (t.figures[first], t.number)))
