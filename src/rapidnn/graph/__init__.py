"""The float network as a small typed graph, its passes, and its execution."""

from rapidnn.graph.ir import Graph, Node

__all__ = ["Graph", "Node"]
