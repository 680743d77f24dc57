"""explore(): from a network and data to the designs worth building."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn.composer.compose import labelled_samples, unlabelled_samples
from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.machine.network import DEFAULT_HARDWARE
from rapidnn.search.archive import Archive
from rapidnn.search.objectives import constraints as parse_constraints
from rapidnn.search.objectives import objectives as parse_objectives
from rapidnn.search.predict import Noise, noise_of
from rapidnn.search.result import Exploration
from rapidnn.search.space import Space, read_space
from rapidnn.search.store import Store
from rapidnn.search.subject import ArtifactSubject, FloatSubject, Subject, artifact_subject, float_subject
from rapidnn.search.workers import Here, Processes, Workers

if TYPE_CHECKING:
    from torch import nn

Progress = Callable[[str, int, int], None]
STORE = "store"


def explore(
    model: nn.Module | str | Path | ComposedNetwork,
    calibration: Any,
    validation: tuple[Any, Any] | None = None,
    *,
    folder: str | Path,
    space: str | Path | Space | None = None,
    objectives: str = "loss,energy,latency,area",
    constraints: Sequence[str] = (),
    trials: int = 200,
    workers: int = 1,
    cluster: str | None = None,
    sampler: str = "nsga2",
    seed: int = 0,
    hardware: str = DEFAULT_HARDWARE,
    base: Settings | None = None,
    predict: bool = True,
    storage: str | None = None,
    origin: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    watch: Callable[[Exploration], None] | None = None,
) -> Exploration:
    """Search codebook settings and machine parameters for several objectives at once.

    Parameters
    ----------
    model
        A PyTorch module or an ONNX file, composed anew for each setting; or a composed network, whose machine alone is
        then chosen.
    calibration
        Real inputs ``(N, *input_shape)``, preprocessed.
    validation
        ``(x, labels)``, held-out training data that losses are measured on, bit-true; needed for a float network.
    folder
        Holds the study (an Optuna journal) and what trials share. The same call on it goes on where it ended.
    space
        A YAML file (see `rapidnn.search.space.read_space`); default a built-in space.
    objectives, constraints
        Names of figures and bounds such as ``loss<=0.005`` (see `rapidnn.search.objectives`).
    trials
        Finished trials in all. Each is measured on an eighth of the evaluation set, then on twice as many samples as
        long as it may still reach the front; the front itself is measured on all.
    workers
        Processes; the front does not depend on their number.
    cluster
        A Ray cluster that runs the trials instead: ``auto`` (the one this machine belongs to) or its address.
    sampler
        ``nsga2``, ``nsga3`` or ``tpe``.
    base
        The composer's settings that are not chosen; by default those of `Settings`, without recovery.
    predict
        Leave out measurements of designs whose predicted loss leaves no hope (`rapidnn.search.predict`).
    storage
        An Optuna storage URL in place of the journal, ``URL`` or ``URL#STUDY``.
    origin
        JSON that is kept with the study: where network and data came from.
    progress
        Called with a stage's name, what is done, and what there is to do.
    watch
        Called after every generation with what is found so far.

    Raises
    ------
    DataError, ComposeError, ModelError, HardwareError
        If an argument is not possible, or the study cannot be read or written.
    """
    report = progress or (lambda stage, done, total: None)
    if trials < 1 or workers < 1:
        raise DataError(f"trials={trials}, workers={workers}: expected at least 1 each")
    if cluster is not None and workers > 1:
        raise DataError(
            "workers are processes of this machine, and a cluster has its own: give one of the two"
        )
    place = Path(folder)
    wanted, bounds = parse_objectives(objectives), parse_constraints(constraints)
    from rapidnn.search.journal import FolderLock
    from rapidnn.search.study import Study, make_sampler

    lock = FolderLock(place)
    crew: Workers | None = None
    try:
        archive = Archive.open(place, storage, len(wanted), lambda: make_sampler(sampler, seed))
        subject = _subject(model, calibration, validation, base or Settings(), report)
        found = _space(space, subject, hardware)
        store = Store(place / STORE, subject.identity)
        noise = _noise(subject, found, store, report) if predict else None
        study = Study(
            subject,
            found,
            wanted,
            bounds,
            hardware,
            archive,
            store,
            sampler=sampler,
            seed=seed,
            noise=noise,
            origin=origin,
        )
        crew = _crew(subject, hardware, workers, cluster)
        return archive.guarded(lambda: study.run(trials, crew, report, watch))
    finally:
        if crew is not None:
            crew.close()
        lock.release()


def _crew(subject: Subject, hardware: str, workers: int, cluster: str | None) -> Workers:
    if cluster is not None:
        from rapidnn.search.sharded import OnCluster

        return OnCluster(subject, hardware, cluster)
    return Here(subject, hardware) if workers == 1 else Processes(subject, hardware, workers)


def _space(space: str | Path | Space | None, subject: Subject, hardware: str) -> Space:
    if isinstance(space, Space):
        return space
    path = None if space is None else Path(space)
    return read_space(path, subject.layers, hardware, hardware_only=isinstance(subject, ArtifactSubject))


def _noise(subject: Subject, space: Space, store: Store, progress: Progress) -> Noise | None:
    if not isinstance(subject, FloatSubject):
        return None
    return noise_of(subject, space, store, lambda done, total: progress("sensitivity", done, total))


def _subject(
    model: Any,
    calibration: Any,
    validation: tuple[Any, Any] | None,
    base: Settings,
    progress: Progress,
) -> Subject:
    samples = unlabelled_samples(calibration)
    progress("prepare", 0, 1)
    if isinstance(model, ComposedNetwork):
        made: Subject = artifact_subject(model, samples)
    else:
        if validation is None:
            raise DataError("exploring a float network needs validation=(x, labels), held-out training data")
        from rapidnn.frontends import import_model

        made = float_subject(import_model(model, samples), samples, labelled_samples(validation), base)
    progress("prepare", 1, 1)
    return made
