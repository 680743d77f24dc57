"""The float graph: named nodes in topological order, one output each, so that an edge is named by its producer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rapidnn.errors import ModelError
from rapidnn.graph.ops import Input, Op
from rapidnn.graph.shapes import Shape, infer_shape


@dataclass(frozen=True, eq=False)
class Node:
    """One operator applied to the edges named in ``inputs``; its result is the edge of the node's own name."""

    name: str
    op: Op
    inputs: tuple[str, ...]


class Graph:
    """A float network with one input and one output.

    Building it checks the structure and infers every shape.

    Parameters
    ----------
    nodes
        In topological order; the first is the only ``Input``; names are unique.
    output
        The name of the node whose value is the network's result.

    Raises
    ------
    ModelError
        On a duplicate name, an unknown or later input, or shapes that do not fit; the message names the node.
    """

    def __init__(self, nodes: tuple[Node, ...], output: str) -> None:
        self.nodes = nodes
        self.output = output
        self._by_name: dict[str, Node] = {}
        self.shapes: dict[str, Shape] = {}
        if not nodes or not isinstance(nodes[0].op, Input):
            raise ModelError("the graph's first node must be its input")
        for node in nodes:
            self._admit(node)
        if output not in self._by_name:
            raise ModelError(f"the graph's output {output!r} is not one of its nodes")

    def _admit(self, node: Node) -> None:
        if node.name in self._by_name:
            raise ModelError(f"two nodes are named {node.name!r}; names must be unique")
        if isinstance(node.op, Input) and self._by_name:
            raise ModelError(f"node {node.name!r} is a second input; one is supported")
        for edge in node.inputs:
            if edge not in self._by_name:
                raise ModelError(f"node {node.name!r} reads {edge!r}, which no earlier node produces")
        self.shapes[node.name] = infer_shape(node.name, node.op, [self.shapes[e] for e in node.inputs])
        self._by_name[node.name] = node

    def __getitem__(self, name: str) -> Node:
        return self._by_name[name]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def input(self) -> Node:
        """The input node."""
        return self.nodes[0]

    @property
    def input_shape(self) -> Shape:
        """Shape of one input sample."""
        return self.shapes[self.nodes[0].name]

    @property
    def output_shape(self) -> Shape:
        """Shape of one output sample."""
        return self.shapes[self.output]

    def consumers(self) -> dict[str, list[Node]]:
        """For every edge the nodes that read it, in order; a node that reads an edge twice stands twice."""
        readers: dict[str, list[Node]] = {node.name: [] for node in self.nodes}
        for node in self.nodes:
            for edge in node.inputs:
                readers[edge].append(node)
        return readers
