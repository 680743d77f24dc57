"""What a handler sees of one ONNX node: its inputs, its attributes, and how to add to the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from rapidnn.errors import ModelError
from rapidnn.frontends.builder import Constant, GraphBuilder, SequenceValue, Value
from rapidnn.frontends.layout import BATCH_FIRST, Layout
from rapidnn.graph.ops import Float32, Op
from rapidnn.graph.shapes import Shape

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = ["Constant", "NodeContext", "SequenceValue"]


@dataclass(frozen=True, eq=False)
class NodeContext:
    """One ONNX node; its inputs are edges of the graph (str), constants, sequences of edges, or absent (None)."""

    node: ir.Node
    name: str
    inputs: tuple[Value | None, ...]
    builder: GraphBuilder
    opset: int

    @property
    def batch(self) -> int:
        """Batch size assumed in the ONNX model's shapes."""
        return self.builder.batch

    def fail(self, reason: str) -> NoReturn:
        """Refuse the node: ``reason`` says what is the matter and what would do."""
        raise ModelError(f"operator {self.node.op_type!r} at node {self.name!r}: {reason}")

    def has(self, index: int) -> bool:
        """Whether the input is given."""
        return index < len(self.inputs) and self.inputs[index] is not None

    def is_constant(self, index: int) -> bool:
        """Whether the input is a constant."""
        return self.has(index) and isinstance(self.inputs[index], Constant)

    def edge(self, index: int) -> str:
        """The input as an edge of the graph; refuses a constant."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, str):
            self.fail(f"its input {index} must depend on the network's input")
        return value

    def sequence(self, index: int) -> SequenceValue:
        """The input as a sequence; refuses everything else."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, SequenceValue):
            self.fail(f"its input {index} must be a sequence of activations")
        return value

    def shape(self, index: int) -> Shape:
        """Shape of one sample of an input edge."""
        return self.builder.shapes[self.edge(index)]

    def layout(self, index: int) -> Layout:
        """Where ONNX has the batch in an input edge."""
        return self.builder.layout(self.edge(index))

    def full_shape(self, index: int) -> tuple[int, ...]:
        """Shape of an input edge as ONNX sees it."""
        return self.builder.full_shape(self.edge(index))

    def axis(self, index: int, axis: int) -> int:
        """The sample axis that an ONNX axis (negative: from the end) of an input edge is; refuses the batch."""
        rank = len(self.full_shape(index))
        if not -rank <= axis < rank:
            self.fail(f"axis {axis} is out of range for shape {self.full_shape(index)}")
        sample = self.layout(index).sample_axis(axis % rank)
        if sample is None:
            self.fail(f"it works along the batch (axis {axis}), which would mix or drop samples")
        return sample

    def constant(self, index: int) -> Constant:
        """The input as a constant; refuses an edge."""
        value = self.inputs[index] if self.has(index) else None
        if not isinstance(value, Constant):
            self.fail(f"its input {index} must be constant")
        return value

    def weight(self, index: int) -> Float32:
        """The input as a finite float32 array, not copied."""
        constant = self.constant(index)
        if constant.array.dtype != np.float32:
            raise ModelError(
                f"tensor {constant.name!r} of node {self.name!r} is {constant.array.dtype}; float32 is needed"
            )
        # A float64 sum of float32 values cannot overflow, so it is finite exactly if all values are; it needs
        # no copy.
        with np.errstate(invalid="ignore"):
            total = float(np.sum(constant.array, dtype=np.float64))
        if not math.isfinite(total):
            raise ModelError(f"tensor {constant.name!r} of node {self.name!r} holds NaN or infinite values")
        return constant.array

    def scalar(self, index: int, default: float) -> float:
        """The input as one number, ``default`` where it is absent."""
        if not self.has(index):
            return default
        array = self.constant(index).array
        if array.size != 1:
            self.fail(f"its input {index} must be one number, not of shape {array.shape}")
        if array.dtype.kind not in "fiub":
            self.fail(f"its input {index} is {array.dtype}; a number is needed")
        return float(array.reshape(()))

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_int()

    def number(self, name: str, default: float) -> float:
        """A float attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_float()

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.as_string()

    def integers(self, name: str, index: int | None = None) -> list[int] | None:
        """A list of integers: an attribute in older operator sets, the constant input ``index`` in newer."""
        attribute = self.node.attributes.get(name)
        if attribute is not None:
            return [int(i) for i in attribute.as_ints()]
        if index is None or not self.has(index):
            return None
        array = self.constant(index).array
        if array.dtype.kind not in "iu":
            self.fail(f"its input {index} is {array.dtype}; integers are needed")
        return [int(i) for i in array.reshape(-1)]

    def emit(self, op: Op, *edges: str, part: str = "") -> str:
        """Add a node to the graph; ``part`` names helpers that are not the operator itself."""
        return self.builder.add(f"{self.name}.{part}" if part else self.name, op, edges)

    def placed(self, edge: str, layout: Layout) -> str:
        """The edge under a layout of its own; a value already known under another one is passed on anew."""
        return self.builder.place(edge, layout, self.name)

    def like(self, index: int, edge: str) -> str:
        """The edge with the layout of an input."""
        layout = self.layout(index)
        return edge if layout == BATCH_FIRST else self.placed(edge, layout)
