"""trace_neuron(): one neuron of a composed network on a real input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array
from rapidnn.machine.description import load_hardware
from rapidnn.machine.micro.run import run_neuron
from rapidnn.machine.micro.trace import NeuronTrace, trace_of
from rapidnn.machine.pipeline import plan_layers
from rapidnn.tables.program import Program, Summing, WeightedSum, sources_of

DEFAULT_HARDWARE = "rapidnn-hpca20"


def trace_neuron(
    composed: ComposedNetwork,
    x: Any,
    layer: str,
    neuron: Sequence[int],
    hardware: str | Path = DEFAULT_HARDWARE,
    *,
    sample: int = 0,
    overrides: Mapping[str, str | float] | None = None,
    events: bool = False,
) -> NeuronTrace:
    """Execute one neuron gate by gate on the codes of one input.

    Parameters
    ----------
    x
        Array or tensor ``(N, *input_shape)``, preprocessed.
    layer
        The name of an accumulation or product step (``rapidnn inspect`` shows them).
    neuron
        Its channel, then its position, as in ``(channel, y, x)``; the middle of the layer if the position is left out.
    sample
        Which of the inputs.
    events
        Whether to keep every cycle.

    Raises
    ------
    DataError
        If the layer, the neuron or the sample does not exist, or the input does not fit.
    HardwareError
        If the description is not valid or cannot run the neuron.
    """
    described = load_hardware(hardware, overrides)
    place = place_of(composed.program, layer, neuron)
    samples = as_array(x)
    if samples.ndim == 0 or not 0 <= sample < len(samples):
        raise DataError(
            f"there is no sample {sample}; {len(samples) if samples.ndim else 0} were given, from 0"
        )
    edges: dict[str, NDArray[Any]] = {}
    wanted = {layer, *sources_of(composed.program.step[layer])} | _followers(composed.program, layer)

    def keep(edge: str, values: NDArray[Any]) -> None:
        if edge in wanted:
            edges[edge] = values

    composed.run(samples[sample : sample + 1], observe=keep)
    run = run_neuron(composed.program, layer, place, edges, described, events=events)
    expected = {name: int(edges[name][(0, *place)]) for name in run.results}
    return trace_of(run, described.name, described.rna.cycle_ns.value, sample, expected)


def place_of(program: Program, layer: str, neuron: Sequence[int]) -> tuple[int, ...]:
    """The index within the step's edge of (channel, position ...); channels come last in a dense layer.

    Raises
    ------
    DataError
        If the layer has no neurons, or none there.
    """
    step = program.step.get(layer)
    if not isinstance(step, Summing):
        known = ", ".join(s.name for s in program.steps if isinstance(s, Summing))
        raise DataError(f"layer {layer!r} does not accumulate; the layers with neurons are: {known}")
    shape = program.shapes[layer]
    last = isinstance(step, WeightedSum) and step.window is None
    extents = (shape[-1], *shape[:-1]) if last else shape
    given = tuple(int(i) for i in neuron)
    if len(given) == 1:
        given += tuple(n // 2 for n in extents[1:])
    if len(given) != len(extents) or not all(0 <= i < n for i, n in zip(given, extents, strict=True)):
        names = ("channel", *(f"position {axis}" for axis in range(len(extents) - 1)))
        ranges = ", ".join(f"{name} 0 to {n - 1}" for name, n in zip(names, extents, strict=True))
        raise DataError(f"layer {layer!r} has no neuron {','.join(map(str, neuron))}; it has {ranges}")
    return (*given[1:], given[0]) if last else given


def _followers(program: Program, layer: str) -> set[str]:
    found = next(stage for stage in plan_layers(program) if stage.name == layer)
    return set(found.steps)
