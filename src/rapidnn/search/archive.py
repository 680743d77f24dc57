"""The study as it is kept: trials in an Optuna storage, and all that is needed to go on or to rebuild a design.

A trial is finished once, when its generation is told. What is measured of it later (the verification of the front) is
an attribute of the study, since finished trials do not change.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
from rapidnn.search.objectives import Constraint
from rapidnn.search.result import Exploration, TrialRecord
from rapidnn.search.space import Space

if TYPE_CHECKING:
    import optuna

    from rapidnn.search.journal import Journal

JOURNAL = "journal.log"
NAME = "rapidnn"
_AGAIN = "again"
_FIXED = "fixed_params"
"""Where Optuna keeps the choices of a queued trial."""
_KIND, _TERMS, _ORIGIN, _VERIFIED = "kind", "terms", "origin", "verified:"


@dataclass(frozen=True)
class Kind:
    """What makes two searches the same: their trials may stand in one study.

    ``subject`` is the digest of network and data, ``base`` the composer's settings that are not chosen.
    """

    objectives: tuple[str, ...]
    choices: Mapping[str, tuple[Any, ...]]
    hardware: str
    subject: str
    samples: int
    base: Mapping[str, Any]

    def text(self) -> str:
        """As canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Kind:
        """From :meth:`text`."""
        data = json.loads(text)
        choices = {name: tuple(values) for name, values in data["choices"].items()}
        return cls(**{**data, "objectives": tuple(data["objectives"]), "choices": choices})


@dataclass(frozen=True)
class Recorded:
    """A study as it was found: its result, and where its network and data came from (None for a search from Python)."""

    exploration: Exploration
    kind: Kind
    origin: Mapping[str, Any] | None

    @property
    def space(self) -> Space:
        """What could be chosen."""
        return Space(self.kind.choices)

    def trial(self, number: int) -> TrialRecord:
        """A finished trial by its number.

        Raises
        ------
        DataError
            If there is none, or its design cannot be built.
        """
        for trial in self.exploration.trials:
            if trial.number == number:
                if trial.refused is not None:
                    raise DataError(f"trial {number} cannot be built: {trial.refused}")
                return trial
        last = max((t.number for t in self.exploration.trials), default=None)
        known = "has no finished trial yet" if last is None else f"has finished trials up to {last}"
        raise DataError(f"trial {number}: the study {known}; see rapidnn explore --front")

    def settings(self, trial: TrialRecord) -> Settings:
        """The composer's settings of a trial."""
        return self.space.design(trial.params, Settings(**self.kind.base)).settings


@dataclass
class Archive:
    """An open study. ``journal`` is None where an Optuna storage URL takes its place."""

    study: optuna.Study
    journal: Journal | None
    where: str
    _records: dict[int, TrialRecord] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path, storage: str | None, objectives: int, sampler: Callable[[], Any]) -> Archive:
        """The study of a folder, or of ``URL`` or ``URL#NAME``; made where there is none.

        Raises
        ------
        DataError
            If it cannot be used.
        """
        kept, journal, where, name = _storage(folder, storage, readonly=False)
        import optuna

        study = _guarded(
            where,
            lambda: optuna.create_study(
                study_name=name,
                storage=kept,
                sampler=sampler(),
                directions=["minimize"] * objectives,
                load_if_exists=True,
            ),
        )
        if len(study.directions) != objectives:
            raise DataError(f"{where}: belongs to a search with other objectives; give another folder")
        return cls(study, journal, where)

    def describe(
        self, kind: Kind, constraints: Sequence[Constraint], origin: Mapping[str, Any] | None
    ) -> None:
        """Record what the search is; DataError if the study is of another kind."""
        known = self.study.user_attrs.get(_KIND)
        if known is not None and known != kind.text():
            other = Kind.read(known)
            fields = [name for name in asdict(kind) if getattr(other, name) != getattr(kind, name)]
            names = {"choices": "space", "subject": "network or data", "base": "composer settings"}
            what = ", ".join(names.get(name, name) for name in fields)
            raise DataError(f"{self.where}: belongs to a search with another {what}; give another folder")
        terms = json.dumps([asdict(c) for c in constraints])
        for key, value in ((_KIND, kind.text()), (_TERMS, terms), (_ORIGIN, json.dumps(origin))):
            if self.study.user_attrs.get(key) != value:
                self.study.set_user_attr(key, value)
        self.flush()

    def requeue(self, complete: Callable[[Mapping[str, Any]], bool]) -> None:
        """Fail what was running when the search ended, and queue its designs.

        Each failed trial is queued once, however often a restart is itself interrupted.
        """
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            self.study.tell(trial.number, state=TrialState.FAIL)
        trials = self.study.get_trials(deepcopy=False)
        queued = {trial.user_attrs.get(_AGAIN) for trial in trials}
        for trial in trials:
            if trial.state == TrialState.FAIL and trial.number not in queued and complete(_fixed(trial)):
                self.study.add_trial(_waiting(trial))
        self.flush()

    def finished(self) -> tuple[TrialRecord, ...]:
        """All finished trials by number."""
        from optuna.trial import TrialState

        attributes = self.study.user_attrs
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
            known = self._records.get(trial.number)
            later = attributes.get(f"{_VERIFIED}{trial.number}")
            if known is None or (later is not None and not known.verified):
                self._records[trial.number] = _record(trial, later)
        return tuple(self._records[number] for number in sorted(self._records))

    def verify(self, number: int, figures: Mapping[str, float], samples: int) -> None:
        """Record that a finished trial was measured on the whole evaluation set."""
        self.study.set_user_attr(
            f"{_VERIFIED}{number}", {"figures": dict(figures), "samples": samples, "verified": True}
        )

    def guarded(self, action: Callable[[], Exploration]) -> Exploration:
        """An action whose failures to reach the storage are told in one line."""
        from optuna.exceptions import StorageInternalError

        try:
            return action()
        except StorageInternalError as error:
            first = str(error).strip().splitlines()[0]
            raise DataError(
                f"{self.where}: cannot be written ({first}); the trials before are kept, and the same command goes on"
            ) from None

    def flush(self) -> None:
        """Bring everything to the disk."""
        if self.journal is not None:
            self.journal.flush()


