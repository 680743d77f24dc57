"""One row of ``rapidnn bench cluster`` in a process of its own: ``python -m`` this module with the row as JSON.

A process of its own shows an engine's memory without what other engines left behind.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.bench.cluster_data import weights
from rapidnn.composer.pieces import thread_count
from rapidnn.composer.points import weighted_points
from rapidnn.tables.program import Float64

Cluster = Callable[[NDArray[np.float32], int], Float64]
"""Ascending centers of the values of a 1-D array."""

OURS = "rapidnn"
LIMITS = {OURS: 2**40, "scikit-learn": 16_000_000 * 16, "kmeans1d": 1_000_000 * 64}
"""The engines, and the largest points x k that each gets: about half a minute of one core of 2023."""

_WARM_UP = 2_000
_ROUNDS = 5
_ROUNDS_S = 2.0


def _rapidnn(x: NDArray[np.float32], k: int) -> Float64:
    return _native.kmeans(*weighted_points(x, size=k), k, False)[0]


def _scikit_learn(x: NDArray[np.float32], k: int) -> Float64:
    from sklearn.cluster import KMeans

    found = KMeans(n_clusters=k, n_init=1, random_state=0).fit(x.reshape(-1, 1))
    return np.sort(found.cluster_centers_[:, 0].astype(np.float64))


def _kmeans1d(x: NDArray[np.float32], k: int) -> Float64:
    import kmeans1d

    return np.array(kmeans1d.cluster(x, k).centroids)


ENGINES: dict[str, Cluster] = {OURS: _rapidnn, "scikit-learn": _scikit_learn, "kmeans1d": _kmeans1d}


def measure(engine: str, workload: str, points: int, k: int) -> dict[str, Any]:
    """Times, memory and the centers of one engine on one workload; times are summed over its tensors."""
    call = ENGINES[engine]
    call(next(weights("normal", _WARM_UP)), k)
    seconds, cpu, encode, rounds = 0.0, 0.0, 0.0, _ROUNDS
    peaks: list[float] = []
    centers = []
    for tensor in weights(workload, points):
        x = tensor.reshape(-1)
        before = _reset_peak()
        found = [_timed(call, x, k)]
        if before is not None:
            peaks.append(max(0.0, _memory_mib("VmHWM") - before))
        while len(found) < _ROUNDS and sum(wall for wall, _, _ in found) < _ROUNDS_S:
            found.append(_timed(call, x, k))
        rounds = min(rounds, len(found))
        seconds += median(wall for wall, _, _ in found)
        cpu += median(used for _, used, _ in found)
        centers.append(found[0][2].tolist())
        if engine == OURS:
            encode += _encode_seconds(x, found[0][2])
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "encode_seconds": encode if engine == OURS else None,
        "peak_mib": max(peaks, default=None),
        "centers": centers,
        "rounds": rounds,
    }


def _timed(call: Cluster, x: NDArray[np.float32], k: int) -> tuple[float, float, Float64]:
    wall, cpu = time.perf_counter(), time.process_time()
    centers = call(x, k)
    return time.perf_counter() - wall, time.process_time() - cpu, centers


def _encode_seconds(x: NDArray[np.float32], centers: Float64) -> float:
    cuts = ((centers[1:] + centers[:-1]) / 2).astype(np.float32)
    codes = np.zeros(x.shape, np.uint8)
    found = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        _native.encode(x, cuts, codes, thread_count(None))
        found.append(time.perf_counter() - start)
    return median(found)


def _reset_peak() -> float | None:
    """Let the peak count from here (Linux only): the memory held now, MiB."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _memory_mib("VmRSS")
    except OSError:
        return None


def _memory_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    print(json.dumps(measure(**json.loads(sys.argv[1]))))
