"""Activations move up to the accumulation they belong to."""

from __future__ import annotations

from dataclasses import replace

from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.ops import Activation, MaxPool, Op, Pad, Reshape, Slice, Take, Transpose, ZeroStuff
from rapidnn.graph.passes.rewrite import rebuild

_ZERO_AT_ZERO = (
    "relu",
    "relu6",
    "tanh",
    "leaky_relu",
    "elu",
    "hard_swish",
    "gelu",
    "gelu_tanh",
    "silu",
)
"""Kinds with f(0) = 0 whatever their parameters."""

_MONOTONE = ("relu", "relu6", "sigmoid", "tanh", "clip")
"""Kinds that never decrease, whatever their parameters."""

_MONOTONE_IF_POSITIVE = ("leaky_relu", "elu", "hard_sigmoid")
"""Kinds that never decrease where their first parameter is not negative."""


def raise_activations(graph: Graph) -> Graph:
    """Every activation above the shape operators and max pools in front of it, while it is their only reader.

    Equal because an element-wise f commutes with moving elements (reshape, transpose, slice, take), with writing
    zeros where f(0) = 0 (zero padding, zero stuffing), and, where f never decreases, with the maximum:
    max f(x) = f(max x); max-pool padding is never chosen. The results are the same floats, since the same f is
    applied to the same numbers.
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
    if isinstance(op, Pad | ZeroStuff):
        return zero_at_zero(activation)
    if isinstance(op, MaxPool):
        return is_monotone(activation)
    return isinstance(op, Reshape | Transpose | Slice | Take)


def zero_at_zero(activation: Activation) -> bool:
    """Whether f(0) = 0."""
    match activation.kind:
        case "clip":
            return activation.parameters[0] <= 0 <= activation.parameters[1]
        case "hard_sigmoid":
            return activation.parameters[1] <= 0
        case kind:
            return kind in _ZERO_AT_ZERO


def is_monotone(activation: Activation) -> bool:
    """Whether f never decreases."""
    if activation.kind in _MONOTONE_IF_POSITIVE:
        return activation.parameters[0] >= 0
    return activation.kind in _MONOTONE


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
