"""What a search found: every finished trial, and the front of the verified ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from rapidnn.search.objectives import LOSS, UNITS, Constraint, dominated

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial: its choices and figures.

    ``verified`` says that the loss was measured on the whole evaluation set; otherwise it is that of the first look.
    ``refused`` is why the design cannot be built, or None.
    """

    number: int
    params: dict[str, Any]
    figures: dict[str, float]
    verified: bool
    refused: str | None


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
        """``candidates`` is the front as it would be if the figures of first looks held."""
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
        """As plain JSON values."""
        return {
            "objectives": list(self.objectives),
            "units": {name: UNITS[name] for name in UNITS},
            "constraints": [asdict(c) for c in self.constraints],
            "hardware": self.hardware,
            "space_size": self.space_size,
            "finished": len(self.trials),
            "verified": sum(t.verified for t in self.trials),
            "refused": sum(t.refused is not None for t in self.trials),
            "front": [asdict(t) for t in self.front],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a trial: figures, choices, whether it is verified and on the front."""
        import pandas as pd

        on_front = {t.number for t in self.front}
        rows = [
            {
                "trial": t.number,
                **t.figures,
                **t.params,
                "verified": t.verified,
                "front": t.number in on_front,
            }
            for t in self.trials
        ]
        return pd.DataFrame(rows).set_index("trial") if rows else pd.DataFrame()


def _front(objectives: Sequence[str], trials: Sequence[TrialRecord]) -> tuple[TrialRecord, ...]:
    """The undominated trials, one for each set of values, ascending by the loss or the first objective."""
    first = LOSS if LOSS in objectives else objectives[0]
    values = {t.number: tuple(t.figures[name] for name in objectives) for t in trials}
    kept: dict[tuple[float, ...], TrialRecord] = {}
    for trial in trials:
        if not dominated(values[trial.number], values.values()):
            kept.setdefault(values[trial.number], trial)
    return tuple(sorted(kept.values(), key=lambda t: (t.figures[first], t.number)))


def sizes(params: Mapping[str, Any], option: str) -> str | None:
    """The choices of one composer option as the command line takes them, or None if it was not chosen."""
    if option in params:
        return str(params[option])
    found = [
        f"{name.partition(':')[2]}={value}" for name, value in params.items() if name.startswith(f"{option}:")
    ]
    return ",".join(found) or None
