"""The steps of a composed network and their tables: records, exactly what an artifact stores.

An edge is named by the step that produces it and is a *code* edge (uint8 indices into the codebook of its group), an
*accumulator* edge (int32 sums whose real value is ``integer * scale``), or a *real* edge (float32, from the host).
Shapes never include the batch. The meaning of every field is SPEC section 1 and ``docs/format.md``; this module only
holds the records, while ``rapidnn.execute.reference`` says what they do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.graph.shapes import Shape

Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CodeGroup:
    """The input codebook shared by a group of edges.

    ``values`` int32 ``(u,)`` strictly ascending, at most 256; real value = ``values[code] * scale``.
    ``pad_code`` is the code of the exact value 0, or None where the codebook does not hold it.
    """

    name: str
    values: Int32
    scale: float
    bits: int
    pad_code: int | None

    @property
    def size(self) -> int:
        """Number of codes, u."""
        return len(self.values)


@dataclass(frozen=True, eq=False)
class Window:
    """How a convolution or pool walks its input: one entry per spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: ops.Pairs
    dilation: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class EncodeInput:
    """float32 input -> codes: the code is the number of ``thresholds`` (float32, ascending) below the input."""

    name: str
    group: str
    thresholds: NDArray[np.float32]
    shape: Shape


@dataclass(frozen=True, eq=False)
class Residual:
    """A code edge that enters an accumulator through one-row tables: adds ``rows[unit, code]`` (int32 ``(G, u)``)."""

    source: str
    rows: Int32


@dataclass(frozen=True, eq=False)
class WeightedSum:
    """Weighted accumulation: codes -> accumulator, linear (``window`` None, last axis) or convolution (axis 0).

    ``weight_codes`` uint8 ``(O, K)`` or ``(O, I / groups, *kernel)``. Weight codebooks come in ``G`` sets: one
    for the layer (G = 1) or one per output channel (G = O); ``values`` int32 ``(G, w)``, ``scales`` float64 ``(G,)``.
    ``products`` int16 or int32 ``(G, w, u)``, or ``(O, w, u)`` for one table per output channel whatever G is (damaged
    tables differ from neuron to neuron). ``bias`` int32 ``(O,)``. ``acc_scales`` float64 ``(G,)``: the real value of
    one accumulator unit. ``bound`` is above the magnitude of every partial sum in any order.
    """

    name: str
    source: str
    window: Window | None
    groups: int
    weight_codes: UInt8
    values: Int32
    scales: Float64
    bits: int
    products: NDArray[np.int16] | Int32
    product_bits: int
    shift: int
    bias: Int32
    acc_scales: Float64
    bound: int
    residuals: tuple[Residual, ...]

    @property
    def taps(self) -> int:
        """K: inputs of one neuron, padded taps included."""
        return math.prod(self.weight_codes.shape[1:])

    @property
    def channels(self) -> int:
        """O: output channels."""
        return int(self.weight_codes.shape[0])


@dataclass(frozen=True, eq=False)
class PooledSum:
    """Average pooling: codes -> accumulator with weight 1, ``row`` int32 ``(u,)`` the codebook's own integers.

    The divisor stays out of the sum: ``divisor_index`` uint8 over the spatial output positions picks from
    ``divisors`` int32 ``(D,)``; one accumulator unit at divisor d is worth ``acc_scales[d] = scale / divisors[d]``.
    """

    name: str
    source: str
    window: Window
    ceil_mode: bool
    row: Int32
    divisors: Int32
    divisor_index: UInt8
    acc_scales: Float64
    bound: int


@dataclass(frozen=True, eq=False)
class CodeSum:
    """A fresh accumulator that only codes enter: residual addition of two encoded operands, or a lone code edge.

    ``offset`` int32 broadcasts against the sample: a constant that is added, or None.
    """

    name: str
    terms: tuple[Residual, ...]
    offset: Int32 | None
    acc_scales: Float64
    bound: int


