"""Activations move up to the accumulation they belong to."""

from __future__ import annotations

from dataclasses import replace

from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.ops import Activation, MaxPool, Op, Pad, Reshape, Slice, Transpose
from rapidnn.graph.passes.rewrite import rebuild

_ZERO_AT_ZERO = ("relu", "relu6", "tanh")
"""Activations with f(0) = 0."""


def raise_activations(graph: Graph) -> Graph:
    """Every activation above the shape operators and max pools in front of it, while it is their only reader.

    Equal because an element-wise f commutes with moving elements (reshape, transpose, slice), with writing
    zeros where f(0) = 0 (zero padding), and, all activations here being monotone (non-decreasing), with the
    maximum: max f(x) = f(max x); max-pool padding is never chosen. The results are the same floats, since the
    same f is applied to the same numbers.
    """
    while (raised := _raise_one(graph)) is not None:
        graph = raised
    return graph


def _raise_one(graph: Graph) -> Graph | None:
    readers = graph.consumers()
    for node in graph:
        if not isinstance(node.op, Activation):
            continue
        carrier = graph[node.inputs[0]]
        alone = len(readers[carrier.name]) == 1 and carrier.name != graph.output
        if alone and _commutes(node.op, carrier.op):
            return _swap(graph, carrier, node)
    return None


def _commutes(activation: Activation, op: Op) -> bool:
    if isinstance(op, Pad):
        return activation.kind in _ZERO_AT_ZERO
    return isinstance(op, Reshape | Transpose | Slice | MaxPool)


def _swap(graph: Graph, carrier: Node, activation: Node) -> Graph:
    """``carrier -> activation`` becomes ``activation -> carrier``; the names stay with the work."""
    lifted = replace(activation, inputs=carrier.inputs)
    lowered = replace(carrier, inputs=(activation.name,))
    nodes: list[Node] = []
    for node in graph:
        if node is carrier:
            nodes += [lifted, lowered]
        elif node is not activation:
            inputs = tuple(carrier.name if edge == activation.name else edge for edge in node.inputs)
            nodes.append(replace(node, inputs=inputs))
    return rebuild(nodes, carrier.name if graph.output == activation.name else graph.output, {})
