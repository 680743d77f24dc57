"""Operators of the float graph: frozen records of what a node computes, with static parameters.

Shapes and axes never include the batch: a value of shape ``(C, H, W)`` is a batch of such values, and axis 0 is the
channel axis. Convolutions and pools work on any number of spatial axes; their tuples have one entry per spatial axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Pairs = tuple[tuple[int, int], ...]
"""(before, after) per axis."""

ActivationKind = Literal[
    "relu",
    "relu6",
    "sigmoid",
    "tanh",
    "leaky_relu",
    "elu",
    "hard_sigmoid",
    "hard_swish",
    "gelu",
    "gelu_tanh",
    "silu",
    "clip",
]


@dataclass(frozen=True, eq=False)
class Input:
    """The network's one input, float32, of this shape (without the batch)."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Linear:
    """``y[..., o] = sum_k weight[o, k] * x[..., k] + bias[o]`` over the last axis."""

    weight: Float32
    bias: Float32


@dataclass(frozen=True, eq=False)
class Conv:
    """Cross-correlation with zero padding.

    ``weight`` has shape ``(out_channels, in_channels / groups, *kernel)``, ``bias`` ``(out_channels,)``.
    """

    weight: Float32
    bias: Float32
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    groups: int

    @property
    def kernel(self) -> tuple[int, ...]:
        """Kernel extent per spatial axis."""
        return tuple(self.weight.shape[2:])


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """``y[c] = scale[c] * x[c] + shift[c]`` on the channel axis; passes remove it before composition."""

    scale: Float32
    shift: Float32


@dataclass(frozen=True, eq=False)
class Activation:
    """An element-wise function of one variable.

    ``parameters``, by kind: ``leaky_relu`` and ``elu`` (alpha,), ``hard_sigmoid`` (alpha, beta) as in ONNX, ``clip``
    (low, high), both finite; none for the others. ``rapidnn.tables.functions`` has the formulas.
    """

    kind: ActivationKind
    parameters: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class MaxPool:
    """Maximum over windows; padding never wins."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    dilation: tuple[int, ...]
    ceil_mode: bool


@dataclass(frozen=True, eq=False)
class AvgPool:
    """Mean over windows. With ``count_include_pad`` the explicit padding counts in the divisor."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    ceil_mode: bool
    count_include_pad: bool


@dataclass(frozen=True, eq=False)
class Reshape:
    """The same elements in the same (C) order under another shape; ``shape`` is fully known."""

    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Transpose:
    """Axis permutation; ``perm[i]`` is the source axis (without the batch) of result axis ``i``."""

    perm: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Slice:
    """``x[starts[0]:stops[0]:steps[0], ...]`` per axis; every axis is given, bounds are normalised, steps positive."""

    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Pad:
    """Zero padding per axis (all axes without the batch), amounts non-negative."""

    pads: Pairs


@dataclass(frozen=True, eq=False)
class Add:
    """Element-wise sum of two values of equal shape."""


@dataclass(frozen=True, eq=False)
class AddConstant:
    """``x + value``; ``value`` broadcasts against the sample and varies along more than the channel axis."""

    value: Float32


@dataclass(frozen=True, eq=False)
class Multiply:
    """Element-wise product of two values of equal rank; axes of extent 1 broadcast (squeeze-and-excitation)."""


@dataclass(frozen=True, eq=False)
class Concat:
    """Values joined along ``axis``; any number of inputs."""

    axis: int


@dataclass(frozen=True, eq=False)
class Take:
    """``x`` at ``indices`` along ``axis``, repeats allowed: nearest resizing, a gather, a split with holes."""

    axis: int
    indices: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ZeroStuff:
    """Zeros between neighbours: extent n becomes ``(n - 1) * stride + 1`` per spatial axis (transposed convolution)."""

    stride: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Softmax:
    """Softmax, or its logarithm, over ``axis``; runs on the host."""

    axis: int
    log: bool


@dataclass(frozen=True, eq=False)
class LayerNorm:
    """Normalisation over the last ``axes`` axes, then ``* scale + shift`` (of those axes' shape); runs on the host."""

    axes: int
    scale: Float32
    shift: Float32
    epsilon: float


@dataclass(frozen=True, eq=False)
class MatMul:
    """Matrix product of two values over their last two axes, leading axes equal; runs on the host."""


HOST = (Softmax, LayerNorm, MatMul)
"""Operators that stay on the host in float; the machine does the rest."""

Op = (
    Input
    | Linear
    | Conv
    | BatchNorm
    | Activation
    | MaxPool
    | AvgPool
    | Reshape
    | Transpose
    | Slice
    | Pad
    | Add
    | AddConstant
    | Multiply
    | Concat
    | Take
    | ZeroStuff
    | Softmax
    | LayerNorm
    | MatMul
)

CODE_CARRYING = (MaxPool, Reshape, Transpose, Slice, Pad, Concat, Take, ZeroStuff)
"""Operators that work on codes as they are: their input and output share one codebook group (SPEC section 1)."""


def op_name(op: Op) -> str:
    """The operator's name as reports print it, such as ``Conv`` or ``relu``."""
    return op.kind if isinstance(op, Activation) else type(op).__name__


def parameters_of(op: Any) -> dict[str, Float32]:
    """The operator's float arrays by field name, empty for operators without parameters."""
    return {k: v for k, v in vars(op).items() if isinstance(v, np.ndarray)}
