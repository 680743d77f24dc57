"""What is explored: a network that is composed anew for each setting, or an artifact whose machine alone is chosen."""

from __future__ import annotations

import hashlib
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices, choose, readers
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
from rapidnn.graph.ops import parameters_of
from rapidnn.machine.network import collect_statistics
from rapidnn.machine.statistics import ProgramStatistics

COUNTED = 32
"""Calibration samples whose codes are counted for the cost."""
_KEPT_PROGRAMS = 8
"""Composed networks a process keeps, so that designs that differ in their machine alone share one."""

Known = dict[str, Any]
"""What is known of a setting, as JSON: ``statistics``; ``answers`` by number of samples, each ``[lost, won]``: answers
that only the float network, and only the composed one, has right."""


@dataclass(frozen=True)
class Measured:
    """Loss on the first ``samples`` of the evaluation set, and its standard error (paired)."""

    loss: float
    stderr: float
    samples: int

    @classmethod
    def of(cls, lost: int, won: int, samples: int) -> Measured:
        """From counts of answers that only one of the two networks has right.

        The error is that of a mean of values of -1, 0 and 1, one more differing answer assumed than was seen, so that
        few samples without any do not pass for certainty.
        """
        loss = (lost - won) / samples
        return cls(loss, float(np.sqrt(max(0.0, (lost + won + 1) / samples - loss**2) / samples)), samples)


class Subject(Protocol):
    """Programs, statistics and losses by setting. ``identity`` stands for all that they follow from."""

    base: Settings
    identity: str

    @property
    def samples(self) -> int:
        """Size of the evaluation set."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the weighted layers whose sizes may be chosen."""

    def network(self, settings: Settings) -> ComposedNetwork:
        """The composed network of a setting."""

    def statistics(self, settings: Settings, known: Known) -> ProgramStatistics:
        """What its accumulations add on real inputs; taken from, or put into, what is known."""

    def measured(self, settings: Settings, samples: int, known: Known) -> Measured:
        """Float minus composed accuracy on the first samples of the evaluation set; likewise."""


