"""What a handler sees of one ONNX node: its inputs, its attributes, and how to add to the graph."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.graph.ir import Node
from rapidnn.graph.ops import Float32, Op
from rapidnn.graph.shapes import Shape, infer_shape

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that does not depend on the network's input; ``name`` is its ONNX name, for messages."""

    name: str
    array: NDArray[Any]


@dataclass
class GraphBuilder:
    """The float graph while it grows; ``batch`` is the batch size in the ONNX model's own shapes."""

    batch: int
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)

    def unique(self, name: str) -> str:
        """``name``, or ``name_1``, ``name_2``, ... if it is taken."""
        candidate, count = name, 0
        while candidate in self.shapes:
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    def add(self, name: str, op: Op, inputs: tuple[str, ...]) -> str:
        """Append a node under a unique form of ``name``; returns the name of its edge."""
        name = self.unique(name)
        self.shapes[name] = infer_shape(name, op, [self.shapes[e] for e in inputs])
        self.nodes.append(Node(name, op, inputs))
        return name


@dataclass(frozen=True, eq=False)
class NodeContext:
    """One ONNX node; its inputs are edges of the graph (str), constants, or absent (None)."""

    node: ir.Node
    name: str
    inputs: tuple[str | Constant | None, ...]
    builder: GraphBuilder

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

    def shape(self, index: int) -> Shape:
        """Shape of one sample of an input edge."""
        return self.builder.shapes[self.edge(index)]

    def full_shape(self, index: int) -> tuple[int, ...]:
        """Shape of an input edge as ONNX sees it, batch first."""
        return (self.batch, *self.shape(index))

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
        return [int(i) for i in self.constant(index).array.reshape(-1)]

    def emit(self, op: Op, *edges: str, part: str = "") -> str:
        """Add a node to the graph; ``part`` names helpers that are not the operator itself."""
        return self.builder.add(f"{self.name}.{part}" if part else self.name, op, edges)
