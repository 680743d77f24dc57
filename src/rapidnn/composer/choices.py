"""What a composition decides before any table is made: codebooks, weight codes and biases.

Clustering makes the first choices; recovery and fine-tuning return better ones of the same form, and
:func:`rapidnn.composer.tabulate.tabulate` turns whichever came last into tables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from rapidnn.composer.cluster import cluster
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan
from rapidnn.composer.settings import Settings
from rapidnn.composer.weights import WeightCodebooks, weight_codebooks
from rapidnn.graph import ops
from rapidnn.tables.program import CodeGroup, Float64

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class LayerChoice:
    """One weighted layer: its codebooks and codes, and its bias, float64 ``(O,)``, real values."""

    books: WeightCodebooks
    bias: Float64


@dataclass(frozen=True, eq=False)
class Choices:
    """Code groups by name, and weighted layers by step name."""

    groups: Mapping[str, CodeGroup]
    layers: Mapping[str, LayerChoice]


def choose(
    plan: Plan, histograms: Mapping[str, Histogram], settings: Settings, progress: Progress | None = None
) -> Choices:
    """Cluster every group's histogram and every layer's weights (SPEC section 2, step 3)."""
    groups = {
        name: choose_group(plan, name, merged(histograms, edges), settings)
        for name, edges in plan.sampled_edges().items()
    }
    layers: dict[str, LayerChoice] = {}
    steps = plan.layers()
    for done, step in enumerate(steps, start=1):
        if step.node is not None and isinstance(step.node.op, ops.Linear | ops.Conv):
            op = step.node.op
            books = weight_codebooks(op.weight, settings.weight_size(step.name), settings)
            layers[step.name] = LayerChoice(books, op.bias.astype(np.float64))
        if progress is not None:
            progress(done, len(steps))
    return Choices(groups, layers)


def merged(histograms: Mapping[str, Histogram], edges: list[str]) -> Histogram:
    """The joint histogram of some edges."""
    total = Histogram()
    for edge in edges:
        total.merge(histograms[edge])
    return total


def choose_group(plan: Plan, name: str, histogram: Histogram, settings: Settings) -> CodeGroup:
    """The codebook of one group, of the largest size any of its readers asks for."""
    size = settings.input_size(readers(plan, name))
    hold = held_zero(plan, name, histogram, size)
    book = cluster(histogram.points(), size, settings.operand_bits, hold_zero=hold)
    zero = np.flatnonzero(book.values == 0)
    return CodeGroup(name, book.values, book.scale, book.bits, int(zero[0]) if len(zero) else None)


def readers(plan: Plan, group: str) -> list[str]:
    """Names of the layers that read a group's codes."""
    return plan.readers.get(group, [])


def held_zero(plan: Plan, group: str, histogram: Histogram, size: int) -> bool:
    """Whether a group's codebook holds the exact 0: padding reads it, or zeros are a large share.

    A ReLU's output is zero so often that holding zero costs no accuracy, and products of zero cost the machine nothing.
    """
    return group in plan.holds_zero or histogram.zero_share() * size >= 1
