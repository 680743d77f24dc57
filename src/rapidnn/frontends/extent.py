"""Networks that make far more of a sample than their files hold are refused before they are run."""

from __future__ import annotations

import math

from rapidnn.errors import ModelError
from rapidnn.frontends.source import Source
from rapidnn.graph.ir import Graph

_ALWAYS = 2**25
"""Values in all edges that are computed in about a second, whatever they come from."""
_GROWTH = 2**12
"""Values of all edges for each input and weight. Networks have some hundreds at most: few channels, many pixels."""


def check_extent(graph: Graph, source: Source) -> None:
    """Refuse a graph whose edges hold over 4096 values for each value of its input and weights.

    Such a graph stems from a damaged shape, and comparing it with the original could take minutes; what is left takes
    time in proportion to the files that the user gives. Graphs of few values pass.

    Raises
    ------
    ModelError
        If it does; the message names the largest edge.
    """
    sizes = {name: math.prod(shape) for name, shape in graph.shapes.items()}
    total = source.batch * sum(sizes.values())
    weights = sum(
        value.const_value.size for value in source.model.graph.initializers.values() if value.const_value
    )
    given = source.batch * math.prod(graph.input_shape) + weights
    if total > max(_ALWAYS, _GROWTH * given):
        largest = max(sizes, key=sizes.__getitem__)
        raise ModelError(
            f"the network would make {total} values of {given} inputs and weights (node {largest!r} alone "
            f"{sizes[largest]} a sample), which is taken for a damaged shape"
        )
