"""explore(): from a network and data to the designs worth building."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn.composer.compose import labelled_samples, unlabelled_samples
from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.machine.network import DEFAULT_HARDWARE
from rapidnn.search.objectives import constraints as parse_constraints
from rapidnn.search.objectives import objectives as parse_objectives
from rapidnn.search.result import Exploration
from rapidnn.search.space import read_space
from rapidnn.search.study import Study
from rapidnn.search.subject import ArtifactSubject, FloatSubject, artifact_subject, float_subject

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
    space: str | Path | None = None,
    objectives: str = "loss,energy,latency,area",
    constraints: Sequence[str] = (),
    trials: int = 200,
    workers: int = 1,
    sampler: str = "nsga2",
    seed: int = 0,
    hardware: str = DEFAULT_HARDWARE,
    base: Settings | None = None,
    storage: str | None = None,
    progress: Progress | None = None,
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
        Finished trials in all. A first look, at an eighth of the evaluation set, ends those without hope.
    workers
        Processes; the front does not depend on their number.
    sampler
        ``nsga2``, ``nsga3`` or ``tpe``.
    storage
        An Optuna storage URL in place of the journal.

    Raises
    ------
    DataError, ComposeError, ModelError, HardwareError
        If an argument is not possible.
    """
    report = progress or (lambda stage, done, total: None)
    if trials < 1 or workers < 1:
        raise DataError(f"trials={trials}, workers={workers}: expected at least 1 each")
    place = Path(folder)
    wanted, bounds = parse_objectives(objectives), parse_constraints(constraints)
    subject = _subject(model, calibration, validation, base or Settings(), place, report)
    fixed = isinstance(model, ComposedNetwork)
    found = read_space(None if space is None else Path(space), subject.layers, hardware, hardware_only=fixed)
    study = Study(
        subject, found, wanted, bounds, hardware, place, sampler=sampler, seed=seed, storage=storage
    )
    return study.run(
        trials, workers, lambda done, total, front: report(f"trials (front {front})", done, total)
    )


def _subject(
    model: Any,
    calibration: Any,
    validation: tuple[Any, Any] | None,
    base: Settings,
    folder: Path,
    progress: Progress,
) -> FloatSubject | ArtifactSubject:
    samples = unlabelled_samples(calibration)
    progress("prepare", 0, 1)
    if isinstance(model, ComposedNetwork):
        made: FloatSubject | ArtifactSubject = artifact_subject(model, samples)
    else:
        if validation is None:
            raise DataError("exploring a float network needs validation=(x, labels), held-out training data")
        from rapidnn.frontends import import_model

        made = float_subject(
            import_model(model, samples), samples, labelled_samples(validation), base, folder / STORE
        )
    progress("prepare", 1, 1)
    return made
