"""``rapidnn bench cluster``: our optimal clustering beside scikit-learn and kmeans1d."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import numpy as np

from rapidnn.bench.cluster_data import VGG16, WORKLOADS, Truth, vgg16_points, weights
from rapidnn.bench.cluster_engines import LIMITS, OURS
from rapidnn.bench.cluster_records import Clustering, ClusterRow, LeftOut
from rapidnn.bench.simulate import cpu_name
from rapidnn.errors import DataError, RapidnnError

Progress = Callable[[str, int, int | None], None]

POINTS = (100_000, 1_000_000, 16_000_000)
QUICK_POINTS = (100_000, 1_000_000)
SIZES = (16, 64)
_QUICK_LIMIT = 100_000 * 64
_MODULES = {"scikit-learn": "sklearn", "kmeans1d": "kmeans1d"}


def cluster(
    points: Sequence[int] | None = None,
    sizes: Sequence[int] | None = None,
    *,
    workloads: Sequence[str] | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> Clustering:
    """Cluster the same weights with every engine, each row in a process of its own, and judge the centers.

    Parameters
    ----------
    points
        Numbers of weights of the workloads ``normal`` and ``outlier``; default 1e5, 1e6 and 16e6. Given ones are
        put to every engine, by default each gets what it can cluster in about half a minute.
    sizes
        Codebook sizes, default 16 and 64.
    workloads
        Default ``normal``, ``outlier`` and ``vgg16``.
    quick
        At most 1e6 points, rivals at most 1e5, and no VGG-16.

    Raises
    ------
    DataError
        On an option out of range.
    """
    report = progress or (lambda stage, done, total: None)
    _check(points, sizes, workloads)
    present, left_out = _engines()
    limits = {engine: min(LIMITS[engine], _QUICK_LIMIT) if quick else LIMITS[engine] for engine in present}
    if points is not None:
        limits = dict.fromkeys(present, LIMITS[OURS])
    limits[OURS] = LIMITS[OURS]
    rows = []
    for workload in workloads or (WORKLOADS[:-1] if quick else WORKLOADS):
        counts = [vgg16_points()] if workload == VGG16 else points or (QUICK_POINTS if quick else POINTS)
        for count in dict.fromkeys(counts):
            for k in dict.fromkeys(sizes or SIZES):
                bearing = [engine for engine in present if count * k <= limits[engine]]
                rows += _rows(workload, count, k, bearing, report)
    return Clustering(cpu_name(), os.cpu_count() or 1, _versions(present), tuple(rows), tuple(left_out))


def _rows(workload: str, points: int, k: int, engines: Sequence[str], report: Progress) -> list[ClusterRow]:
    label = f"{workload}, {points:,} weights, k = {k}"
    found = {}
    for done, engine in enumerate(engines):
        report(label, done, len(engines) + 1)
        found[engine] = _measured(engine=engine, workload=workload, points=points, k=k)
    report(label, len(engines), len(engines) + 1)
    errors, optimum = dict.fromkeys(engines, 0.0), 0.0
    for layer, tensor in enumerate(weights(workload, points)):
        truth = Truth.of(tensor)
        optimum += truth.optimum(k)
        for engine in engines:
            errors[engine] += truth.error(np.array(found[engine]["centers"][layer]))
    report(label, len(engines) + 1, len(engines) + 1)
    return [
        ClusterRow(
            workload=workload,
            engine=engine,
            points=points,
            k=k,
            seconds=found[engine]["seconds"],
            cpu_seconds=found[engine]["cpu_seconds"],
            encode_seconds=found[engine]["encode_seconds"],
            sse_ratio=errors[engine] / optimum,
            peak_mib=found[engine]["peak_mib"],
            rounds=found[engine]["rounds"],
        )
        for engine in engines
    ]


def _measured(**row: Any) -> dict[str, Any]:
    environment = os.environ | {"OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    command = [sys.executable, "-m", "rapidnn.bench.cluster_engines", json.dumps(row)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RapidnnError(
            f"bench cluster: {row['engine']} with {row['points']} points and k = {row['k']}: {last}"
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _engines() -> tuple[list[str], list[LeftOut]]:
    missing = [engine for engine, module in _MODULES.items() if find_spec(module) is None]
    left_out = [LeftOut(engine, f"not installed; pip install {engine}") for engine in missing]
    return [engine for engine in LIMITS if engine not in missing], left_out


def _versions(engines: Sequence[str]) -> dict[str, str]:
    found = {}
    for package in dict.fromkeys([*engines, "numpy"]):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _check(
    points: Sequence[int] | None, sizes: Sequence[int] | None, workloads: Sequence[str] | None
) -> None:
    for count in points or ():
        if not 1_000 <= count <= 1 << 30:
            raise DataError(f"--points {count}: expected 1000 to {1 << 30}")
    for k in sizes or ():
        if not 2 <= k <= 256:
            raise DataError(f"--size {k}: a codebook has 2 to 256 values here")
    for workload in workloads or ():
        if workload not in WORKLOADS:
            raise DataError(f"--weights {workload!r}: expected one of {', '.join(WORKLOADS)}")
