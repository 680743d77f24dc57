"""The composed network: a straight list of steps on integer edges, and what follows from it.

``steps.py`` holds the records of the steps; ``rapidnn.execute.reference`` says what they do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.graph.shapes import Shape, infer_shape
from rapidnn.tables.steps import (
    Activate,
    ActivationTable,
    CarriedOp,
    Carry,
    CodeGroup,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Float64,
    Host,
    HostOp,
    Int32,
    Join,
    PooledSum,
    Residual,
    Step,
    Summing,
    TailOp,
    UInt8,
    WeightedSum,
    Window,
)

__all__ = [
    "Activate",
    "ActivationTable",
    "CarriedOp",
    "Carry",
    "CodeGroup",
    "CodeProduct",
    "CodeSum",
    "Encode",
    "EncodeInput",
    "EncodeReal",
    "Float64",
    "Host",
    "HostOp",
    "Int32",
    "Join",
    "PooledSum",
    "Program",
    "Residual",
    "Step",
    "Summing",
    "TailOp",
    "UInt8",
    "WeightedSum",
    "Window",
    "sources_of",
    "word_width",
]


@dataclass(frozen=True, eq=False)
class Program:
    """A composed network.

    ``steps`` run in order. ``output`` names the edge that is the result; ``tail`` are shape operators applied to it at
    the end, and ``host_tail`` a softmax of the real result that the host takes after that.
    """

    groups: tuple[CodeGroup, ...]
    steps: tuple[Step, ...]
    output: str
    tail: tuple[TailOp, ...] = field(default=())
    host_tail: ops.Softmax | None = None

    @cached_property
    def group(self) -> dict[str, CodeGroup]:
        """Code groups by name."""
        return {group.name: group for group in self.groups}

    @cached_property
    def step(self) -> dict[str, Step]:
        """Steps by name, which is also the name of the edge they produce."""
        return {step.name: step for step in self.steps}

    @cached_property
    def group_of(self) -> dict[str, CodeGroup]:
        """The code group of every code edge."""
        found: dict[str, CodeGroup] = {}
        for step in self.steps:
            if isinstance(step, EncodeInput | Encode | EncodeReal | Join):
                found[step.name] = self.group[step.group]
            elif isinstance(step, Carry):
                found[step.name] = found[step.source]
        return found

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Shape of one sample on every edge."""
        shapes: dict[str, Shape] = {}
        for step in self.steps:
            shapes[step.name] = _step_shape(step, shapes)
        return shapes

    @cached_property
    def host_reads(self) -> frozenset[str]:
        """The edges that the host reads, and that must therefore leave the blocks as they are."""
        return frozenset(source for step in self.steps if isinstance(step, Host) for source in step.sources)

    @property
    def input_shape(self) -> Shape:
        """Shape of one input sample."""
        return self.shapes[self.steps[0].name]

    @cached_property
    def output_shape(self) -> Shape:
        """Shape of one output sample."""
        shape = self.shapes[self.output]
        for op in self.tail:
            shape = infer_shape(self.output, op, [shape])
        return shape

    @property
    def ends_on_host(self) -> bool:
        """Whether the result is a real edge: the last operator runs on the host."""
        return isinstance(self.step[self.output], Host)

    def summing_source(self, name: str) -> Summing:
        """The accumulation step behind an accumulator edge."""
        step = self.step[name]
        while isinstance(step, Activate):
            step = self.step[step.source]
        assert isinstance(step, WeightedSum | PooledSum | CodeSum | CodeProduct), name
        return step

    def unit_index(self, name: str) -> NDArray[np.intp]:
        """Which accumulator unit (table set) holds at each place of an accumulator edge.

        The result broadcasts against one sample of the edge: all zeros for one unit, the channel index for one
        per output channel, the divisor index for average pooling.
        """
        step = self.summing_source(name)
        rank = len(self.shapes[step.name])
        if isinstance(step, PooledSum):
            return step.divisor_index.astype(np.intp)[np.newaxis]
        if len(step.acc_scales) == 1:
            return np.zeros((1,) * rank, np.intp)
        axis = 0 if isinstance(step, WeightedSum) and step.window is not None else rank - 1
        shape = [1] * rank
        shape[axis] = len(step.acc_scales)
        return np.arange(len(step.acc_scales)).reshape(shape)

    def acc_scales(self, name: str) -> Float64:
        """Real value of one unit of an accumulator edge, per table set."""
        step = self.step[name]
        if isinstance(step, Activate):
            if step.activation.g_scale is not None:
                return np.array([step.activation.g_scale])
            return self.acc_scales(step.source)
        return self.summing_source(name).acc_scales


def sources_of(step: Step) -> list[str]:
    """The edges a step reads, in order."""
    match step:
        case EncodeInput():
            return []
        case WeightedSum():
            return [step.source, *(term.source for term in step.residuals)]
        case CodeSum():
            return [term.source for term in step.terms]
        case CodeProduct():
            return [step.left, step.right]
        case Join() | Host():
            return list(step.sources)
        case _:
            return [step.source]


def _step_shape(step: Step, shapes: dict[str, Shape]) -> Shape:
    read = [shapes[name] for name in sources_of(step)]
    match step:
        case EncodeInput():
            return step.shape
        case WeightedSum():
            return _weighted_shape(step, read[0])
        case PooledSum():
            return (read[0][0], *step.divisor_index.shape)
        case CodeProduct():
            return infer_shape(step.name, ops.Multiply(), read)
        case Carry() | Host():
            return infer_shape(step.name, step.op, read)
        case Join():
            return infer_shape(step.name, ops.Concat(step.axis), read)
        case CodeSum() | Encode() | EncodeReal() | Activate():
            return read[0]


def _weighted_shape(step: WeightedSum, source: Shape) -> Shape:
    if step.window is None:
        return (*source[:-1], step.channels)
    weight = np.broadcast_to(np.float32(0), step.weight_codes.shape)
    bias = np.broadcast_to(np.float32(0), (step.channels,))
    window = step.window
    conv = ops.Conv(weight, bias, window.stride, window.padding, window.dilation, step.groups)
    return infer_shape(step.name, conv, [source])


def word_width(bound: int) -> int:
    """N, the least two's-complement width that holds every integer of magnitude at most ``bound``."""
    return max(1, bound).bit_length() + 1
