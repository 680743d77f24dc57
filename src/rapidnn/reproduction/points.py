"""One application at one pair of codebook sizes: tables, quality, and what its neurons add; kept by content."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rapidnn.bench.store import Store
from rapidnn.composer.compose import compose
from rapidnn.execute.composed import ComposedNetwork, load
from rapidnn.execute.evaluate import evaluate
from rapidnn.machine.network import collect_statistics
from rapidnn.machine.statistics import ProgramStatistics
from rapidnn.networks.train import predict
from rapidnn.reproduction.subject import Progress, Subject
from rapidnn.rivals.work import Workload, workload
from rapidnn.tables.program import Program

_TABLES = ("graph", "frontends", "composer", "tables", "reproduction/points.py", "reproduction/subject.py")
_RUN = (*_TABLES, "execute")
_COUNT = (*_RUN, "machine/statistics.py", "machine/sampling.py", "machine/pairs.py", "machine/digits.py")
"""Code that decides the tables, what they compute, and what is counted."""


@dataclass(frozen=True)
class Quality:
    """Bit-true accuracy on the test split, run once; ``validation_loss`` is that of the held-out training samples."""

    samples: int
    float_accuracy: float
    accuracy: float
    loss: float
    validation_loss: float
    validation_samples: int


@dataclass(frozen=True, eq=False)
class Point:
    """An application with ``weights`` and ``inputs`` codes; ``quality`` None where it is cost only."""

    subject: Subject
    weights: int
    inputs: int
    artifact: Path
    statistics: ProgramStatistics
    quality: Quality | None

    @cached_property
    def composed(self) -> ComposedNetwork:
        """The tables."""
        return load(self.artifact)

    @property
    def program(self) -> Program:
        """The program of the tables."""
        return self.composed.program

    @cached_property
    def work(self) -> Workload:
        """What rivals are given."""
        return workload(self.program)


def point(
    subject: Subject,
    weights: int,
    inputs: int,
    store: Store,
    progress: Progress = lambda stage, done, total: None,
) -> Point:
    """Compose, count and evaluate, each once: what an interrupted run finished is not done again."""
    name = f"{subject.application.name} {weights}/{inputs}"
    recipe = {
        "network": subject.application.network,
        "subject": subject.digest,
        "calibration": len(subject.calibration),
        "weights": weights,
        "inputs": inputs,
    }

    def make_artifact(path: Path) -> None:
        compose(
            subject.module,
            subject.calibration,
            weights,
            inputs,
            recover="full" if subject.trained else "none",
            validation=subject.validation,
            preprocess=subject.preprocess,
            progress=lambda stage, done, total: progress(f"{name}: {stage}", done, total),
        ).save(path)

    artifact = store.file(".rapidnn", {"what": "artifact", **recipe}, _TABLES, make_artifact)

    def count(path: Path) -> None:
        progress(f"{name}: count", 0, 1)
        path.write_text(json.dumps(collect_statistics(load(artifact), subject.counted).to_json()), "utf-8")

    statistics = store.file(".statistics.json", {"what": "statistics", **recipe}, _COUNT, count)
    quality = None
    if subject.trained:

        def judge(path: Path) -> None:
            progress(f"{name}: evaluate", 0, 1)
            path.write_text(json.dumps(asdict(_quality(subject, load(artifact)))), "utf-8")

        file = store.file(".quality.json", {"what": "quality", **recipe}, _RUN, judge)
        quality = Quality(**json.loads(file.read_text("utf-8")))
    return Point(subject, weights, inputs, artifact, ProgramStatistics.load(statistics), quality)


def _quality(subject: Subject, composed: ComposedNetwork) -> Quality:
    assert subject.test is not None
    x, labels = subject.test
    found = evaluate(composed, x, labels, float_outputs=predict(subject.module, x, subject.preprocess))
    held: dict[str, Any] = composed.info["validation"]
    assert found.float_accuracy is not None
    assert found.loss is not None
    return Quality(
        found.samples, found.float_accuracy, found.accuracy, found.loss, held["loss"], held["samples"]
    )
