"""The float graph while it grows, and the values that ONNX nodes read."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.frontends.layout import BATCH_FIRST, Layout
from rapidnn.graph import ops
from rapidnn.graph.ir import Node
from rapidnn.graph.ops import Op
from rapidnn.graph.shapes import Shape, infer_shape

MAX_ELEMENTS = 2**27
"""Largest edge, in elements of one sample (512 MiB in float32): anything above is taken for a damaged shape."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A value that does not depend on the network's input; ``name`` is its ONNX name, for messages."""

    name: str
    array: NDArray[Any]


@dataclass(frozen=True, eq=False)
class SequenceValue:
    """An ONNX sequence of activations."""

    edges: tuple[str, ...]


Value = str | Constant | SequenceValue


@dataclass
class GraphBuilder:
    """The float graph while it grows; ``batch`` is the batch size in the ONNX model's own shapes."""

    batch: int
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)

    def unique(self, name: str) -> str:
        """``name``, or ``name_1``, ``name_2``, ... if it is taken."""
        candidate, count = name, 0
        while candidate in self.shapes:
            count += 1
            candidate = f"{name}_{count}"
        return candidate

    def add(self, name: str, op: Op, inputs: tuple[str, ...]) -> str:
        """Append a node under a unique form of ``name``; returns the name of its edge, batch first."""
        name = self.unique(name)
        shape = infer_shape(name, op, [self.shapes[e] for e in inputs])
        if math.prod(shape) > MAX_ELEMENTS:
            raise ModelError(
                f"node {name!r} ({ops.op_name(op)}) would produce {math.prod(shape)} elements a sample (shape "
                f"{shape}); at most {MAX_ELEMENTS} are supported"
            )
        self.shapes[name] = shape
        self.nodes.append(Node(name, op, inputs))
        return name

    def layout(self, edge: str) -> Layout:
        """Where ONNX has the batch in this edge."""
        return self.layouts.get(edge, BATCH_FIRST)

    def full_shape(self, edge: str) -> Shape:
        """Shape of the edge as ONNX sees it."""
        return self.layout(edge).full_shape(self.shapes[edge], self.batch)

    def place(self, edge: str, layout: Layout, name: str) -> str:
        """The edge under ``layout``; one that earlier nodes know under another is passed on as a new edge."""
        if layout == self.layout(edge):
            return edge
        if edge in self.layouts or edge != self.nodes[-1].name:
            edge = self.add(f"{name}.placed", ops.Reshape(self.shapes[edge]), (edge,))
        self.layouts[edge] = layout
        return edge