@dataclass(frozen=True, eq=False)
class CodeProduct:
    """Element-wise product of two code edges: accumulator = ``products[left code, right code]``.

    ``products`` int16 or int32 ``(u left, u right)``; the edges have equal rank and axes of extent 1 broadcast.
    """

    name: str
    left: str
    right: str
    products: NDArray[np.int16] | Int32
    product_bits: int
    shift: int
    acc_scales: Float64
    bound: int


@dataclass(frozen=True, eq=False)
class ActivationTable:
    """What happens to an accumulator before it is encoded.

    ``parameters`` are those of the float operator. ``identity`` and ``relu`` need nothing; ``relu6`` clips at ``cap``
    int32 ``(T,)`` as well. Every other kind has rows ``(z, g)``: ``z`` int32 ``(T, q)`` ascending in accumulator units,
    ``g`` int32 ``(q,)`` worth ``g_scale`` each; the row nearest to the accumulator is taken. T is the number of table
    sets, one per distinct accumulator scale.
    """

    kind: str
    parameters: tuple[float, ...] = ()
    cap: Int32 | None = None
    z: Int32 | None = None
    g: Int32 | None = None
    g_scale: float | None = None


@dataclass(frozen=True, eq=False)
class Encode:
    """Accumulator -> codes: activation, then the nearest row of ``encoding`` int32 ``(T or 1, u)``.

    ``encoding`` is in accumulator units, or in units of ``g`` (then one set) where the activation has a table. The
    fused form is stored too: code = ``codes[t, #(acc > thresholds[t])]``, ``thresholds`` int32 ``(T, m)`` ascending
    (short sets are filled up with 2**31 - 1) and ``codes`` uint8 ``(T, m + 1)``.

    At a lower level of a tree, ``encoding`` still has the rows of the finest codebook, and the code is the nearest
    row's index without its low ``drop`` bits.
    """

    name: str
    source: str
    group: str
    activation: ActivationTable
    encoding: Int32
    thresholds: Int32
    codes: UInt8
    drop: int = 0


@dataclass(frozen=True, eq=False)
class Activate:
    """Accumulator -> accumulator: an activation at the network's end, whose result is not encoded.

    A table's result counts in units of ``g_scale``; identity, relu and relu6 keep the units of their source.
    """

    name: str
    source: str
    activation: ActivationTable


@dataclass(frozen=True, eq=False)
class Carry:
    """Codes -> codes of the same group: max pooling (a codebook is sorted), shape operators, zero padding."""

    name: str
    source: str
    op: CarriedOp


@dataclass(frozen=True, eq=False)
class Join:
    """Code edges joined along ``axis`` to codes of ``group``.

    If all share the group, ``recode`` is empty; otherwise it has one table a source, uint8 ``(u of the source,)``, from
    the source's codes to the group's.
    """

    name: str
    sources: tuple[str, ...]
    axis: int
    group: str
    recode: tuple[UInt8, ...]


@dataclass(frozen=True, eq=False)
class Host:
    """An operator that runs on the host: real values of its sources (any edges) to a real edge, float32."""

    name: str
    sources: tuple[str, ...]
    op: HostOp


@dataclass(frozen=True, eq=False)
class EncodeReal:
    """A real edge -> codes, as :class:`EncodeInput` does it."""

    name: str
    source: str
    group: str
    thresholds: NDArray[np.float32]


CarriedOp = ops.MaxPool | ops.Reshape | ops.Transpose | ops.Slice | ops.Pad | ops.Take | ops.ZeroStuff
TailOp = ops.Reshape | ops.Transpose | ops.Slice | ops.Take
HostOp = ops.Softmax | ops.LayerNorm | ops.MatMul | TailOp
Step = (
    EncodeInput
    | WeightedSum
    | PooledSum
    | CodeSum
    | CodeProduct
    | Encode
    | EncodeReal
    | Activate
    | Carry
    | Join
    | Host
)
Summing = WeightedSum | PooledSum | CodeSum | CodeProduct
