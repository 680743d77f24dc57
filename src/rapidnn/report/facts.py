"""What a composed network is, layer by layer, computed once for the HTML report and for the terminal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.machine.cost import HOST, MACHINE
from rapidnn.machine.host import HostLayer, operator_name
from rapidnn.machine.layers import Layer
from rapidnn.machine.pipeline import plan_stages
from rapidnn.report.data import TIMES
from rapidnn.tables.activation import G_BITS
from rapidnn.tables.program import (
    Activate,
    Carry,
    CodeGroup,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Host,
    Join,
    PooledSum,
    Program,
    Step,
    Summing,
    WeightedSum,
)

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class LayerFacts:
    """One stage with what follows it up to the next: an accumulation, a product or translation of codes, an encoding of
    real values, or an operator on the host (``runs_on``).

    ``shape`` is that of the accumulation's result, without the batch. ``taps`` is K, inputs of one neuron with padding;
    ``weights`` w and ``inputs`` u are codebook sizes, ``codebooks`` how many weight codebooks there are;
    ``word_bits`` is N. ``macs`` counts one sample, padded taps included as is usual, a product of two codes as one;
    ``host_macs`` those of matrix products on the host. ``memory_bits`` is what one neuron
    looks up: its weight codes, bias, product table, residual rows, activation and encoding rows. None: does not apply.
    """

    name: str
    kind: str
    runs_on: str
    shape: tuple[int, ...]
    taps: int | None
    channels: int | None
    weights: int | None
    inputs: int | None
    codebooks: int | None
    operand_bits: int | None
    product_bits: int | None
    shift: int | None
    bound: int | None
    word_bits: int | None
    macs: int
    host_macs: int
    parameters: int
    memory_bits: int
    joins: tuple[str, ...]
    then: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class WeightUse:
    """How often a layer's weights take each value: ``values`` float64 ascending, ``counts`` int64 of equal length.

    ``binned`` is true where several codebooks, or one of more than :data:`MAX_BARS` values, were put in equal bins,
    whose centres are the values. ``entropy_bits`` is the mean information of a weight code within its own codebook.
    """

    layer: str
    values: Floats
    counts: Counts
    binned: bool
    codes: int
    unused: int
    entropy_bits: float


@dataclass(frozen=True, eq=False)
class ProductFacts:
    """A layer's product table (of its first weight codebook): integers ``(w, u)`` and the real values of its sides."""

    layer: str
    products: Counts
    weights: Floats
    inputs: Floats
    scale: float
    product_bits: int
    codebooks: int


@dataclass(frozen=True)
class GroupFacts:
    """An input codebook: real ``values`` ascending, and the edges whose codes index it."""

    name: str
    bits: int
    values: tuple[float, ...]
    pad_code: int | None
    edges: tuple[str, ...]


_CARRIED_NAMES = {ops.Pad: "zero padding", ops.ZeroStuff: "zero stuffing"}

MAX_BARS = 64
"""Bars of a weight histogram at most."""


def layers(program: Program) -> tuple[LayerFacts, ...]:
    """The layers in order, the input's encoding first, a softmax that the host takes of the result last."""
    return tuple(
        _host_layer(program, stage) if isinstance(stage, HostLayer) else _layer(program, stage)
        for stage in plan_stages(program)
    )


def _host_layer(program: Program, layer: HostLayer) -> LayerFacts:
    step = program.step.get(layer.name)
    op = step.op if isinstance(step, Host) else None
    followers = _followers(program, layer.steps)
    return LayerFacts(
        name=layer.name,
        kind=layer.kind,
        runs_on=HOST,
        shape=program.shapes[layer.name] if op else program.output_shape,
        taps=None,
        channels=None,
        weights=None,
        inputs=None,
        codebooks=None,
        operand_bits=None,
        product_bits=None,
        shift=None,
        bound=None,
        word_bits=None,
        macs=0,
        host_macs=layer.work.macs,
        parameters=op.scale.size + op.shift.size if isinstance(op, ops.LayerNorm) else 0,
        memory_bits=0,
        joins=step.sources if isinstance(step, Host) and len(step.sources) > 1 else (),
        then=followers,
    )


def _layer(program: Program, layer: Layer) -> LayerFacts:
    step = program.step[layer.name]
    weighted = step if isinstance(step, WeightedSum) else None
    counted = isinstance(step, WeightedSum | PooledSum)
    return LayerFacts(
        name=layer.name,
        kind=_kind(program, step),
        runs_on=MACHINE,
        shape=program.shapes[layer.name],
        taps=layer.taps if counted else None,
        channels=weighted.channels if weighted else None,
        weights=layer.weights if weighted else None,
        inputs=layer.inputs if counted else None,
        codebooks=len(weighted.values) if weighted else None,
        operand_bits=weighted.bits if weighted else None,
        product_bits=step.product_bits if isinstance(step, WeightedSum | CodeProduct) else None,
        shift=step.shift if isinstance(step, WeightedSum | CodeProduct) else None,
        bound=step.bound if isinstance(step, Summing) else None,
        word_bits=layer.word_bits if isinstance(step, Summing) else None,
        macs=layer.macs,
        host_macs=0,
        parameters=_parameters(step),
        memory_bits=_memory_bits(layer),
        joins=_joins(step),
        then=_followers(program, layer.steps),
    )


def _parameters(step: Step) -> int:
    if isinstance(step, WeightedSum):
        return step.weight_codes.size + step.channels
    return step.offset.size if isinstance(step, CodeSum) and step.offset is not None else 0


