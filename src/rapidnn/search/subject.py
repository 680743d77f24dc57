"""What is explored: a network that is composed anew for each setting, or an artifact whose machine alone is chosen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import choose
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan, plan_graph
from rapidnn.composer.sample import calibrate, float_outputs
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import compare_outputs
from rapidnn.graph import Graph
from rapidnn.machine.network import collect_statistics
from rapidnn.machine.statistics import ProgramStatistics
from rapidnn.search.store import Store

COUNTED = 32
"""Calibration samples whose codes are counted for the cost."""


@dataclass(frozen=True)
class Measured:
    """Loss on the first ``samples`` of the evaluation set, and its standard error (paired)."""

    loss: float
    stderr: float
    samples: int


class Subject(Protocol):
    """Programs, statistics and losses by setting."""

    base: Settings

    @property
    def samples(self) -> int:
        """Size of the evaluation set."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the weighted layers whose sizes may be chosen."""

    def network(self, settings: Settings) -> ComposedNetwork:
        """The composed network of a setting."""

    def statistics(self, settings: Settings) -> ProgramStatistics:
        """What its accumulations add on real inputs."""

    def loss(self, settings: Settings, samples: int) -> Measured:
        """Float minus composed accuracy on the first samples of the evaluation set."""


@dataclass
class FloatSubject:
    """A float network: every setting is composed once, its statistics and losses are kept in the store."""

    graph: Graph
    plan: Plan
    histograms: Mapping[str, Histogram]
    calibration: NDArray[np.float32]
    x: NDArray[np.float32]
    labels: NDArray[Any]
    expected: NDArray[np.float32]
    base: Settings
    store: Store
    _last: tuple[Settings, ComposedNetwork] | None = field(default=None, repr=False)

    @property
    def samples(self) -> int:
        """Size of the evaluation set."""
        return len(self.x)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the weighted layers."""
        return tuple(step.name for step in self.plan.layers())

    def network(self, settings: Settings) -> ComposedNetwork:
        """Compose, or return what was composed last."""
        if self._last is None or self._last[0] != settings:
            choices = choose(self.plan, self.histograms, settings)
            program = tabulate(self.graph, self.plan, self.histograms, choices, settings)
            self._last = settings, ComposedNetwork(program, Preprocess.identity(self.graph.input_shape), {})
        return self._last[1]

    def statistics(self, settings: Settings) -> ProgramStatistics:
        """From the store, or counted."""
        kept = self.store.get(settings, "statistics")
        if kept is not None:
            return ProgramStatistics.from_json(kept)
        found = collect_statistics(self.network(settings), self.calibration[:COUNTED], threads=1)
        self.store.put(settings, "statistics", found.to_json())
        return found

    def loss(self, settings: Settings, samples: int) -> Measured:
        """From the store, or measured bit-true."""
        kind = f"loss-{samples}"
        kept = self.store.get(settings, kind)
        if kept is None:
            outputs = self.network(settings)(self.x[:samples], threads=1)
            measured = _measured(outputs, self.labels[:samples], self.expected[:samples])
            kept = {"loss": measured.loss, "stderr": measured.stderr}
            self.store.put(settings, kind, kept)
        return Measured(kept["loss"], kept["stderr"], samples)


@dataclass
class ArtifactSubject:
    """An artifact: its tables stay, so its loss and statistics are measured once and only the machine changes."""

    composed: ComposedNetwork
    counted: ProgramStatistics
    samples: int = 0
    layers: tuple[str, ...] = ()
    base: Settings = field(default_factory=Settings)

    def network(self, settings: Settings) -> ComposedNetwork:
        """The artifact."""
        return self.composed

    def statistics(self, settings: Settings) -> ProgramStatistics:
        """Its statistics."""
        return self.counted

    def loss(self, settings: Settings, samples: int) -> Measured:
        """The loss that its composition measured, or 0 where none is recorded: it is the same for every design."""
        found = self.composed.info.get("validation")
        loss = found.get("loss") if isinstance(found, dict) else None
        return Measured(float(loss or 0.0), 0.0, samples)


def float_subject(
    graph: Graph,
    calibration: NDArray[np.float32],
    validation: tuple[NDArray[np.float32], NDArray[Any]],
    base: Settings,
    folder: Any,
) -> FloatSubject:
    """Calibrate once, run the float network once over the evaluation set; its order is shuffled once, by its size.

    Raises
    ------
    DataError
        If the evaluation set is empty.
    """
    x, labels = validation
    if len(x) == 0:
        raise DataError("the evaluation set is empty")
    order = np.random.default_rng(len(x)).permutation(len(x))
    x, labels = np.ascontiguousarray(x[order]), labels[order]
    plan = plan_graph(graph, base.concat)
    histograms = calibrate(graph, calibration, sampled_edges(plan))
    expected = float_outputs(graph, x)
    digest = hashlib.sha256()
    for array in (expected, calibration, labels):
        digest.update(np.ascontiguousarray(array).data)
    store = Store(folder, digest.hexdigest())
    return FloatSubject(graph, plan, histograms, calibration, x, labels, expected, base, store)


def artifact_subject(composed: ComposedNetwork, x: NDArray[np.float32]) -> ArtifactSubject:
    """Count an artifact's statistics on real inputs."""
    return ArtifactSubject(composed, collect_statistics(composed, x[:COUNTED]))


def _measured(outputs: NDArray[np.float32], labels: NDArray[Any], expected: NDArray[np.float32]) -> Measured:
    found = compare_outputs(outputs, labels, expected)
    assert found.loss is not None
    right = (expected.argmax(1) == labels).astype(float) - (outputs.argmax(1) == labels).astype(float)
    return Measured(found.loss, float(right.std() / np.sqrt(len(right))), len(labels))
