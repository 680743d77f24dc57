"""A program as the pipeline's layers: what one block must hold and do for each, independent of any hardware.

A layer is one accumulation step with everything that follows it up to the next buffers: its activations, encodings,
and the max pools and reshapes of its codes. Layer 0 is the encoding of the float input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.machine.digits import most_digits
from rapidnn.machine.geometry import taps_inside
from rapidnn.machine.sampling import code_sources
from rapidnn.tables.activation import G_BITS
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    Carry,
    CodeSum,
    Encode,
    EncodeInput,
    PooledSum,
    Program,
    Summing,
    WeightedSum,
    word_width,
)

INPUT_BITS = 32
"""The network's input is float32; as ordered integers its bits are the key of the first encoding search."""

_COMPARISONS = {"identity": 0, "relu": 1, "relu6": 2}


def code_bits(size: int) -> int:
    """Bits of a code into ``size`` values; none where there is no choice."""
    return (size - 1).bit_length()


@dataclass(frozen=True)
class Readout:
    """What follows an accumulation: comparisons or a search for the activation, then perhaps the encoding search.

    ``activation_rows`` is 0 where the activation needs no table; ``encoding_rows`` is 0 where the result stays an
    integer. ``out_bits`` is the width of what leaves the block; ``sets`` how many table sets the layer has.
    """

    edge: str
    comparisons: int
    activation_rows: int
    row_bits: int
    encoding_rows: int
    key_bits: int
    out_bits: int
    sets: int


@dataclass(frozen=True)
class Pool:
    """Max pooling of codes: ``windows`` searches over ``taps`` codes of ``bits`` each."""

    edge: str
    windows: int
    taps: int
    bits: int


@dataclass(frozen=True, eq=False)
class Layer:
    """One stage of the pipeline.

    ``channels`` neurons sets with tables of their own, ``places`` neurons in each, ``groups`` sets of channels that
    read different inputs. ``taps`` counts the inputs of one neuron with padding, ``place_taps`` int64 ``(P,)`` those
    that are delivered, without padding, per output position. ``table_sets`` product tables of ``weights`` x ``inputs``.
    ``residual_sizes`` sizes of the input codebooks that enter through one-row tables.
    """

    name: str
    kind: str
    steps: tuple[str, ...]
    channels: int
    places: int
    groups: int
    taps: int
    place_taps: NDArray[np.int64]
    weights: int
    inputs: int
    table_sets: int
    product_bits: int
    word_bits: int
    has_bias: bool
    residual_sizes: tuple[int, ...]
    readouts: tuple[Readout, ...]
    pools: tuple[Pool, ...]
    sources: tuple[str, ...]
    counted: bool
    """Whether the layer accumulates at all (the input layer only encodes)."""

    @property
    def neurons(self) -> int:
        """Neurons evaluated for one input."""
        return self.channels * self.places

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input, padded taps counted as is usual; 0 for sums without weights."""
        return self.neurons * self.taps if self.kind == WeightedSum.__name__ else 0

    @property
    def input_bits(self) -> int:
        """Bits of one delivered code."""
        return code_bits(self.inputs)

    @property
    def weight_bits(self) -> int:
        """Bits of one weight code."""
        return code_bits(self.weights)

    @property
    def most_addends(self) -> int:
        """No neuron can have more addends than this, whatever the data.

        Counts of a neuron's pairs sum to K; each pair's digits number at most its count and at most those of K.
        """
        products = min(self.taps, self.weights * self.inputs * most_digits(self.taps)) if self.taps else 0
        return products + (products > 0) + self.has_bias + len(self.residual_sizes)


def plan_layers(program: Program) -> tuple[Layer, ...]:
    """The program's layers in pipeline order, the input layer first."""
    home = _homes(program)
    layers = []
    for step in program.steps:
        if isinstance(step, EncodeInput):
            layers.append(_input_layer(program, step, home))
        elif isinstance(step, WeightedSum | PooledSum | CodeSum):
            layers.append(_summing_layer(program, step, home))
    return tuple(layers)


def _homes(program: Program) -> dict[str, str]:
    """For each step the layer it belongs to: its own for an accumulation or the input, else its source's."""
    home: dict[str, str] = {}
    for step in program.steps:
        own = isinstance(step, EncodeInput | WeightedSum | PooledSum | CodeSum)
        home[step.name] = step.name if own else home[step.source]  # type: ignore[union-attr]
    return home


def _followers(program: Program, name: str, home: dict[str, str]) -> list[Encode | Activate | Carry]:
    steps = (s for s in program.steps if home[s.name] == name)
    return [s for s in steps if isinstance(s, Encode | Activate | Carry)]