def _memory_bits(layer: Layer) -> int:
    own = layer.taps * layer.weight_bits + (layer.has_bias + sum(layer.residual_sizes)) * layer.word_bits
    products = layer.weights * layer.inputs * layer.product_bits if layer.table_sets else 0
    products += layer.lookup.table_bits if layer.lookup else 0
    rows = sum(
        readout.activation_rows * (layer.word_bits + G_BITS) + readout.encoding_rows * readout.key_bits
        for readout in layer.readouts
    )
    return own + products + rows


def _kind(program: Program, step: Step) -> str:
    match step:
        case EncodeInput():
            return "input"
        case EncodeReal():
            return "encode"
        case Join():
            return "join"
        case CodeProduct():
            return f"product {_times(step.products.shape)}"
        case WeightedSum(window=None):
            return "linear"
        case WeightedSum():
            assert step.window is not None
            return f"conv {_times(step.window.kernel)}" + (
                f", {step.groups} groups" if step.groups > 1 else ""
            )
        case PooledSum():
            return f"average pool {_times(step.window.kernel)}"
        case CodeSum() if len(step.terms) > 1:
            return "residual sum"
        case CodeSum() if step.offset is not None:
            return "constant added"
        case _:
            return "sum of codes"


def _followers(program: Program, steps: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_follower(program, program.step[name]) for name in steps[1:])


def _follower(program: Program, step: Step) -> str:
    match step:
        case Encode():
            kind = step.activation.kind
            codes = f"{program.group[step.group].size} codes"
            return codes if kind == "identity" else f"{kind}, {codes}"
        case Activate():
            return f"{step.activation.kind}, not encoded"
        case Carry(op=ops.MaxPool() as op):
            return f"max pool {_times(op.kernel)}"
        case Carry():
            return _CARRIED_NAMES.get(type(step.op), ops.op_name(step.op).lower())
        case Join():
            return "join of " + ", ".join(step.sources)
        case Host():
            return operator_name(step.op)
        case _:
            raise AssertionError(step)


def _joins(step: Step) -> tuple[str, ...]:
    """Edges that enter beside the layer's own source: through one-row tables, as factors, or joined."""
    match step:
        case WeightedSum():
            return tuple(term.source for term in step.residuals)
        case CodeSum():
            return tuple(term.source for term in step.terms)
        case CodeProduct():
            return (step.left, step.right)
        case Join():
            return step.sources
        case _:
            return ()


def _times(extents: tuple[int, ...]) -> str:
    return TIMES.join(map(str, extents))


def weighted_layers(program: Program) -> list[WeightedSum]:
    """The layers with weights, in order."""
    return [step for step in program.steps if isinstance(step, WeightedSum)]


def weight_use(step: WeightedSum) -> WeightUse:
    """Counts of a layer's weight codes over the real values they stand for."""
    sets, size = step.values.shape
    codes = step.weight_codes.reshape(sets, -1)
    counts = np.stack([np.bincount(row, minlength=size) for row in codes]).astype(np.int64)
    values = step.values * step.scales[:, np.newaxis]
    binned = sets > 1 or size > MAX_BARS
    shown, bars = _bins(values, counts) if binned else (values[0], counts[0])
    share = counts / counts.sum(axis=1, keepdims=True)
    entropy = -(share * np.log2(share, out=np.zeros_like(share), where=share > 0)).sum(axis=1)
    return WeightUse(
        step.name, shown, bars, binned, counts.size, int((counts == 0).sum()), max(0.0, float(entropy.mean()))
    )


def _bins(values: Floats, counts: Counts) -> tuple[Floats, Counts]:
    """Equal bins over the range of all codebooks, each weight counted where its value lies."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low]), np.array([counts.sum()])
    edges = np.linspace(low, high, MAX_BARS + 1)
    place = np.clip(np.searchsorted(edges, values.ravel(), side="right") - 1, 0, MAX_BARS - 1)
    bars = np.zeros(MAX_BARS, np.int64)
    np.add.at(bars, place, counts.ravel())
    return (edges[:-1] + edges[1:]) / 2, bars


def product_facts(program: Program, step: WeightedSum) -> ProductFacts:
    """A layer's product table with the real values of its sides; ``scale`` is the real value of one product unit."""
    group = program.group_of[step.source]
    return ProductFacts(
        step.name,
        step.products[0].astype(np.int64),
        step.values[0] * float(step.scales[0]),
        (group.values * group.scale).astype(np.float64),
        float(step.acc_scales[0]),
        step.product_bits,
        len(step.values),
    )


def groups(program: Program) -> tuple[GroupFacts, ...]:
    """The input codebooks in the order the network first uses them."""
    edges: dict[str, list[str]] = {}
    for edge, group in program.group_of.items():
        edges.setdefault(group.name, []).append(edge)
    return tuple(_group(program.group[name], tuple(users)) for name, users in edges.items())


def _group(group: CodeGroup, edges: tuple[str, ...]) -> GroupFacts:
    return GroupFacts(
        group.name, group.bits, tuple((group.values * group.scale).tolist()), group.pad_code, edges
    )


def largest_layers(program: Program, limit: int) -> list[WeightedSum]:
    """At most ``limit`` weighted layers, those with the most multiply-accumulates, in the network's order."""
    steps = weighted_layers(program)
    work = [math.prod(program.shapes[step.name]) * step.taps for step in steps]
    chosen = sorted(range(len(steps)), key=lambda i: (-work[i], i))[:limit]
    return [steps[i] for i in sorted(chosen)]
