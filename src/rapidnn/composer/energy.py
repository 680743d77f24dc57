"""The machine's energy by codebook size, layer by layer: what a choice of sizes is priced with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.plan import Plan
from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.machine import Cost, LayerCost
from rapidnn.machine.network import estimate
from rapidnn.tables.program import Encode, EncodeInput, EncodeReal, Join, Program, WeightedSum, sources_of

Progress = Callable[[int, int], None]
ComposeEqual = Callable[[int, int], Program]
"""A program whose weight codebooks all have the first size, its input codebooks the second."""

_SAMPLES = 4
_NEURONS = 64
"""Samples run, and neurons counted of each layer, for one pair of sizes; reported energies are counted on more."""
_MADE_CODES = ("encoding_am", "code_output", "max_pool")
"""Components of a layer's energy that follow the size of the codebook it encodes to, not of those it reads."""


@dataclass(frozen=True)
class EnergyTable:
    """Picojoules of one input.

    ``layers[name][w, u]``: a weighted layer with weight codebooks of w that reads codes of u, without making codes.
    ``groups[name][u]``: making the group's codes, and every accumulation without weights that reads them.
    """

    layers: Mapping[str, Mapping[tuple[int, int], float]]
    groups: Mapping[str, Mapping[int, float]]


def energy_table(
    plan: Plan,
    compose_equal: ComposeEqual,
    sizes: tuple[Collection[int], Collection[int]],
    samples: NDArray[np.float32],
    progress: Progress | None = None,
) -> EnergyTable:
    """Energies counted on real codes, from one program for every pair of a weight and an input size."""
    layers: dict[str, dict[tuple[int, int], float]] = {step.name: {} for step in plan.layers()}
    groups: dict[str, dict[int, float]] = {name: {} for name in dict.fromkeys(plan.group_of.values())}
    pairs = [(w, u) for w in sizes[0] for u in sizes[1]]
    for done, (w, u) in enumerate(pairs, start=1):
        program = compose_equal(w, u)
        for total in groups.values():
            total[u] = 0.0
        for layer in energy_of(program, samples[:_SAMPLES], _NEURONS).by_layer:
            making = sum(layer.by_component[name] for name in _MADE_CODES)
            made = _group_made(program, layer)
            rest = layer.energy_pj
            if made is not None:
                groups[made][u] += making
                rest -= making
            if layer.name in layers:
                layers[layer.name][w, u] = rest
            else:
                read = _group_read(program, layer) or made
                if read is not None:
                    groups[read][u] += rest
        if progress is not None:
            progress(done, len(pairs))
    return EnergyTable(layers, groups)


def energy_of(program: Program, samples: NDArray[np.float32], neurons: int = 256) -> Cost:
    """The default machine's cost of a program, counted on preprocessed samples."""
    network = ComposedNetwork(program, Preprocess.identity(program.input_shape), {})
    return estimate(network, samples, neurons_per_step=neurons)


def _group_made(program: Program, layer: LayerCost) -> str | None:
    """The group that a stage encodes to; the first, should it encode to several."""
    for name in layer.steps:
        step = program.step.get(name)  # a softmax at the end is a stage of the host, but no step
        if isinstance(step, EncodeInput | Encode | EncodeReal | Join):
            return step.group
    return None


def _group_read(program: Program, layer: LayerCost) -> str | None:
    """The group whose codes a stage without weights reads first."""
    step = program.step.get(layer.name)
    if step is None or isinstance(step, WeightedSum):
        return None
    return next((program.group_of[name].name for name in sources_of(step) if name in program.group_of), None)
