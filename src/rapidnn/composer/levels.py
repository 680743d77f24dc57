"""Choices for tree codebooks: one set a level, all with the same codes but for the low bits dropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices, LayerChoice, held_zero, merged, readers
from rapidnn.composer.cluster import WIDE_OPERAND_BITS, encode
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan
from rapidnn.composer.points import weighted_points
from rapidnn.composer.settings import Settings
from rapidnn.composer.tree import TreeCodebook, tree_codebook
from rapidnn.composer.weights import WeightCodebooks, channels_together
from rapidnn.graph import ops
from rapidnn.tables.levels import bits
from rapidnn.tables.program import CodeGroup

Progress = Callable[[int, int], None]


def choose_levels(
    plan: Plan, histograms: Mapping[str, Histogram], settings: Settings, progress: Progress | None = None
) -> dict[int, Choices]:
    """Choices by level, 1 to the depth of the deepest tree; the last are the finest.

    A codebook of 2**d values has d levels: above level d it stays as it is.
    """
    groups = {
        name: _group_tree(plan, name, merged(histograms, edges), settings)
        for name, edges in plan.sampled_edges().items()
    }
    layers: dict[str, tuple[list[WeightCodebooks], NDArray[np.float64]]] = {}
    steps = plan.layers()
    for done, step in enumerate(steps, start=1):
        if step.node is not None and isinstance(step.node.op, ops.Linear | ops.Conv):
            op = step.node.op
            size = settings.weight_size(step.name)
            layers[step.name] = (_weight_trees(op.weight, size, settings), op.bias.astype(np.float64))
        if progress is not None:
            progress(done, len(steps))
    deepest = max([len(tree) for tree in groups.values()] + [len(trees) for trees, _ in layers.values()])

    def at(level: int) -> Choices:
        return Choices(
            {name: tree[min(level, len(tree)) - 1] for name, tree in groups.items()},
            {
                name: LayerChoice(trees[min(level, len(trees)) - 1], bias)
                for name, (trees, bias) in layers.items()
            },
        )

    return {level: at(level) for level in range(1, deepest + 1)}


def _group_tree(plan: Plan, name: str, histogram: Histogram, settings: Settings) -> list[CodeGroup]:
    size = settings.input_size(readers(plan, name))
    hold = held_zero(plan, name, histogram, size)
    tree = tree_codebook(
        histogram.points(),
        bits(size),
        settings.operand_bits,
        optimal_level=_optimal(settings, size),
        hold_zero=hold,
    )
    groups = []
    for book in tree.levels:
        zero = np.flatnonzero(book.values == 0)
        groups.append(
            CodeGroup(name, book.values, book.scale, book.bits, int(zero[0]) if len(zero) else None)
        )
    return groups


def _optimal(settings: Settings, size: int) -> int:
    """The level at which a codebook of ``size`` values is optimal: the one the user named, or its leaves."""
    return min(bits(settings.tree), bits(size))


def _weight_trees(weight: NDArray[np.float32], size: int, settings: Settings) -> list[WeightCodebooks]:
    """The codebooks and codes of a layer by level, coarsest first."""
    channels = len(weight)
    together = channels_together(settings.granularity, channels)
    parts = [slice(at, at + together) for at in range(0, channels, together)]

    def grow(operand_bits: int) -> list[TreeCodebook]:
        level = _optimal(settings, size)
        return [
            tree_codebook(
                weighted_points(weight[part], size=size), bits(size), operand_bits, optimal_level=level
            )
            for part in parts
        ]

    trees = grow(settings.operand_bits)
    if len({tree.leaves.bits for tree in trees}) > 1:  # a layer has one grid width
        trees = grow(WIDE_OPERAND_BITS)
    codes = np.empty(weight.shape, np.uint8)
    for part, tree in zip(parts, trees, strict=True):
        codes[part] = encode(weight[part], tree.leaves.values, tree.leaves.scale)
    rows = np.arange(channels) // together if len(parts) > 1 else np.zeros(1, np.intp)
    depth = trees[0].depth
    return [
        WeightCodebooks(
            np.stack([tree.levels[level].values for tree in trees])[rows],
            np.array([tree.levels[level].scale for tree in trees])[rows],
            trees[0].leaves.bits,
            codes >> np.uint8(depth - 1 - level),
        )
        for level in range(depth)
    ]
