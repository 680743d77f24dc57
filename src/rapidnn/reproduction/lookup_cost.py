"""A network on the look-up machine: its layers from a program, copies of them, and the figures that are compared."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import HardwareError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.observe import observe_native
from rapidnn.machine.pipeline import plan_layers
from rapidnn.reproduction.lookup import Design, Lookup, LookupLayer, Unit
from rapidnn.rivals.figures import Figures
from rapidnn.tables.program import Program, WeightedSum


@dataclass(frozen=True)
class LookupCost:
    """One input on the machine; all chips' areas with their links."""

    chips: int
    network_copies: int
    area_mm2: float
    latency_ns: float
    interval_ns: float
    energy_pj: float
    by_component: dict[str, float]
    macs: int

    def figures(self, machine: Lookup) -> Figures:
        """As rivals are compared."""
        return Figures(
            machine.name,
            "codebooks",
            self.chips,
            self.network_copies,
            self.area_mm2,
            machine.node.value,
            self.latency_ns,
            self.interval_ns,
            self.energy_pj,
            self.macs,
            machine.validated,
        )


def estimate_lookup(
    machine: Lookup, layers: Sequence[LookupLayer], design: Design | Sequence[Design]
) -> LookupCost:
    """A network on as many chips as one copy of it needs; what is left over copies slow layers, then the network.

    ``design`` is one for all layers, or one each.

    Power of the link is drawn all the time and enters by its share of an interval, as for ISAAC.
    """
    designs = [design] * len(layers) if isinstance(design, Design) else design
    units = [Unit(machine, layer, own) for layer, own in zip(layers, designs, strict=True)]
    areas, times = [u.um2 for u in units], [u.input_ns for u in units]
    core = machine.core_mm2.value * 1e6
    chips = max(1, math.ceil(sum(areas) / core))
    copies = balanced(areas, times, chips * core)
    used = sum(area * n for area, n in zip(areas, copies, strict=True))
    whole = max(1, int(chips * core // used))
    interval = max(time / n for time, n in zip(times, copies, strict=True)) / whole
    components: dict[str, float] = {}
    for u in units:
        for name, pj in u.by_component.items():
            components[name] = components.get(name, 0.0) + pj
    components["link"] = machine.link_w.value * 1000 * interval * chips
    # One input alone leaves lanes empty where it has fewer positions than they are.
    alone = sum(
        u.input_ns / n * max(1.0, u.lanes / (u.layer.positions * u.layer.groups))
        for u, n in zip(units, copies, strict=True)
    )
    return LookupCost(
        chips=chips,
        network_copies=whole,
        area_mm2=chips * (machine.core_mm2.value + machine.link_mm2.value),
        latency_ns=alone,
        interval_ns=interval,
        energy_pj=sum(components.values()),
        by_component=components,
        macs=sum(layer.macs for layer in layers),
    )


def fitted(machine: Lookup, layers: Sequence[LookupLayer], designs: Sequence[Design]) -> list[Design]:
    """For each layer the design of least area x time x energy.

    In a balanced pipeline the silicon that a throughput takes is the sum of the layers' area x time; the link's power
    falls on an input by the same sum, so its share counts as energy.
    """
    link_pj = machine.link_w.value * 1000 / (machine.core_mm2.value * 1e6)

    def price(layer: LookupLayer, design: Design) -> float:
        found = Unit(machine, layer, design)
        silicon = found.um2 * found.input_ns
        return silicon * (sum(found.by_component.values()) + silicon * link_pj)

    best = []
    for layer in layers:
        prices = [price(layer, design) for design in designs]
        best.append(designs[prices.index(min(prices))])
    return best


def balanced(areas: Sequence[float], times: Sequence[float], budget: float) -> list[int]:
    """Copies of each layer for the shortest slowest stage within an area, found by bisection on that time."""

    def copies(stage: float) -> list[int]:
        return [max(1, math.ceil(time / stage)) for time in times]

    low, high = max(times) / 2**20, max(times)
    for _ in range(48):
        middle = math.sqrt(low * high)
        fits = sum(a * n for a, n in zip(areas, copies(middle), strict=True)) <= budget
        low, high = (low, middle) if fits else (middle, high)
    return copies(high)


def lookup_layers(program: Program, zeros: Mapping[str, float]) -> tuple[LookupLayer, ...]:
    """The weighted layers of a network. ``zeros`` is the share of zero codes by edge (:func:`zero_shares`).

    Raises
    ------
    HardwareError
        If the network has sums that this machine is not laid out for: residual additions, average pools, products.
    """
    found = []
    for layer in plan_layers(program):
        if layer.kind == "EncodeInput":
            continue
        if layer.kind != "WeightedSum" or layer.residual_sizes:
            raise HardwareError(f"the look-up machine has no {layer.kind} as in layer {layer.name!r}")
        source = layer.sources[0]
        found.append(
            LookupLayer(
                name=layer.name,
                taps=layer.taps,
                channels=layer.channels,
                groups=layer.groups,
                positions=layer.places,
                input_elements=math.prod(program.shapes[source]),
                weights=layer.weights,
                inputs=layer.inputs,
                product_bits=layer.product_bits,
                word_bits=layer.word_bits,
                encoded=layer.neurons if layer.readouts[0].encoding_rows else 0,
                pool_codes=sum(pool.windows * pool.taps for pool in layer.pools),
                zero=zeros.get(source, 0.0),
            )
        )
    return tuple(found)


def zero_shares(composed: ComposedNetwork, x: NDArray[np.float32]) -> dict[str, float]:
    """Share of codes that stand for exactly 0 on every edge that a weighted sum reads, on real inputs."""
    program = composed.program
    edges = [step.source for step in program.steps if isinstance(step, WeightedSum)]
    codes = observe_native(composed.native(), x, edges, threads=os.cpu_count() or 1)
    found = {}
    for edge, array in codes.items():
        zero = np.flatnonzero(program.group_of[edge].values == 0)
        found[edge] = float(np.mean(array == zero[0])) if len(zero) else 0.0
    return found
