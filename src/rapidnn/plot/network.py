"""Figures of the network itself: accuracy by codebook size, weights with their codebook, an activation table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.plot.style import colour, panels
from rapidnn.report.accuracy import wilson_interval
from rapidnn.report.curves import activation_facts
from rapidnn.report.distributions import Spread
from rapidnn.report.facts import largest_layers, weight_use, weighted_layers
from rapidnn.report.levels import stored_levels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 2001


def accuracy_sizes(composed: ComposedNetwork) -> Figure:
    """Validation accuracy of every level of a tree with its 95 % interval, and that of the float network.

    Raises
    ------
    DataError
        If the artifact has no levels with accuracies.
    """
    levels = stored_levels(composed)
    if len(levels) < 2:
        raise DataError(
            "accuracy-sizes draws the levels of a tree, and this artifact holds none with their accuracies; compose "
            "with --tree 16 and data that has labels"
        )
    sizes = [2**level for level in levels]
    found = list(levels.values())
    accuracy = [100 * e.accuracy for e in found]
    ends = [wilson_interval(e.accuracy, e.samples) for e in found]
    spread = [
        [a - 100 * low for a, (low, _) in zip(accuracy, ends, strict=True)],
        [100 * high - a for a, (_, high) in zip(accuracy, ends, strict=True)],
    ]
    figure, (axes,) = panels()
    axes.errorbar(
        sizes, accuracy, spread, color=colour(0), marker="o", ms=4, lw=1.2, capsize=2, label="tables"
    )
    if found[-1].float_accuracy is not None:
        axes.axhline(100 * found[-1].float_accuracy, color=colour(3), ls="--", lw=1.2, label="float network")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("values in each codebook")
    axes.set_ylabel("validation accuracy (%)")
    axes.legend()
    return figure


def weights(composed: ComposedNetwork, layer: str | None, spread: Spread | None) -> Figure:
    """The uses of a layer's codebook values, below the float weights where the float network is at hand.

    Raises
    ------
    DataError
        If there is no such weighted layer.
    """
    step = next((s for s in weighted_layers(composed.program) if s.name == layer), None)
    if layer is None:
        step = next(iter(largest_layers(composed.program, 1)), None)
    if step is None:
        known = ", ".join(s.name for s in weighted_layers(composed.program)) or "none"
        raise DataError(f"layer {layer!r} has no weights; layers with weights: {known}")
    use = weight_use(step)
    figure, axes = panels(1 if spread is None else 2, 2.3 if spread is None else 3.2)
    if spread is not None:
        top = axes[0]
        top.bar(spread.centres, spread.counts, spread.width, color=colour(5))
        top.plot(
            use.values, np.zeros_like(use.values), "|", color=colour(3), ms=9, clip_on=False, label="codebook"
        )
        top.set_ylabel("float weights")
        top.legend()
        axes[1].sharex(top)
    bottom = axes[-1]
    bottom.vlines(use.values, 0, use.counts, color=colour(0), lw=2.5)
    bottom.set_ylim(bottom=0)
    bottom.set_xlabel(f"weight of {use.layer}")
    bottom.set_ylabel("weights by code")
    return figure


def activation_table(composed: ComposedNetwork, layer: str | None) -> Figure:
    """A table's staircase on its function, and the error below; the table with the largest error by default.

    Raises
    ------
    DataError
        If there is no such table.
    """
    found = activation_facts(composed.program, _POINTS)
    if not found:
        raise DataError(
            "the network has no activation tables: its activations (ReLU, ReLU6, identity) are done by comparison"
        )
    named = [facts for facts in found if layer in (None, facts.edge)]
    if not named:
        raise DataError(
            f"layer {layer!r} has no activation table; tables: {', '.join(facts.edge for facts in found)}"
        )
    facts = max(named, key=lambda facts: facts.largest_error)
    figure, (top, bottom) = panels(2, 3.0, ratios=(2, 1))
    top.plot(facts.x, facts.exact, color=colour(1), lw=1.2, ls="--", label=facts.kind)
    top.plot(facts.x, facts.table, color=colour(0), lw=1, label=f"table, {facts.rows} rows")
    top.set_ylabel("output")
    top.legend()
    bottom.plot(facts.x, facts.table - facts.exact, color=colour(3), lw=0.8)
    bottom.set_ylabel("error")
    bottom.set_xlabel(f"input of {facts.edge}")
    bottom.sharex(top)
    return figure
