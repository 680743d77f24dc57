"""Errors of the in-place addition: accumulators disturbed as they are made, neuron by neuron."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.cost import Cost
from rapidnn.tables.program import Program, WeightedSum, word_width


def nor_outputs(cost: Cost) -> dict[str, float]:
    """NOR outputs of one neuron of each layer, mean over neurons."""
    return {
        layer.name: layer.bits_by_component.get("nor_outputs", 0.0) / max(1, layer.neurons)
        for layer in cost.by_layer
    }


def disturber(
    program: Program, outputs: Mapping[str, float], rate: float, rng: np.random.Generator
) -> Callable[[str, NDArray[np.generic]], None]:
    """An observer that changes accumulators in place: each wrong NOR output adds or takes a power of two of the word.

    ``outputs`` are NOR outputs of a neuron by layer; layers that are not named stay right.
    """

    def observe(name: str, edge: NDArray[np.generic]) -> None:
        step = program.step[name]
        if not isinstance(step, WeightedSum) or name not in outputs:
            return
        width = word_width(step.bound)
        count = int(rng.poisson(edge.size * outputs[name] * rate))
        place = rng.integers(edge.size, size=count)
        delta = (1 << rng.integers(width, size=count).astype(np.int64)) * rng.choice([-1, 1], size=count)
        sums = edge.reshape(-1).astype(np.int64)
        np.add.at(sums, place, delta)
        # The machine adds modulo 2**width.
        half = np.int64(1) << (width - 1)
        wrapped = (sums[place] + half) % (2 * half) - half
        flat = edge.reshape(-1)
        flat[place] = wrapped.astype(edge.dtype)

    return observe
