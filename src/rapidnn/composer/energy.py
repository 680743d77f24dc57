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
_NO_PJ = 1e-9
"""Taken for an energy of zero, which has no logarithm."""
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

    def filled(self, weights: Collection[int], inputs: Collection[int]) -> EnergyTable:
        """The table for more sizes: powers of the size between neighbours in this one, constant beyond its ends."""
        layers = {}
        for name, known in self.layers.items():
            by_w = {
                w: _between({u: known[w, u] for v, u in known if v == w}, inputs)
                for w in {w for w, _ in known}
            }
            by_u = {u: _between({w: by_w[w][u] for w in by_w}, weights) for u in inputs}
            layers[name] = {(w, u): by_u[u][w] for w in weights for u in inputs}
        return EnergyTable(layers, {name: _between(known, inputs) for name, known in self.groups.items()})


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


def _between(known: Mapping[int, float], sizes: Collection[int]) -> dict[int, float]:
    """Straight lines through the logarithms of sizes and energies."""
    at = sorted(known)
    logs = np.log([max(known[size], _NO_PJ) for size in at])
    return {s: float(np.exp(np.interp(np.log(s), np.log(at), logs))) for s in sizes}


def _group_made(program: Program, layer: LayerCost) -> str | None:
    """The group that a stage encodes to; the first, should it encode to several."""
    for name in layer.steps:
        step = program.step[name]
        if isinstance(step, EncodeInput | Encode | EncodeReal | Join):
            return step.group
    return None


def _group_read(program: Program, layer: LayerCost) -> str | None:
    """The group whose codes a stage without weights reads first."""
    step = program.step[layer.name]
    if isinstance(step, WeightedSum):
        return None
    return next((program.group_of[name].name for name in sources_of(step) if name in program.group_of), None)
