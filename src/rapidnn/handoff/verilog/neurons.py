"""Real neurons of a layer: what arrives, and what the micro-simulator and the executor say comes out and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.geometry import window_taps
from rapidnn.machine.layers import Layer
from rapidnn.machine.micro.neuron import Neuron, channel_of
from rapidnn.machine.micro.run import run_neuron
from rapidnn.machine.records import Hardware
from rapidnn.tables.program import CodeProduct, CodeSum, PooledSum, Program, WeightedSum

Edges = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Vector:
    """``stream`` (tap, code) of each code in order, ``taps`` of them counted; ``key`` says whose tables it takes."""

    neuron: Neuron
    key: int
    taps: int
    stream: tuple[tuple[int, int], ...]
    accumulator: int
    value: int
    code: int
    cycles: int


def vectors_of(
    program: Program, layer: Layer, edges: Edges, hardware: Hardware, count: int
) -> tuple[Vector, ...]:
    """``count`` neurons spread over the layer's places and channels, and over the samples."""
    shape = program.shapes[layer.name]
    samples = len(edges[layer.name])
    chosen = np.unique(np.linspace(0, np.prod(shape) - 1, count).astype(int))
    return tuple(
        _vector(program, layer, edges, hardware, np.unravel_index(flat, shape), order % samples, order)
        for order, flat in enumerate(np.resize(chosen, count).tolist())
    )


def _vector(
    program: Program,
    layer: Layer,
    edges: Edges,
    hardware: Hardware,
    index: tuple[Any, ...],
    sample: int,
    order: int,
) -> Vector:
    place = tuple(int(i) for i in index)
    run = run_neuron(program, layer.name, place, edges, hardware, sample=sample, layer=layer)
    neuron, at = run.neuron, (sample, *place)
    counted = list(zip(_tap_numbers(program, neuron), neuron.taps.code.tolist(), strict=True))
    others = [(0, code) for code in _addressing(neuron, edges, sample)]
    follower = neuron.followers[0].name if neuron.followers else layer.name
    coded = follower in program.group_of
    key = {CodeSum: order, PooledSum: neuron.unit, CodeProduct: 0}.get(type(neuron.step))
    if isinstance(neuron.step, WeightedSum):
        key = channel_of(neuron.step, place)
    assert key is not None
    return Vector(
        neuron=neuron,
        key=key,
        taps=len(counted),
        stream=tuple(counted + others),
        accumulator=int(edges[layer.name][at]),
        value=0 if coded else int(edges[follower][at]),
        code=int(edges[follower][at]) if coded else 0,
        cycles=run.cycles,
    )


def _tap_numbers(program: Program, neuron: Neuron) -> list[int]:
    """The place among the channel's weights of every code that is delivered."""
    step, place = neuron.step, neuron.index
    if not isinstance(step, WeightedSum):
        return [0] * len(neuron.taps.code)
    if step.window is None:
        return list(range(step.taps))
    spatial = program.shapes[step.name][1:]
    flat = np.array([int(np.ravel_multi_index(place[1:], spatial))]) if spatial else np.zeros(1, np.int64)
    _, inside = window_taps(step.window, program.shapes[step.source][1:], spatial, flat)
    depth = step.weight_codes.shape[1]
    size = step.taps // depth
    return [c * size + int(k) for c in range(depth) for k in np.flatnonzero(inside[0])]


def _addressing(neuron: Neuron, edges: Edges, sample: int) -> list[int]:
    """Codes that address a row: of residuals, or both of a product."""
    step, place = neuron.step, neuron.index
    match step:
        case WeightedSum():
            return [int(edges[term.source][(sample, *place)]) for term in step.residuals]
        case CodeSum():
            return [int(edges[term.source][(sample, *place)]) for term in step.terms]
        case CodeProduct():
            found = []
            for name in (step.left, step.right):
                values = edges[name][sample]
                at = tuple(i if n > 1 else 0 for i, n in zip(place, values.shape, strict=True))
                found.append(int(values[at]))
            return found
        case _:
            return []
