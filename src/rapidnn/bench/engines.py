"""Everything that is timed on one network: its float and int8 models, and our artifacts of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.bench import exact, rivals
from rapidnn.bench.artifacts import TABLES, artifact_file
from rapidnn.bench.store import Store
from rapidnn.bench.timing import Timed
from rapidnn.bench.workloads import SEED, inputs, multiply_accumulates
from rapidnn.execute.composed import ComposedNetwork, load
from rapidnn.execute.reference import run_reference
from rapidnn.networks import build

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

Array = NDArray[np.float32]
Stage = Callable[[str], None]
"""Called with what is being built."""

NAIVE = "naive"
NAIVE_TABLES = "rapidnn-table-64-narrow"
BASELINE = "onnxruntime-float32"

CHECKED = 8
"""Samples compared with the reference."""
LARGE_MACS = 10**9
"""Above this many multiply-accumulates a sample the reference takes minutes: one sample is compared. Rows above it
leave out ``naive``."""

_PORTABLE_MACS = 3 * 10**8
"""Portable kernels do about a fifth of a billion to a billion a second: they are compared on smaller rows."""

_CALIBRATION = 16
_NAIVE_LIMIT_S = 0.5


@dataclass(frozen=True, eq=False)
class Contest:
    """One network in all its forms; ``expected`` are the reference's integers for the first samples, by engine."""

    network: str
    macs: int
    module: nn.Module
    float_file: Path
    int8_file: Path
    composed: dict[str, ComposedNetwork]
    expected: dict[str, NDArray[Any]]

    def engines(self, x: Array, threads: int) -> dict[str, Timed]:
        """A call per engine that runs the batch ``x``; torch is set to ``threads`` for the whole process.

        Where the batch is small enough for it, :data:`NAIVE` is among them; its result is the reference's integers.
        """
        import torch

        torch.set_num_threads(threads)
        found = {}
        for name, tables in TABLES.items():
            run = self.composed[name].native().run
            found[name] = Timed(partial(run, x, threads=threads, use_factors=tables.factorised))
        found["torch-float32"] = Timed(rivals.torch_call(self.module, x))
        for name, file in ((BASELINE, self.float_file), ("onnxruntime-int8", self.int8_file)):
            session = rivals.onnxruntime_session(file, threads)
            found[name] = Timed(rivals.onnxruntime_call(session, x))
        if self.is_small(len(x)):
            program = self.composed[NAIVE_TABLES].program
            found[NAIVE] = Timed(partial(run_reference, program, x), _NAIVE_LIMIT_S)
        return found

    def is_small(self, batch: int) -> bool:
        """Whether slow engines get through a batch in seconds."""
        return self.macs * batch < LARGE_MACS

    def exactness(self, batch: int, threads: int, naive: NDArray[Any] | None) -> dict[str, bool]:
        """Whether each engine of ours gives the reference's integers; at batch 1 for every sample by itself.

        ``naive`` is that engine's result for the row's batch, if it took part.
        """
        x = inputs(self.network, max(batch, CHECKED))
        found = {}
        for name, tables in TABLES.items():
            composed, expected = self.composed[name], self.expected[name]
            mine = exact.native_outputs(composed, x, batch, threads=threads, use_factors=tables.factorised)
            found[name] = exact.agrees(
                composed,
                x,
                mine,
                expected,
                batch,
                threads=threads,
                factorised=tables.factorised,
                slow_paths=self.macs * len(x) < _PORTABLE_MACS,
            )
            if naive is not None and name == NAIVE_TABLES:
                found[NAIVE] = np.array_equal(naive, mine[:batch])
                found[name] &= found[NAIVE]
        return found


def contest(
    store: Store, network: str, *, reference_samples: int | None, stage: Stage = lambda name: None
) -> Contest:
    """Build, or take from the store, all that is timed on a network.

    References run in threads of their own while the rest is built.
    """
    stage("model")
    module = build(network, SEED)
    calibration = inputs(network, _CALIBRATION)
    float_file = rivals.onnx_file(store, network, module, calibration)
    composed: dict[str, ComposedNetwork] = {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        pending = {}
        for name, tables in TABLES.items():
            stage(name)
            file = artifact_file(store, network, tables, float_file, calibration)
            made = composed[name] = load(file)
            count = reference_samples or _reference_samples(made)
            work = (store, file, made, inputs(network, count))
            pending[name] = pool.submit(exact.reference_outputs, *work)
        stage("onnxruntime-int8")
        int8_file = rivals.int8_file(store, network, float_file, calibration)
        stage("reference")
        expected = {name: future.result() for name, future in pending.items()}
    macs = multiply_accumulates(composed[NAIVE_TABLES].program)
    return Contest(network, macs, module, float_file, int8_file, composed, expected)


def _reference_samples(composed: ComposedNetwork) -> int:
    return CHECKED if multiply_accumulates(composed.program) < LARGE_MACS else 1
