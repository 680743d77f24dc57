"""Running the float network over samples in fixed shards: calibration histograms, and its outputs for comparison.

Shards run in one thread each, side by side, so results do not depend on the number of threads (SPEC section 2).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.histogram import Histogram
from rapidnn.errors import ComposeError
from rapidnn.graph import Graph
from rapidnn.graph.float_exec import run_float

if TYPE_CHECKING:
    import torch

_EDGE_BYTES = 48 << 20
"""A shard is small enough for its largest edge to stay below this, so memory does not grow with the samples."""
_MAX_SHARD = 256

Progress = Callable[[int, int], None]
Result = TypeVar("Result")


def shard_size(graph: Graph) -> int:
    """Samples per shard: fixed by the graph alone, so that results do not depend on the machine's load."""
    largest = 4 * max(math.prod(shape) for shape in graph.shapes.values())
    return max(1, min(_MAX_SHARD, _EDGE_BYTES // largest))


def calibrate(
    graph: Graph,
    samples: NDArray[np.float32],
    edges: Collection[str],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> dict[str, Histogram]:
    """Run the float network over ``samples`` and count the values on the named float edges.

    Integer histograms are merged, so memory does not grow with the samples and order does not matter.

    Raises
    ------
    ComposeError
        If an edge holds NaN or infinity; the message names the first such node.
    """
    wanted = frozenset(edges)

    def count(shard: NDArray[np.float32]) -> dict[str, Histogram]:
        found: dict[str, Histogram] = {}

        def observe(name: str, value: torch.Tensor) -> None:
            if name in wanted:
                found[name] = Histogram()
                found[name].add(value.numpy())

        run_float(graph, shard, observe)
        return found

    totals = {node.name: Histogram() for node in graph if node.name in wanted}
    for found in map_shards(graph, samples, count, threads, progress):
        for name, histogram in found.items():
            totals[name].merge(histogram)
    for name, histogram in totals.items():
        if not histogram.finite:
            raise ComposeError(
                f"node {name!r} produces NaN or infinity on the calibration data; "
                f"check the weights and the input's scale"
            )
    return totals


def float_outputs(
    graph: Graph,
    samples: NDArray[np.float32],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> NDArray[np.float32]:
    """The float network's outputs, float32 ``(N, *output_shape)``."""
    parts = list(map_shards(graph, samples, lambda shard: run_float(graph, shard), threads, progress))
    return np.concatenate(parts) if parts else np.zeros((0, *graph.output_shape), np.float32)


def map_shards(
    graph: Graph,
    samples: NDArray[Any],
    work: Callable[[NDArray[np.float32]], Result],
    threads: int | None,
    progress: Progress | None,
    *,
    most: int = _MAX_SHARD,
) -> Iterator[Result]:
    """``work`` of every shard of at most ``most`` samples, in their order; torch runs one thread in each."""
    import torch

    size = min(most, shard_size(graph))
    shards = [samples[i : i + size] for i in range(0, len(samples), size)]
    previous = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, initializer=lambda: torch.set_num_threads(1))
    try:
        for done, result in enumerate(pool.map(work, shards), start=1):
            yield result
            if progress is not None:
                progress(done, len(shards))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(previous)
