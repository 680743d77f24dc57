"""One neuron of a program as a block sees it: its taps, its product table, the rows it adds, and what follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.machine.geometry import window_taps
from rapidnn.machine.layers import Layer
from rapidnn.machine.micro.counting import Taps
from rapidnn.machine.pipeline import plan_layers
from rapidnn.tables.program import (
    Activate,
    CodeProduct,
    CodeSum,
    Encode,
    PooledSum,
    Program,
    Residual,
    Summing,
    WeightedSum,
)

Codes = Mapping[str, NDArray[np.integer]]


@dataclass(frozen=True, eq=False)
class Neuron:
    """``index`` within one sample of the step's edge.

    ``products`` int64 ``(w, u)``. ``rows`` are the names and values of bias, constant and residual rows, ``residuals``
    how many of them a delivered code addresses; ``product`` is the one row of a product of two codes. ``unit`` is the
    table set of each edge behind the step.
    """

    program: Program
    layer: Layer
    step: Summing
    index: tuple[int, ...]
    taps: Taps
    products: NDArray[np.int64]
    rows: tuple[tuple[str, int], ...]
    residuals: int
    product: int | None
    unit: int
    followers: tuple[Encode | Activate, ...]


def neuron_of(
    program: Program,
    name: str,
    index: Sequence[int],
    codes: Codes,
    sample: int = 0,
    layer: Layer | None = None,
) -> Neuron:
    """The neuron at ``index`` of the accumulation or product ``name``, with the codes of one sample.

    ``codes`` holds batches ``(N, *shape)`` of the edges that the step reads.

    Raises
    ------
    DataError
        If no such step accumulates, or the index is not in its shape.
    """
    step = program.step.get(name)
    if not isinstance(step, WeightedSum | PooledSum | CodeSum | CodeProduct):
        known = ", ".join(s.name for s in program.steps if isinstance(s, Summing))
        raise DataError(f"layer {name!r} does not accumulate; the layers with neurons are: {known}")
    shape, place = program.shapes[name], tuple(int(i) for i in index)
    if len(place) != len(shape) or not all(0 <= i < n for i, n in zip(place, shape, strict=True)):
        raise DataError(f"layer {name!r} has neurons of shape {shape}; {place} is none of them")
    layer = layer or next(found for found in plan_layers(program) if found.name == name)
    members = [program.step[member] for member in layer.steps[1:]]
    unit = np.broadcast_to(program.unit_index(name), shape)[place]
    taps, products = _taps(program, step, place, codes, sample)
    rows, residuals = _rows(step, place, shape, codes, sample)
    return Neuron(
        program=program,
        layer=layer,
        step=step,
        index=place,
        taps=taps,
        products=products,
        rows=rows,
        residuals=residuals,
        product=_product(step, place, codes, sample) if isinstance(step, CodeProduct) else None,
        unit=int(unit),
        followers=tuple(s for s in members if isinstance(s, Encode | Activate)),
    )


def channel_of(step: WeightedSum, place: tuple[int, ...]) -> int:
    """The output channel: last axis of a dense layer, first of a convolution."""
    return place[-1] if step.window is None else place[0]


def _taps(
    program: Program, step: Summing, place: tuple[int, ...], codes: Codes, sample: int
) -> tuple[Taps, NDArray[np.int64]]:
    none = np.zeros(0, np.int64)
    match step:
        case PooledSum():
            offset, inside = _window(program, step, place)
            plane = codes[step.source][sample, place[0]].ravel()[offset[inside]].astype(np.int64)
            taps = Taps(np.zeros_like(plane), plane, 1, len(step.row), has_weights=False)
            return taps, step.row.astype(np.int64)[np.newaxis]
        case WeightedSum():
            channel = channel_of(step, place)
            table = step.products[channel if len(step.products) > 1 else 0].astype(np.int64)
            weight, code = _weighted_taps(program, step, place, codes[step.source][sample])
            return Taps(weight.astype(np.int64), code.astype(np.int64), *table.shape), table
        case _:
            return Taps(none, none, counted=False), np.zeros((1, 1), np.int64)


def _weighted_taps(
    program: Program, step: WeightedSum, place: tuple[int, ...], source: NDArray[np.integer]
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    channel = channel_of(step, place)
    if step.window is None:
        return step.weight_codes[channel], source[place[:-1]]
    offset, inside = _window(program, step, place)
    depth = step.weight_codes.shape[1]
    first = channel // (step.channels // step.groups) * depth
    planes = source[first : first + depth].reshape(depth, -1)
    weight = step.weight_codes[channel].reshape(depth, -1)[:, inside]
    return weight.ravel(), planes[:, offset[inside]].ravel()


def _window(
    program: Program, step: WeightedSum | PooledSum, place: tuple[int, ...]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flat input offsets of the window's taps, and which of them are not padding."""
    assert step.window is not None
    spatial = program.shapes[step.name][1:]
    flat = np.array([int(np.ravel_multi_index(place[1:], spatial))]) if spatial else np.zeros(1, np.int64)
    offset, inside = window_taps(step.window, program.shapes[step.source][1:], spatial, flat)
    return offset[0], inside[0]


def _rows(
    step: Summing, place: tuple[int, ...], shape: tuple[int, ...], codes: Codes, sample: int
) -> tuple[tuple[tuple[str, int], ...], int]:
    """Bias or constant, and the residual rows its codes address."""
    rows: list[tuple[str, int]] = []
    terms: tuple[Residual, ...] = ()
    unit = 0
    if isinstance(step, WeightedSum):
        channel = channel_of(step, place)
        rows.append(("bias", int(step.bias[channel])))
        terms, unit = step.residuals, channel if len(step.products) > 1 else 0
    elif isinstance(step, CodeSum):
        if step.offset is not None:
            rows.append(("constant", int(np.broadcast_to(step.offset, shape)[place])))
        terms = step.terms
    for term in terms:
        code = int(codes[term.source][sample][place])
        rows.append((f"{term.source}[{code}]", int(term.rows[unit if len(term.rows) > 1 else 0, code])))
    return tuple(rows), len(terms)


def _product(step: CodeProduct, place: tuple[int, ...], codes: Codes, sample: int) -> int:
    """The row that two codes address; axes of extent 1 broadcast."""
    sides = []
    for edge in (step.left, step.right):
        values = codes[edge][sample]
        at = tuple(i if n > 1 else 0 for i, n in zip(place, values.shape, strict=True))
        sides.append(int(values[at]))
    return int(step.products[sides[0], sides[1]])


def flat_index(shape: tuple[int, ...], place: tuple[int, ...]) -> int:
    """Flat index of a place within one sample."""
    return int(np.ravel_multi_index(place, shape)) if math.prod(shape) > 1 else 0
