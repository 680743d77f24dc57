"""What the passes share: putting nodes together again after some were replaced by others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rapidnn.graph.ir import Graph, Node


def resolve(alias: dict[str, str], edge: str) -> str:
    """The edge that stands for ``edge`` after all replacements."""
    while edge in alias:
        edge = alias[edge]
    return edge


def rebuild(nodes: Iterable[Node], output: str, alias: dict[str, str]) -> Graph:
    """A graph of ``nodes`` in which every reader of an aliased edge reads its replacement."""
    renamed = (replace(node, inputs=tuple(resolve(alias, edge) for edge in node.inputs)) for node in nodes)
    return Graph(tuple(renamed), resolve(alias, output))
