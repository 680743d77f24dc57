"""Figures of the machine: energy by layer and component, cost by codebook size, machines beside each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from rapidnn.errors import DataError
from rapidnn.machine.cost import Cost
from rapidnn.plot.style import colour, hatch, panels
from rapidnn.report.charts import GREY
from rapidnn.report.units import prefixed
from rapidnn.rivals.compare import MachineComparison
from rapidnn.rivals.figures import OURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PARTS = 6
_LAYERS = 24


def energy_breakdown(cost: Cost) -> Figure:
    """Energy of one input by layer, cut into the components that cost most; of many layers, the most costly."""
    layers = list(cost.by_layer)
    if len(layers) > _LAYERS:
        kept = sorted(layers, key=lambda layer: -layer.energy_pj)[:_LAYERS]
        layers = [layer for layer in layers if layer in kept]
    ranked = sorted((k for k, v in cost.by_component.items() if v), key=lambda k: -cost.by_component[k])
    factor, unit = prefixed(max(layer.energy_pj for layer in layers) * 1e-12, "J")
    figure, (axes,) = panels(1, 1.4 + 0.2 * len(layers))
    places = np.arange(len(layers))
    base = np.zeros(len(layers))

    def part(names: list[str], title: str, index: int) -> None:
        nonlocal base
        size = np.array([sum(layer.by_component.get(n, 0.0) for n in names) for layer in layers])
        size = size * 1e-12 / factor
        axes.barh(
            places,
            size,
            left=base,
            height=0.7,
            color=colour(index),
            hatch=hatch(index),
            label=title,
            edgecolor="white",
            lw=0.3,
        )
        base = base + size

    for index, name in enumerate(ranked[:_PARTS]):
        part([name], name.replace("_", " "), index)
    if ranked[_PARTS:]:
        part(ranked[_PARTS:], f"{len(ranked) - _PARTS} others", GREY)
    axes.set_yticks(places, [layer.name for layer in layers])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"energy of one input ({unit})")
    figure.legend(loc="outside lower center", ncols=3)
    return figure


def cost_sizes(costs: Mapping[int, Cost]) -> Figure:
    """Energy and latency of one input against the codebooks' size; ``costs`` by the level's bits.

    Raises
    ------
    DataError
        If there are fewer than two levels.
    """
    if len(costs) < 2:
        raise DataError(
            "cost-sizes draws the levels of a tree, and this artifact has one level only; compose with --tree 16"
        )
    sizes = [2**level for level in sorted(costs)]
    found = [costs[level] for level in sorted(costs)]
    figure, axes = panels(2, 3.0)
    for place, (panel, word, values, base) in enumerate(
        (
            (axes[0], "energy", [c.energy_pj * 1e-12 for c in found], "J"),
            (axes[1], "latency", [c.latency_ns * 1e-9 for c in found], "s"),
        )
    ):
        factor, unit = prefixed(max(values), base)
        panel.plot(sizes, [v / factor for v in values], color=colour(3 * place), marker="o", ms=4, lw=1.2)
        panel.set_xscale("log", base=2)
        panel.set_xticks(sizes, [str(size) for size in sizes])
        panel.set_ylim(bottom=0)
        panel.set_ylabel(f"{word} ({unit})")
    axes[-1].set_xlabel("values in each codebook")
    return figure


def comparison(result: MachineComparison) -> Figure:
    """Bars of how many times better our machine is in throughput and energy, on a logarithmic axis.

    Raises
    ------
    DataError
        If no other machine was compared.
    """
    machines = [(m.machine, m) for m in result.machines if m.machine != OURS]
    machines += [(f"{m.machine}, 8 bits", m) for m in result.eight_bit]
    if not machines:
        raise DataError("comparison needs other machines; name some with --against")
    figure, (axes,) = panels(1, 1.2 + 0.35 * len(machines))
    places = np.arange(len(machines))
    for index, (key, word) in enumerate((("speed_gain", "throughput"), ("energy_gain", "energy"))):
        shown = [
            (place, value)
            for place, (_, m) in enumerate(machines)
            if (value := getattr(m, key)) is not None and value > 0
        ]
        at = np.array([place for place, _ in shown]) + (index - 0.5) * 0.36
        # Bars grow from 1, which is a tie, to either side.
        axes.barh(at, [value - 1 for _, value in shown], 0.34, left=1, color=colour(index), label=word)
    axes.axvline(1, color="#58606A", lw=0.8)
    axes.set_xscale("log")
    axes.set_yticks(places, [name for name, _ in machines])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"times better {result.hardware} is (per {result.basis})")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
