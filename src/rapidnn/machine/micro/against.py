"""The macro model of exactly one neuron, to hold beside its execution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.macro import NeuronModel, Profile
from rapidnn.machine.micro.neuron import Neuron, flat_index
from rapidnn.machine.records import Hardware
from rapidnn.machine.sampling import Counted, NeuronSample
from rapidnn.machine.statistics import count_neurons


def macro_of(
    neuron: Neuron, codes: dict[str, NDArray[np.uint8]], hardware: Hardware, sample: int = 0
) -> NeuronModel:
    """The macro model with a profile of this neuron alone, at its own place."""
    layer = replace(neuron.layer, place_taps=np.array([len(neuron.taps.code)]))
    if not isinstance(neuron.step, Counted):
        return NeuronModel(layer, Profile.empty(), hardware)
    shape = neuron.program.shapes[neuron.step.name]
    flat = flat_index(shape, neuron.index)
    one = NeuronSample(np.array([sample]), np.array([flat]), shape)
    return NeuronModel(layer, Profile.of(count_neurons(neuron.program, neuron.step, one, codes)), hardware)