@dataclass
class FloatSubject:
    """A float network: every setting is composed anew, from codebooks that settings share."""

    graph: Graph
    plan: Plan
    histograms: Mapping[str, Histogram]
    calibration: NDArray[np.float32]
    x: NDArray[np.float32]
    labels: NDArray[Any]
    expected: NDArray[np.float32]
    base: Settings
    identity: str
    _books: dict[Settings, Choices] = field(default_factory=dict, repr=False)
    _programs: OrderedDict[str, ComposedNetwork] = field(default_factory=OrderedDict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without composed networks, which another process makes for itself."""
        return self.__dict__ | {"_programs": OrderedDict()}

    @property
    def samples(self) -> int:
        """Size of the evaluation set."""
        return len(self.x)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the weighted layers."""
        return tuple(step.name for step in self.plan.layers())

    def books(self, size: int, settings: Settings) -> Choices:
        """Choices with every codebook of one size, the rest as in ``settings``; made once."""
        equal = replace(settings, weights=size, inputs=size, recover="none")
        if equal not in self._books:
            self._books[equal] = choose(self.plan, self.histograms, equal)
        return self._books[equal]

    def choices(self, settings: Settings) -> Choices:
        """What :func:`~rapidnn.composer.choices.choose` gives, put together from codebooks of equal sizes."""
        groups = {
            name: self.books(settings.input_size(readers(self.plan, name)), settings).groups[name]
            for name in self.plan.sampled_edges()
        }
        layers = {
            name: self.books(settings.weight_size(name), settings).layers[name]
            for name in self.books(settings.weight_size("*"), settings).layers
        }
        return Choices(groups, layers)

    def network(self, settings: Settings) -> ComposedNetwork:
        """Compose, or return what was composed lately."""
        key = repr(settings)
        if key not in self._programs:
            choices = self.choices(settings)
            if settings.recover != "none":
                from rapidnn.composer.recover import recover

                choices = recover(
                    self.graph, self.plan, choices, settings, self.calibration, threads=1
                ).choices
            program = tabulate(self.graph, self.plan, self.histograms, choices, settings)
            self._programs[key] = ComposedNetwork(program, Preprocess.identity(self.graph.input_shape), {})
        self._programs.move_to_end(key)
        if len(self._programs) > _KEPT_PROGRAMS:
            self._programs.popitem(last=False)
        return self._programs[key]

    def statistics(self, settings: Settings, known: Known) -> ProgramStatistics:
        """Counted on calibration samples."""
        if "statistics" not in known:
            found = collect_statistics(self.network(settings), self.calibration[:COUNTED], threads=1)
            known["statistics"] = found.to_json()
        return ProgramStatistics.from_json(known["statistics"])

    def measured(self, settings: Settings, samples: int, known: Known) -> Measured:
        """Bit-true; only samples beyond those known are run."""
        answers = known.setdefault("answers", {})
        start = max((int(n) for n in answers if int(n) <= samples), default=0)
        lost, won = answers.get(str(start), (0, 0))
        if start < samples:
            outputs = self.network(settings)(self.x[start:samples], threads=1)
            labels = self.labels[start:samples]
            right = outputs.argmax(1) == labels
            wanted = self.expected[start:samples].argmax(1) == labels
            lost, won = lost + int((wanted & ~right).sum()), won + int((right & ~wanted).sum())
            answers[str(samples)] = [lost, won]
        return Measured.of(lost, won, samples)


@dataclass
class ArtifactSubject:
    """An artifact: its tables stay, so its loss and statistics are measured once and only the machine changes."""

    composed: ComposedNetwork
    counted: ProgramStatistics
    identity: str
    samples: int = 0
    layers: tuple[str, ...] = ()
    base: Settings = field(default_factory=Settings)

    def network(self, settings: Settings) -> ComposedNetwork:
        """The artifact."""
        return self.composed

    def statistics(self, settings: Settings, known: Known) -> ProgramStatistics:
        """Its statistics."""
        return self.counted

    def measured(self, settings: Settings, samples: int, known: Known) -> Measured:
        """The loss that its composition measured, or 0 where none is recorded: it is the same for every design."""
        found = self.composed.info.get("validation")
        loss = found.get("loss") if isinstance(found, dict) else None
        return Measured(float(loss) if isinstance(loss, int | float) else 0.0, 0.0, samples)


def float_subject(
    graph: Graph,
    calibration: NDArray[np.float32],
    validation: tuple[NDArray[np.float32], NDArray[Any]],
    base: Settings,
) -> FloatSubject:
    """Calibrate once, run the float network once over the evaluation set; its order is shuffled once, by its size.

    Raises
    ------
    DataError
        If the evaluation set is empty, or its labels do not fit the network.
    """
    x, labels = validation
    if len(x) == 0:
        raise DataError("the evaluation set is empty")
    order = np.random.default_rng(len(x)).permutation(len(x))
    x, labels = np.ascontiguousarray(x[order]), labels[order]
    plan = plan_graph(graph, base.concat)
    histograms = calibrate(graph, calibration, sampled_edges(plan))
    expected = float_outputs(graph, x)
    compare_outputs(expected, labels)
    digest = hashlib.sha256()
    for node in graph:
        digest.update(
            f"{node.name} {type(node.op).__name__} {node.inputs} {graph.shapes[node.name]}".encode()
        )
        for name, array in parameters_of(node.op).items():
            digest.update(f"{name} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    for array in (calibration, x, labels):
        digest.update(f"{array.shape} {array.dtype}".encode() + np.ascontiguousarray(array).tobytes())
    return FloatSubject(graph, plan, histograms, calibration, x, labels, expected, base, digest.hexdigest())


def artifact_subject(composed: ComposedNetwork, x: NDArray[np.float32]) -> ArtifactSubject:
    """Count an artifact's statistics on real inputs."""
    with tempfile.TemporaryDirectory() as folder:
        composed.save(Path(folder) / "a")
        identity = hashlib.sha256((Path(folder) / "a").read_bytes()).hexdigest()
    return ArtifactSubject(composed, collect_statistics(composed, x[:COUNTED]), identity)
