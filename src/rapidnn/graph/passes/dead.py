"""Removal of nodes that the output does not depend on."""

from __future__ import annotations

from rapidnn.graph.ir import Graph


def remove_dead(graph: Graph) -> Graph:
    """Without the nodes whose value never reaches the output.

    Equal because the output is computed from its ancestors only. The input stays in any case.
    """
    needed = {graph.output, graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return Graph(tuple(node for node in graph if node.name in needed), graph.output)
