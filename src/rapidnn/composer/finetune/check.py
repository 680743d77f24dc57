"""Whether training computes what the tables say: every integer of a fixed batch against the reference."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from rapidnn.composer.finetune.layer import WeightedLayer
from rapidnn.composer.finetune.network import Edge, TrainableNetwork, integers
from rapidnn.composer.finetune.ops import FLOAT32_EXACT
from rapidnn.execute.reference import Edge as ReferenceEdge
from rapidnn.execute.reference import run_reference
from rapidnn.tables.program import Program, WeightedSum


def check_forward(network: TrainableNetwork, program: Program, x: NDArray[np.float32], device: str) -> None:
    """Raise AssertionError unless every code and every accumulator equals the reference's on the batch ``x``.

    A layer that sums in float32 must have a bound below 2**24 (any order of summation is exact then).
    """
    for step in program.steps:
        if isinstance(step, WeightedSum):
            layer = network._layer(step.name)
            assert isinstance(layer, WeightedLayer)
            if layer.shift != step.shift or (not layer.wide and step.bound >= FLOAT32_EXACT):
                raise AssertionError(f"fine-tuning: layer {step.name!r} outgrew the width it is summed in")
    expected: dict[str, ReferenceEdge] = {}
    run_reference(program, x, expected.__setitem__)

    def compare(name: str, edge: Edge) -> None:
        found = integers(edge)
        if found.shape != expected[name].shape or not np.array_equal(found, expected[name]):
            raise AssertionError(f"fine-tuning: edge {name!r} differs from the reference executor")

    with torch.no_grad():
        network(torch.from_numpy(x).to(device), compare)
