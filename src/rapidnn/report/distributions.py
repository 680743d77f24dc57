"""How the float network's weights and values are distributed, and how often each code is used, for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.native import supports
from rapidnn.execute.observe import observe_native
from rapidnn.tables.program import Program

if TYPE_CHECKING:
    from rapidnn.composer.histogram import Histogram
    from rapidnn.graph import Graph

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

BINS = 64
"""Bars of a float histogram."""

_SAMPLES = 32
_PIECE = 4


@dataclass(frozen=True, eq=False)
class Spread:
    """Equal bins over a distribution: ``centres`` and ``counts`` of equal length, one ``width`` for all.

    Exact zeros are counted in ``zeros`` alone: behind a ReLU they would hide all else. ``total`` counts everything.
    """

    centres: Floats
    counts: Counts
    width: float
    zeros: int
    total: int


@dataclass(frozen=True, eq=False)
class Distributions:
    """What was counted: float weights by layer and float values by codebook group (empty without the float network),
    and uses of each code by group, int64 ``(u,)``.
    """

    weights: Mapping[str, Spread]
    inputs: Mapping[str, Spread]
    codes: Mapping[str, Counts]


def distributions(composed: ComposedNetwork, x: Any, graph: Graph | None = None) -> Distributions:
    """Count codes on at most 32 samples, and the values of the float network the codes stand for.

    Parameters
    ----------
    x
        Preprocessed samples ``(N, *input_shape)``, N >= 1.
    graph
        The float network that ``composed`` was made of, its passes run.

    Raises
    ------
    DataError
        If ``composed`` was not made of ``graph``, or ``x`` does not fit.
    """
    samples = np.asarray(x, np.float32)[:_SAMPLES]
    codes = code_use(composed, samples)
    if graph is None:
        return Distributions({}, {}, codes)
    from rapidnn.composer.blame import check_same
    from rapidnn.composer.choices import merged
    from rapidnn.composer.histogram import Histogram
    from rapidnn.composer.plan import plan_graph
    from rapidnn.composer.sample import calibrate

    settings = composed.info.get("settings")
    plan = plan_graph(graph, settings.get("concat", "unify") if isinstance(settings, Mapping) else "unify")
    check_same(plan, composed.program)
    sampled = plan.sampled_edges()
    counted = calibrate(graph, samples, {edge for edges in sampled.values() for edge in edges})
    weights = {}
    for step in plan.layers():
        weight = None if step.node is None else getattr(step.node.op, "weight", None)
        if weight is not None:
            found = Histogram()
            found.add(np.ascontiguousarray(weight, np.float32))
            weights[step.name] = spread(found)
    inputs = {name: spread(merged(counted, edges)) for name, edges in sampled.items() if name in codes}
    return Distributions(weights, inputs, codes)


def spread(histogram: Histogram) -> Spread:
    """The histogram in :data:`BINS` equal bins from its least to its greatest value."""
    values, weights = histogram.points()
    counts = weights.astype(np.int64)
    zeros = int(counts[values == 0].sum())
    rest = values != 0
    low, high = (float(values[rest].min()), float(values[rest].max())) if rest.any() else (0.0, 0.0)
    if high <= low:
        high = low + (abs(low) or 1.0)
    edges = np.linspace(low, high, BINS + 1)
    bars, _ = np.histogram(values[rest], edges, weights=counts[rest])
    centres = (edges[:-1] + edges[1:]) / 2
    return Spread(
        centres, bars.astype(np.int64), float(edges[1] - edges[0]), zeros, zeros + int(counts[rest].sum())
    )


def code_use(composed: ComposedNetwork, samples: NDArray[np.float32]) -> dict[str, Counts]:
    """How often the network's edges hold each code, by codebook group: int64 ``(u,)`` each, in the network's order."""
    program = composed.program
    found = {
        program.group_of[edge].name: np.zeros(program.group_of[edge].size, np.int64)
        for edge in _read(program)
    }

    def count(edge: str, values: NDArray[Any]) -> None:
        group = program.group_of.get(edge)
        if edge in wanted and group is not None:
            found[group.name] += np.bincount(values.ravel(), minlength=group.size)

    wanted = set(_read(program))
    for start in range(0, len(samples), _PIECE):
        batch = samples[start : start + _PIECE]
        if supports(program):
            for edge, values in observe_native(composed.native(), batch, wanted, threads=1).items():
                count(edge, values)
        else:
            composed.run(batch, observe=count)
    return found


def _read(program: Program) -> list[str]:
    """The code edges that accumulations read: what codebooks are made for."""
    from rapidnn.machine.sampling import source_edges

    return list(
        dict.fromkeys(
            name for _, sources in source_edges(program) for name in sources if name in program.group_of
        )
    )
