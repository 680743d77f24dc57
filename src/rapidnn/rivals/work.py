"""The work a network is for any machine: its weighted layers, their sizes, and how they follow each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapidnn.tables.program import Program, WeightedSum


@dataclass(frozen=True)
class LayerWork:
    """One weighted layer, for one input.

    ``taps`` are the inputs of one neuron (padded ones counted), ``channels`` the output channels, ``groups`` sets of
    channels that read different inputs, ``positions`` the places a channel is evaluated at. ``first_output`` is the
    share of its input that must be there before the first output can be made.
    """

    name: str
    taps: int
    channels: int
    groups: int
    positions: int
    input_elements: int
    output_elements: int
    first_output: float

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return self.taps * self.channels * self.positions

    @property
    def weights(self) -> int:
        """Weights."""
        return self.taps * self.channels


@dataclass(frozen=True)
class Workload:
    """A network's weighted layers in order."""

    layers: tuple[LayerWork, ...]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(layer.weights for layer in self.layers)


def workload(program: Program) -> Workload:
    """The work of a composed network's weighted layers; sums, pools and searches are not charged to rivals."""
    return Workload(tuple(_layer(program, step) for step in program.steps if isinstance(step, WeightedSum)))


def _layer(program: Program, step: WeightedSum) -> LayerWork:
    source, out = program.shapes[step.source], program.shapes[step.name]
    positions = math.prod(out) // step.channels
    first = 1.0
    if step.window is not None:
        # Rows of the image arrive in order: the first window needs its kernel's rows, less what padding gives.
        rows = (step.window.kernel[0] - 1) * step.window.dilation[0] + 1 - step.window.padding[0][0]
        first = min(1.0, max(1, rows) / source[1])
    return LayerWork(
        name=step.name,
        taps=step.taps,
        channels=step.channels,
        groups=step.groups,
        positions=positions,
        input_elements=math.prod(source),
        output_elements=math.prod(out),
        first_output=first,
    )
