"""A program as the pipeline's layers: what one block must hold and do for each, independent of any hardware.

A layer is one accumulation, product of codes, or translation of codes with everything that follows it up to the next
buffers: its activations, encodings, and the max pools and reshapes of its codes. Layer 0 is the encoding of the float
input. ``rapidnn.machine.pipeline`` puts the layers of a program in order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.machine.digits import most_digits
from rapidnn.machine.edges import FLOAT_BITS, code_bits, edge_bits, value_bits
from rapidnn.machine.geometry import taps_inside
from rapidnn.machine.sampling import Counted, code_sources
from rapidnn.tables.activation import G_BITS
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    Carry,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Join,
    PooledSum,
    Program,
    Summing,
    WeightedSum,
    word_width,
)

_COMPARISONS = {"identity": 0, "relu": 1, "relu6": 2}

LayerStep = EncodeInput | EncodeReal | Join | Summing
"""The steps a layer is built around; a join only where it translates codes."""
Follower = Encode | Activate | Carry | Join
"""The steps that belong to the layer before them; a join here only has its readers address several buffers."""


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


@dataclass(frozen=True)
class Lookup:
    """A neuron that reads one stored row instead of accumulating: of a product table, or of a code-to-code table.

    ``codes`` are delivered to it, ``code_bits`` bits together (a mean over the layer's neurons); the row of
    ``row_bits`` is charged to ``component``. ``table_bits`` is the size of all tables.
    """

    codes: int
    code_bits: float
    row_bits: int
    table_bits: int
    component: str


@dataclass(frozen=True, eq=False)
class Layer:
    """One stage of the pipeline.

    ``channels`` neurons sets with tables of their own, ``places`` neurons in each, ``groups`` sets of channels that
    read different inputs. ``taps`` counts the inputs of one neuron with padding, ``place_taps`` int64 ``(P,)`` those
    that are delivered, without padding, per output position. ``table_sets`` product tables of ``weights`` x ``inputs``.
    ``residual_sizes`` sizes of the input codebooks that enter through one-row tables. ``constant_words`` of
    ``word_bits`` are added by place, ``float_elements`` float32 values come from the host to be encoded.
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
    """Whether the layer accumulates, so that its addends are counted from data."""
    lookup: Lookup | None = None
    constant_words: int = 0
    float_elements: int = 0

    @property
    def neurons(self) -> int:
        """Neurons evaluated for one input."""
        return self.channels * self.places

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input, padded taps counted as is usual; 0 for sums without weights.

        A product of two codes is one multiplication and counts as one.
        """
        if self.kind == CodeProduct.__name__:
            return self.neurons
        return self.neurons * self.taps if self.kind == WeightedSum.__name__ else 0

    @cached_property
    def mean_taps(self) -> float:
        """Mean of the delivered inputs over the output positions."""
        return float(self.place_taps.mean())

    @property
    def input_bits(self) -> int:
        """Bits of one delivered code."""
        return code_bits(self.inputs)

    @property
    def weight_bits(self) -> int:
        """Bits of one weight code."""
        return code_bits(self.weights)

    @cached_property
    def most_addends(self) -> int:
        """No neuron can have more addends than this, whatever the data.

        Counts of a neuron's pairs sum to K; each pair's digits number at most its count and at most those of K.
        """
        products = min(self.taps, self.weights * self.inputs * most_digits(self.taps)) if self.taps else 0
        return products + (products > 0) + self.has_bias + len(self.residual_sizes)


def machine_layer(program: Program, step: LayerStep, followers: list[Follower]) -> Layer:
    """The layer of a step and the steps that follow it."""
    if isinstance(step, EncodeInput | EncodeReal):
        layer = _encoding_layer(program, step)
    elif isinstance(step, Join):
        layer = _join_layer(program, step)
    elif isinstance(step, CodeProduct):
        layer = _product_layer(program, step, followers)
    else:
        layer = _counted_layer(program, step, followers)
    return replace(
        layer,
        steps=(step.name, *(s.name for s in followers)),
        pools=_pools(program, followers),
    )


def _pools(program: Program, followers: list[Follower]) -> tuple[Pool, ...]:
    pools = []
    for step in followers:
        if isinstance(step, Carry) and isinstance(step.op, ops.MaxPool):
            windows = math.prod(program.shapes[step.name])
            pools.append(Pool(step.name, windows, math.prod(step.op.kernel), value_bits(program, step.name)))
    return tuple(pools)


def _plain_layer(step: LayerStep, places: int, word_bits: int, readouts: tuple[Readout, ...]) -> Layer:
    """A layer whose neurons accumulate nothing and share one set of tables."""
    return Layer(
        name=step.name,
        kind=type(step).__name__,
        steps=(),
        channels=1,
        places=places,
        groups=1,
        taps=0,
        place_taps=np.zeros(1, np.int64),
        weights=1,
        inputs=1,
        table_sets=0,
        product_bits=0,
        word_bits=word_bits,
        has_bias=False,
        residual_sizes=(),
        readouts=readouts,
        pools=(),
        sources=(),
        counted=False,
    )


def _encoding_layer(program: Program, step: EncodeInput | EncodeReal) -> Layer:
    """Real values to codes: as ordered integers the bits of a float32 are the key of one search per element."""
    size = program.group[step.group].size
    readout = Readout(step.name, 0, 0, 0, size, FLOAT_BITS, code_bits(size), 1)
    places = math.prod(program.shapes[step.name])
    layer = _plain_layer(step, places, FLOAT_BITS, (readout,))
    return replace(layer, float_elements=places if isinstance(step, EncodeReal) else 0)


def _join_layer(program: Program, step: Join) -> Layer:
    """Codes translated one by one through the code-to-code tables of their sources."""
    out_bits = code_bits(program.group[step.group].size)
    places = math.prod(program.shapes[step.name])
    bits = sum(edge_bits(program, source) for source in step.sources) / max(1, places)
    rows = sum(len(table) for table in step.recode)
    readout = Readout(step.name, 0, 0, 0, 0, 0, out_bits, 1)
    return replace(
        _plain_layer(step, places, out_bits, (readout,)),
        lookup=Lookup(1, bits, out_bits, rows * out_bits, "table_rows"),
        sources=tuple(dict.fromkeys(step.sources)),
    )


def _product_layer(program: Program, step: CodeProduct, followers: list[Follower]) -> Layer:
    """The product of two codes: both address one row of the u x u table."""
    bits = value_bits(program, step.left) + value_bits(program, step.right)
    word_bits = word_width(step.bound)
    layer = _plain_layer(
        step, math.prod(program.shapes[step.name]), word_bits, _readouts(program, step, followers)
    )
    table_bits = step.products.size * step.product_bits
    return replace(
        layer,
        product_bits=step.product_bits,
        lookup=Lookup(2, bits, step.product_bits, table_bits, "product_rows"),
        sources=code_sources(step),
    )


def _counted_layer(program: Program, step: Counted, followers: list[Follower]) -> Layer:
    channels, places, place_taps = _extent(program, step)
    weighted = step if isinstance(step, WeightedSum) else None
    terms = () if isinstance(step, PooledSum) else step.terms if isinstance(step, CodeSum) else step.residuals
    offset = step.offset if isinstance(step, CodeSum) else None
    constants = weighted.bias if weighted else offset
    return Layer(
        name=step.name,
        kind=type(step).__name__,
        steps=(),
        channels=channels,
        places=places,
        groups=weighted.groups if weighted else 1,
        taps=_taps(step),
        place_taps=place_taps,
        weights=weighted.values.shape[1] if weighted else 1,
        inputs=1 if isinstance(step, CodeSum) else program.group_of[step.source].size,
        table_sets=len(weighted.products) if weighted else int(isinstance(step, PooledSum)),
        product_bits=weighted.product_bits if weighted else word_width(_largest_row(step)),
        word_bits=word_width(step.bound),
        has_bias=constants is not None and bool((constants != 0).any()),
        residual_sizes=tuple(program.group_of[term.source].size for term in terms),
        readouts=_readouts(program, step, followers),
        pools=(),
        sources=code_sources(step),
        counted=True,
        constant_words=0 if offset is None else offset.size,
    )


def _taps(step: Counted) -> int:
    match step:
        case WeightedSum():
            return step.taps
        case PooledSum():
            return math.prod(step.window.kernel)
        case CodeSum():
            return 0


def _largest_row(step: Counted) -> int:
    return int(np.abs(step.row).max()) if isinstance(step, PooledSum) else 1


def _extent(program: Program, step: Counted) -> tuple[int, int, NDArray[np.int64]]:
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


def _readouts(program: Program, step: Summing, followers: list[Follower]) -> tuple[Readout, ...]:
    sets = len(step.acc_scales)
    found = []
    for follower in followers:
        if isinstance(follower, Encode):
            rows = follower.encoding.shape[-1]
            found.append(
                _readout(follower.name, follower.activation, step.bound, rows, code_bits(rows), sets)
            )
        elif isinstance(follower, Activate):
            width = value_bits(program, follower.name)
            found.append(_readout(follower.name, follower.activation, step.bound, 0, width, sets))
    if not found or step.name == program.output or step.name in program.host_reads:
        found.append(Readout(step.name, 0, 0, 0, 0, 0, word_width(step.bound), sets))
    return tuple(found)


def _readout(edge: str, act: ActivationTable, bound: int, rows: int, out_bits: int, sets: int) -> Readout:
    table_rows = 0 if act.z is None else act.z.shape[-1]
    key_bits = G_BITS if table_rows else word_width(bound)
    comparisons = 0 if table_rows else _COMPARISONS[act.kind]
    return Readout(edge, comparisons, table_rows, G_BITS if table_rows else 0, rows, key_bits, out_bits, sets)
