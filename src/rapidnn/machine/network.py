"""estimate(): the machine's cost of a composed network, from the real codes of real inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array
from rapidnn.machine.cost import Cost
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.statistics import StatisticsCollector

DEFAULT_HARDWARE = "rapidnn-hpca20"


def estimate(
    composed: ComposedNetwork,
    x: Any,
    hardware: str | Path = DEFAULT_HARDWARE,
    *,
    overrides: Mapping[str, str | float] | None = None,
    neurons_per_step: int = 256,
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
        Neurons whose codes are counted, per layer and batch.
    seed
        Picks them.

    Raises
    ------
    DataError
        If ``x`` is empty or does not fit the network.
    HardwareError
        If the description or an override is not valid, or the machine cannot run the network.
    """
    described = load_hardware(hardware, overrides)
    samples = as_array(x)
    if samples.ndim == 0 or len(samples) == 0:
        raise DataError("a cost needs at least one input whose codes can be counted")
    collector = StatisticsCollector(composed.program, np.random.default_rng(seed), neurons_per_step)
    composed.run(samples, observe=collector.observe, progress=progress)
    return estimate_program(composed.program, collector.result(), described)
