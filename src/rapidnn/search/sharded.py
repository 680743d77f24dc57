"""What runs on a cluster: trials of a search, and shards of an evaluation set."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.composed import DEFAULT_BACKEND, ComposedNetwork, load
from rapidnn.execute.evaluate import Evaluation, compare_outputs
from rapidnn.machine.description import hardware_names
from rapidnn.search.cluster import Cluster
from rapidnn.search.subject import Subject
from rapidnn.search.trial import Outcome, Task, run_task

SHARD = 1024
"""Samples of a shard."""


class OnCluster:
    """Runs trials on a cluster; network, data and hardware description are put into its object store once."""

    def __init__(self, subject: Subject, hardware: str, address: str) -> None:
        self.cluster = Cluster(address)
        text = None if hardware in hardware_names() else Path(hardware).read_text(encoding="utf-8")
        self.shared = self.cluster.put((subject, hardware, text))

    def run(self, tasks: Sequence[Task], done: Callable[[int], None]) -> list[Outcome]:
        """All outcomes, in the order of the tasks."""
        found: dict[int, Outcome] = {}
        for index, outcome in self.cluster.map(_trial, self.shared, tasks):
            found[index] = outcome
            done(len(found))
        return [found[index] for index in range(len(tasks))]

    def close(self) -> None:
        """Leave the cluster."""
        self.cluster.close()


def _trial(shared: tuple[Subject, str, str | None], task: Task) -> Outcome:
    subject, hardware, text = shared
    return run_task(subject, hardware if text is None else _described(text), task)


@lru_cache(maxsize=4)
def _described(text: str) -> str:
    """A file on this node with a description that came from another one."""
    name = f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.yaml"
    path = Path(tempfile.mkdtemp(prefix="rapidnn-")) / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def evaluate_on_cluster(
    composed: ComposedNetwork,
    x: NDArray[Any],
    labels: NDArray[Any],
    address: str,
    *,
    float_outputs: NDArray[np.floating] | None = None,
    backend: str = DEFAULT_BACKEND,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """As :func:`rapidnn.execute.evaluate.evaluate`, the samples run in shards on a Ray cluster.

    The integers of each shard come back and take their place, so the result is the same to the bit.

    Raises
    ------
    DataError
        As ``evaluate``; and if the cluster cannot be reached or loses the work.
    """
    cluster = Cluster(address)
    try:
        results = _integers(cluster, composed, x, backend, progress)
    finally:
        cluster.close()
    return compare_outputs(composed.real(results), labels, float_outputs)


def _integers(
    cluster: Cluster,
    composed: ComposedNetwork,
    x: NDArray[Any],
    backend: str,
    progress: Callable[[int, int], None] | None,
) -> NDArray[Any]:
    """What :meth:`ComposedNetwork.run` gives for raw data."""
    composed.preprocess.check(x)
    if len(x) == 0:
        return composed.run(composed.preprocess.apply(x))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "F.rapidnn"
        composed.save(path)
        artifact = path.read_bytes()
    shared = cluster.put((artifact, backend))
    shards = _Shards(x)
    parts: dict[int, NDArray[Any]] = {}
    done = 0
    for index, part in cluster.map(_shard, shared, shards):
        parts[index] = part
        done += len(part)
        if progress is not None:
            progress(done, len(x))
    return np.concatenate([parts[index] for index in range(len(shards))])


class _Shards(Sequence[NDArray[Any]]):
    """Samples, a shard at a time."""

    def __init__(self, x: NDArray[Any]) -> None:
        self.x = x

    def __len__(self) -> int:
        return (len(self.x) + SHARD - 1) // SHARD

    def __getitem__(self, index: Any) -> Any:
        if index >= len(self):
            raise IndexError(index)
        return self.x[index * SHARD : (index + 1) * SHARD]


def _shard(shared: tuple[bytes, str], x: NDArray[Any]) -> NDArray[Any]:
    artifact, backend = shared
    composed = _loaded(artifact)
    return composed.run(composed.preprocess.apply(x), backend=backend, threads=1)


@lru_cache(maxsize=1)
def _loaded(artifact: bytes) -> ComposedNetwork:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "F.rapidnn"
        path.write_bytes(artifact)
        return load(path)
