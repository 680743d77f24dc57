"""Streaming calibration: histograms of float edges, equal for any number of threads (SPEC section 2, step 2)."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

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
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Histogram]:
    """Run the float network over ``samples`` and count the values on the named float edges.

    Every shard runs in one thread, shards run side by side, and integer histograms are merged: the result does not
    depend on ``threads`` (default: all cores).

    Raises
    ------
    ComposeError
        If an edge holds NaN or infinity; the message names the first such node.
    """
    import torch

    size = shard_size(graph)
    shards = [samples[i : i + size] for i in range(0, len(samples), size)]
    wanted = frozenset(edges)

    def count(shard: NDArray[np.float32]) -> dict[str, Histogram]:
        torch.set_num_threads(1)
        found: dict[str, Histogram] = {}

        def observe(name: str, value: torch.Tensor) -> None:
            if name in wanted:
                found[name] = Histogram()
                found[name].add(value.numpy())

        run_float(graph, shard, observe)
        return found

    totals = {node.name: Histogram() for node in graph if node.name in wanted}
    previous = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
            for done, found in enumerate(pool.map(count, shards), start=1):
                for name, histogram in found.items():
                    totals[name].merge(histogram)
                if progress is not None:
                    progress(done, len(shards))
    finally:
        torch.set_num_threads(previous)
    for name, histogram in totals.items():
        if not histogram.finite:
            raise ComposeError(
                f"node {name!r} produces NaN or infinity on the calibration data; check the weights and the input's scale"
            )
    return totals