def _pools(program: Program, followers: list[Encode | Activate | Carry]) -> tuple[Pool, ...]:
    pools = []
    for step in followers:
        if isinstance(step, Carry) and isinstance(step.op, ops.MaxPool):
            bits = code_bits(program.group_of[step.name].size)
            windows = math.prod(program.shapes[step.name])
            pools.append(Pool(step.name, windows, math.prod(step.op.kernel), bits))
    return tuple(pools)


def _input_layer(program: Program, step: EncodeInput, home: dict[str, str]) -> Layer:
    size = program.group[step.group].size
    followers = _followers(program, step.name, home)
    readout = Readout(step.name, 0, 0, 0, size, INPUT_BITS, code_bits(size), 1)
    return Layer(
        name=step.name,
        kind=EncodeInput.__name__,
        steps=(step.name, *(s.name for s in followers)),
        channels=1,
        places=math.prod(step.shape),
        groups=1,
        taps=0,
        place_taps=np.zeros(1, np.int64),
        weights=1,
        inputs=1,
        table_sets=0,
        product_bits=0,
        word_bits=INPUT_BITS,
        has_bias=False,
        residual_sizes=(),
        readouts=(readout,),
        pools=_pools(program, followers),
        sources=(),
        counted=False,
    )


def _summing_layer(program: Program, step: Summing, home: dict[str, str]) -> Layer:
    followers = _followers(program, step.name, home)
    channels, places, place_taps = _extent(program, step)
    terms = (
        step.terms if isinstance(step, CodeSum) else step.residuals if isinstance(step, WeightedSum) else ()
    )
    weighted = step if isinstance(step, WeightedSum) else None
    return Layer(
        name=step.name,
        kind=type(step).__name__,
        steps=(step.name, *(s.name for s in followers)),
        channels=channels,
        places=places,
        groups=weighted.groups if weighted else 1,
        taps=weighted.taps
        if weighted
        else math.prod(step.window.kernel)
        if isinstance(step, PooledSum)
        else 0,
        place_taps=place_taps,
        weights=weighted.values.shape[1] if weighted else 1,
        inputs=1 if isinstance(step, CodeSum) else program.group_of[step.source].size,
        table_sets=len(weighted.products) if weighted else int(isinstance(step, PooledSum)),
        product_bits=weighted.product_bits if weighted else word_width(_largest_row(step)),
        word_bits=word_width(step.bound),
        has_bias=weighted is not None and bool((weighted.bias != 0).any()),
        residual_sizes=tuple(program.group_of[term.source].size for term in terms),
        readouts=_readouts(program, step, followers),
        pools=_pools(program, followers),
        sources=code_sources(step),
        counted=True,
    )


def _largest_row(step: Summing) -> int:
    return int(np.abs(step.row).max()) if isinstance(step, PooledSum) else 1


def _extent(program: Program, step: Summing) -> tuple[int, int, NDArray[np.int64]]:
    """Channels with tables of their own, places per channel, and delivered taps per output position."""
    shape = program.shapes[step.name]
    if isinstance(step, CodeSum):
        return 1, math.prod(shape), np.zeros(1, np.int64)
    spatial_in = program.shapes[step.source][1:]
    if isinstance(step, PooledSum):
        return 1, math.prod(shape), taps_inside(step.window, spatial_in, shape[1:]).ravel()
    if step.window is None:
        return step.channels, math.prod(shape[:-1]), np.array([step.taps])
    depth = step.weight_codes.shape[1]
    return (
        step.channels,
        math.prod(shape[1:]),
        depth * taps_inside(step.window, spatial_in, shape[1:]).ravel(),
    )


def _readouts(
    program: Program, step: Summing, followers: list[Encode | Activate | Carry]
) -> tuple[Readout, ...]:
    sets = len(step.acc_scales)
    found = []
    for follower in followers:
        if isinstance(follower, Encode):
            rows = follower.encoding.shape[-1]
            found.append(
                _readout(follower.name, follower.activation, step.bound, rows, code_bits(rows), sets)
            )
        elif isinstance(follower, Activate):
            width = word_width(step.bound) if follower.activation.z is None else G_BITS
            found.append(_readout(follower.name, follower.activation, step.bound, 0, width, sets))
    if not found or step.name == program.output:
        found.append(Readout(step.name, 0, 0, 0, 0, 0, word_width(step.bound), sets))
    return tuple(found)


def _readout(edge: str, act: ActivationTable, bound: int, rows: int, out_bits: int, sets: int) -> Readout:
    table_rows = 0 if act.z is None else act.z.shape[-1]
    key_bits = G_BITS if table_rows else word_width(bound)
    comparisons = 0 if table_rows else _COMPARISONS[act.kind]
    return Readout(edge, comparisons, table_rows, G_BITS if table_rows else 0, rows, key_bits, out_bits, sets)
