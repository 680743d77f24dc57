"""Rewriting of the float graph before composition. Every pass keeps the network's function; each says why."""

from rapidnn.graph.ir import Graph
from rapidnn.graph.passes.activations import raise_activations
from rapidnn.graph.passes.batch_norm import fold_batch_norm, lower_batch_norm
from rapidnn.graph.passes.dead import remove_dead
from rapidnn.graph.passes.noops import drop_noops
from rapidnn.graph.passes.uniform import fold_uniform_scales

__all__ = [
    "drop_noops",
    "fold_batch_norm",
    "fold_uniform_scales",
    "lower_batch_norm",
    "raise_activations",
    "remove_dead",
    "run_passes",
]


def run_passes(graph: Graph) -> Graph:
    """All passes in the order in which each prepares the next; the result holds no ``BatchNorm``."""
    graph = fold_batch_norm(_tidy(remove_dead(graph)))
    graph = lower_batch_norm(fold_uniform_scales(graph))
    return _tidy(raise_activations(_tidy(graph)))


def _tidy(graph: Graph) -> Graph:
    # Operators merged into later ones are left without readers, which would count as readers of theirs.
    return remove_dead(drop_noops(graph))