def read_study(place: str | Path) -> Recorded:
    """A study that was searched before: its folder, or ``URL`` or ``URL#NAME`` of an Optuna storage. Changes nothing.

    Raises
    ------
    DataError
        If there is none, or it cannot be read.
    """
    import optuna

    is_url = "://" in str(place)
    folder = Path() if is_url else Path(place)
    if not is_url and not (folder / JOURNAL).exists():
        raise DataError(
            f"{folder}: no study there (no {JOURNAL}); give the folder that rapidnn explore wrote"
        )
    kept, journal, where, name = _storage(folder, str(place) if is_url else None, readonly=True)
    study = _guarded(where, lambda: optuna.load_study(study_name=name, storage=kept))
    return cast(Recorded, _guarded(where, lambda: _recorded(study, journal, where)))


def _recorded(study: optuna.Study, journal: Journal | None, where: str) -> Recorded:
    attributes = study.user_attrs
    if _KIND not in attributes:
        raise DataError(f"{where}: holds no search of this program")
    kind = Kind.read(attributes[_KIND])
    terms = [Constraint(**found) for found in json.loads(attributes[_TERMS])]
    records = Archive(study, journal, where).finished()
    space = Space(kind.choices)
    found = Exploration.of(kind.objectives, terms, kind.hardware, space.size, records)
    return Recorded(found, kind, json.loads(attributes[_ORIGIN]))


def _storage(folder: Path, url: str | None, *, readonly: bool) -> tuple[Any, Journal | None, str, str]:
    try:
        import optuna
    except ImportError:
        raise DataError("explore needs Optuna: pip install 'rapidnn[explore]'") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if url is not None:
        address, _, name = url.partition("#")
        # What the user sees leaves out the password that a URL may hold.
        where = f"storage {address.partition('://')[0]}"
        return _guarded(where, lambda: optuna.storages.get_storage(address)), None, where, name or NAME
    from rapidnn.search.journal import Journal

    path = folder / JOURNAL
    journal = Journal(path, readonly=readonly)
    kept = _guarded(str(path), lambda: optuna.storages.JournalStorage(journal))
    return kept, journal, str(path), NAME


def _guarded(where: str, action: Callable[[], Any]) -> Any:
    """What a storage raises as one line for the user."""
    try:
        return action()
    except DataError:
        raise
    except KeyError:
        raise DataError(f"{where}: holds no such study") from None
    except Exception as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{where}: cannot be used ({first}); it is not ours, or damaged") from None


def _fixed(trial: optuna.trial.FrozenTrial) -> dict[str, Any]:
    """A trial's choices; those of a queued trial that never ran are still its fixed ones."""
    return dict(trial.params) or dict(trial.system_attrs.get(_FIXED, {}))


def _waiting(trial: optuna.trial.FrozenTrial) -> optuna.trial.FrozenTrial:
    """A queued trial with a failed one's design. Its place in the sampler's generations goes with it, which
    ``enqueue_trial`` would not do: so the generations after it are what they would have been.
    """
    from optuna.trial import TrialState, create_trial

    kept = {**trial.system_attrs, _FIXED: _fixed(trial)}
    return create_trial(state=TrialState.WAITING, system_attrs=kept, user_attrs={_AGAIN: trial.number})


def _record(trial: optuna.trial.FrozenTrial, later: Mapping[str, Any] | None) -> TrialRecord:
    attributes = {**trial.user_attrs, **(later or {})}
    return TrialRecord(
        trial.number,
        dict(trial.params),
        dict(attributes["figures"]),
        int(attributes["samples"]),
        bool(attributes["verified"]),
        attributes["refused"],
        attributes["noise"],
    )
