"""Whether our engines give the reference's integers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import _native
from rapidnn.bench.store import Store
from rapidnn.data.download import digest_of
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.native import KERNELS_VARIABLE, kernel_path
from rapidnn.execute.reference import run_reference

Array = NDArray[np.float32]
SLOW_PATH = "portable"


SOURCES = ("tables", "graph", "execute/reference.py", "execute/inputs.py", "execute/host.py")
"""What decides the reference's integers of an artifact."""


def reference_outputs(store: Store, file: Path, composed: ComposedNetwork, x: Array) -> NDArray[Any]:
    """The reference's integers of an artifact for ``x``, kept in the store: they take seconds to minutes."""

    def build(path: Path) -> None:
        # Large images one by one: the reference holds 64-bit sums of whole layers.
        size = max(1, composed.batch_size() // 8)
        parts = [run_reference(composed.program, x[i : i + size]) for i in range(0, len(x), size)]
        with path.open("wb") as stream:
            np.save(stream, np.concatenate(parts), allow_pickle=False)

    recipe = {
        "what": "reference",
        "artifact": digest_of(file),
        "inputs": hashlib.sha256(x.tobytes()).hexdigest(),
    }
    path = store.file(".npy", recipe, SOURCES, build)
    return np.asarray(np.load(path, allow_pickle=False))


def native_outputs(
    composed: ComposedNetwork, x: Array, batch: int, *, threads: int, use_factors: bool
) -> NDArray[Any]:
    """Our engine's integers for ``x``, ``batch`` samples at a time."""
    network = composed.native()
    parts = [
        network.run(x[i : i + batch], threads=threads, use_factors=use_factors)
        for i in range(0, len(x), batch)
    ]
    return np.concatenate(parts)


def agrees(
    composed: ComposedNetwork,
    x: Array,
    found: NDArray[Any],
    expected: NDArray[Any],
    batch: int,
    *,
    threads: int,
    factorised: bool,
    slow_paths: bool,
) -> bool:
    """Whether ``found``, the integers for ``x``, begin with ``expected`` and equal those of our other engines.

    The others are the table kernels of every instruction set the machine has (the portable one only with
    ``slow_paths``), and where the artifact is ``factorised`` the byte dot products of each.
    """
    if not np.array_equal(found[: len(expected)], expected):
        return False
    for path in _native.kernel_paths():
        if path == SLOW_PATH and path != kernel_path() and not slow_paths:
            continue
        with _forced(path):
            for use_factors in (False, True) if factorised else (False,):
                other = native_outputs(composed, x, batch, threads=threads, use_factors=use_factors)
                if not np.array_equal(found, other):
                    return False
    return True


@contextmanager
def _forced(path: str) -> Iterator[None]:
    before = os.environ.get(KERNELS_VARIABLE)
    os.environ[KERNELS_VARIABLE] = path
    try:
        yield
    finally:
        if before is None:
            del os.environ[KERNELS_VARIABLE]
        else:
            os.environ[KERNELS_VARIABLE] = before
