"""What codebook sizes cost and disturb by prediction, and the choices that are best by it.

Noises of different codebooks add up (their errors are taken as independent); a layer's energy depends on its own weight
codebook and on the input codebook it reads. So for a given price of noise the best sizes are found exactly, codebook by
codebook, and a sweep over that price gives every choice on the convex hull of energy against noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rapidnn.composer.energy import EnergyTable
from rapidnn.composer.plan import Plan
from rapidnn.composer.sensitivity import Sensitivity
from rapidnn.composer.settings import Settings

FREE = "*"
"""The unit of all code groups that no weighted layer reads: they share one size."""

Move = tuple[str, str, int]
"""``weights`` or ``inputs``, the layer or unit, and its new size."""

_PRICES = 400


@dataclass(frozen=True)
class Sized:
    """Sizes of weight codebooks by layer, and of input codebooks by unit."""

    weights: tuple[tuple[str, int], ...]
    inputs: tuple[tuple[str, int], ...]

    def moved(self, move: Move) -> Sized:
        """The same with one size changed."""
        kind, name, size = move
        sizes = tuple((n, size if n == name else s) for n, s in getattr(self, kind))
        return replace(self, **{kind: sizes})


@dataclass(frozen=True)
class Units:
    """What gets a size: weighted layers, and units of input codebooks.

    ``reads`` gives the unit each layer reads, ``groups`` the code groups of each unit. A unit is one group, but for
    :data:`FREE`.
    """

    reads: Mapping[str, str]
    groups: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, plan: Plan) -> Units:
        """The units of a plan."""
        reads = {step.name: plan.group_of[step.source] for step in plan.layers() if step.source is not None}
        groups = {name: (name,) for name in dict.fromkeys(reads.values())}
        free = tuple(name for name in plan.sampled_edges() if name not in groups)
        return cls(reads, groups | ({FREE: free} if free else {}))

    def settings(self, sized: Sized, base: Settings) -> Settings:
        """``base`` with these sizes."""
        by_unit = dict(sized.inputs)
        inputs = {layer: by_unit[unit] for layer, unit in self.reads.items()}
        if FREE in by_unit:
            inputs[FREE] = by_unit[FREE]
        return replace(base, weights=dict(sized.weights), inputs=inputs)

    def allowed(self, caps: Settings, sizes: Sequence[int]) -> Allowed:
        """The sizes each layer and unit may have: those of ``sizes`` up to its cap in ``caps``, and the cap."""

        def up_to(cap: int) -> tuple[int, ...]:
            return (*(size for size in sizes if size < cap), cap)

        weights = {layer: up_to(caps.weight_size(layer)) for layer in self.reads}
        inputs = {
            unit: up_to(caps.input_size([layer for layer, read in self.reads.items() if read == unit]))
            for unit in self.groups
        }
        return Allowed(weights, inputs)


@dataclass(frozen=True)
class Allowed:
    """Ascending sizes that each layer's weights and each unit may have."""

    weights: Mapping[str, tuple[int, ...]]
    inputs: Mapping[str, tuple[int, ...]]

    def equal(self, size: int) -> Sized:
        """One size for all, where it is allowed; else the largest below it."""
        return Sized(
            tuple((name, _at_most(sizes, size)) for name, sizes in self.weights.items()),
            tuple((name, _at_most(sizes, size)) for name, sizes in self.inputs.items()),
        )

    def smaller(self, sized: Sized) -> list[Move]:
        """Every move that gives one codebook its next smaller size."""
        found = []
        for kind in ("weights", "inputs"):
            for name, size in getattr(sized, kind):
                below = [s for s in getattr(self, kind)[name] if s < size]
                if below:
                    found.append((kind, name, below[-1]))
        return found

    @property
    def all_sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The distinct sizes of weight and of input codebooks, ascending."""
        kinds = (self.weights, self.inputs)
        weights, inputs = ({s for sizes in kind.values() for s in sizes} for kind in kinds)
        return tuple(sorted(weights)), tuple(sorted(inputs))


def _at_most(sizes: tuple[int, ...], size: int) -> int:
    return max((s for s in sizes if s <= size), default=sizes[0])


@dataclass(frozen=True)
class Prices:
    """Predicted energy and output noise of any choice of sizes."""

    units: Units
    allowed: Allowed
    sensitivity: Sensitivity
    energy: EnergyTable

    def energy_pj(self, sized: Sized) -> float:
        """Picojoules of one input."""
        by_unit = dict(sized.inputs)
        total = sum(self.energy.layers[n][w, by_unit[self.units.reads[n]]] for n, w in sized.weights)
        return total + sum(self._making(unit, size) for unit, size in sized.inputs)

    def noise(self, sized: Sized) -> float:
        """Relative noise power of the outputs."""
        total = sum(self.sensitivity.layers[name][size] for name, size in sized.weights)
        return total + sum(self._disturbing(unit, size) for unit, size in sized.inputs)

    def hull(self) -> list[Sized]:
        """The choices of least energy for each price of noise, from the cheapest to the most exact."""
        scale = self.energy_pj(self.allowed.equal(1 << 30))
        found: dict[Sized, None] = {}
        for price in np.geomspace(1e-6 * scale, 1e9 * scale, _PRICES):
            found.setdefault(self._cheapest(float(price)))
        return sorted(found, key=self.energy_pj)

    def _cheapest(self, price: float) -> Sized:
        """The choice of least energy + price x noise."""
        weights: dict[str, int] = {}
        inputs: list[tuple[str, int]] = []
        for unit in self.units.groups:
            layers = [layer for layer, read in self.units.reads.items() if read == unit]
            options = []
            for u in self.allowed.inputs[unit]:
                picks = [min(self._costs(layer, u, price)) for layer in layers]
                total = self._making(unit, u) + price * self._disturbing(unit, u)
                options.append((total + sum(cost for cost, _ in picks), u, [w for _, w in picks]))
            _, size, sizes = min(options)
            inputs.append((unit, size))
            weights |= dict(zip(layers, sizes, strict=True))
        return Sized(tuple((layer, weights[layer]) for layer in self.units.reads), tuple(inputs))

    def _costs(self, layer: str, u: int, price: float) -> list[tuple[float, int]]:
        energies, noises = self.energy.layers[layer], self.sensitivity.layers[layer]
        return [(energies[w, u] + price * noises[w], w) for w in self.allowed.weights[layer]]

    def _making(self, unit: str, size: int) -> float:
        return sum(self.energy.groups[group][size] for group in self.units.groups[unit])

    def _disturbing(self, unit: str, size: int) -> float:
        return sum(self.sensitivity.groups[group][size] for group in self.units.groups[unit])
