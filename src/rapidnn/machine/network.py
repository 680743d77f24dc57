"""estimate(): the machine's cost of a composed network, from the real codes of real inputs."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array, check_input
from rapidnn.execute.native import supports
from rapidnn.execute.observe import observe_native
from rapidnn.machine.cost import Cost
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.statistics import ProgramStatistics, StatisticsCollector

DEFAULT_HARDWARE = "rapidnn-hpca20"
_KEPT_BYTES = 256 << 20
_MOST_INPUTS = 1024


def estimate(
    composed: ComposedNetwork,
    x: Any,
    hardware: str | Path = DEFAULT_HARDWARE,
    *,
    overrides: Mapping[str, str | float] | None = None,
    neurons_per_step: int | None = None,
    exact: bool = False,
    threads: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Cost:
    """Time, energy, area and lifetime of the machine that runs ``composed`` on inputs like ``x``.

    Parameters
    ----------
    x
        Array or tensor ``(N, *input_shape)``, preprocessed, N >= 1: its codes are counted.
    hardware
        A built-in machine's name (``rapidnn.machine.hardware_names``) or the path of a ``.yaml`` description.
    overrides
        Constants to change, by dotted field: ``{"rna.cycle_ns": 1}``.
    neurons_per_step
        Neurons whose codes are counted, per layer and batch; by default one in 20,000, at most 1024 and at least 64
        (16 where they are large).
    exact
        Count all neurons, whatever it takes.
    threads
        Threads of the native run and of the counting, default all cores; the result does not depend on them.
    seed
        Picks the neurons.

    Raises
    ------
    DataError
        If ``x`` is empty or does not fit the network.
    HardwareError
        If the description or an override is not valid, or the machine cannot run the network.
    """
    described = load_hardware(hardware, overrides)
    statistics = collect_statistics(
        composed,
        x,
        neurons_per_step=neurons_per_step,
        exact=exact,
        threads=threads,
        seed=seed,
        progress=progress,
    )
    return estimate_program(composed.program, statistics, described)


def collect_statistics(
    composed: ComposedNetwork,
    x: Any,
    *,
    neurons_per_step: int | None = None,
    exact: bool = False,
    threads: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ProgramStatistics:
    """What inputs ``x`` make the accumulations of ``composed`` add, counted in the native executor's own pass.

    A network with operators on the host runs in NumPy. Arguments and errors as in :func:`estimate`; the result's
    ``to_json`` can be stored.
    """
    samples = as_array(x)
    if samples.ndim == 0 or len(samples) == 0:
        raise DataError("a cost needs at least one input whose codes can be counted")
    used = threads or os.cpu_count() or 1
    rng = np.random.default_rng(seed)
    collector = StatisticsCollector(composed.program, rng, neurons_per_step, exact=exact, threads=used)
    if not supports(composed.program):
        composed.run(samples, observe=collector.observe, progress=progress)
        return collector.result()
    size = _batch_size(composed, collector)
    for start in range(0, len(samples), size):
        batch = check_input(composed.program, samples[start : start + size])
        collector.observe_codes(observe_native(composed.native(), batch, collector.sources, threads=used))
        if progress is not None:
            progress(min(start + size, len(samples)), len(samples))
    return collector.result()


def _batch_size(composed: ComposedNetwork, collector: StatisticsCollector) -> int:
    """Inputs whose codes are kept at once."""
    kept = sum(math.prod(composed.program.shapes[name]) for name in collector.sources)
    return max(1, min(_MOST_INPUTS, _KEPT_BYTES // max(1, kept)))
