"""faults(): accuracy of a composed network on faulty silicon, by Monte Carlo over fault maps."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import compare_outputs
from rapidnn.execute.inputs import as_array
from rapidnn.machine.cost import Cost
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.network import DEFAULT_HARDWARE, collect_statistics
from rapidnn.machine.records import Hardware
from rapidnn.reliability.adder import disturber, nor_outputs
from rapidnn.reliability.damage import Maps, Scope, scope_of
from rapidnn.reliability.models import KINDS, FaultKind, kind_of
from rapidnn.reliability.remedy import Remedy, RemedyCost, remedy_cost
from rapidnn.reliability.result import FaultPoint, FaultStudy
from rapidnn.tables.program import Program

DEFAULT_RATES = (1e-5, 1e-4, 1e-3)
_COUNTED = 32
"""Inputs whose codes are counted for the cost."""


@dataclass(frozen=True)
class Bench:
    """A network with labelled inputs to run its damaged forms on."""

    composed: ComposedNetwork
    x: NDArray[np.float32]
    labels: NDArray[np.integer]
    threads: int | None

    def accuracy(self, program: Program, observe: Any = None) -> float:
        """Top-1 accuracy of a program in place of the network's own."""
        damaged = ComposedNetwork(program, self.composed.preprocess, {})
        if observe is None:
            outputs = damaged(self.x, threads=self.threads)
        else:
            outputs = damaged.real(damaged.run(self.x, backend="numpy", observe=observe))
        return compare_outputs(outputs, self.labels).accuracy


def faults(
    composed: ComposedNetwork,
    x: Any,
    labels: Any,
    *,
    kind: str = "stuck",
    rates: Sequence[float] = DEFAULT_RATES,
    maps: int = 20,
    remedies: Sequence[str] = ("none",),
    by: Collection[str] = (),
    layers: Collection[str] | None = None,
    structures: Collection[str] | None = None,
    hardware: str | Path = DEFAULT_HARDWARE,
    overrides: dict[str, str | float] | None = None,
    threads: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> FaultStudy:
    """Accuracy of ``composed`` against the rate of a kind of fault, with and without remedies and their price.

    Parameters
    ----------
    x, labels
        Preprocessed inputs ``(N, *input_shape)`` and integers ``(N,)``: every fault map runs on all of them.
    kind
        A name of ``rapidnn.reliability.models.KINDS``, which says what ``rates`` count.
    maps
        Fault maps a point. A map's faults follow from ``seed``, the rate and the map's number alone, so that remedies
        of equal storage meet the same faults.
    remedies
        Names of ``rapidnn.reliability.remedy.REMEDIES``, with a parameter as in ``spare-rows=4``.
    by
        ``"layer"``, ``"bit"`` (of a product word), or both: one at a time damaged, at the highest rate.
    layers, structures
        Damage these only: names of layers; of ``products``, ``weight_codes``, ``bias``.
    hardware, overrides
        The machine that pays for the remedies, as in ``rapidnn.estimate``.

    Raises
    ------
    DataError
        If a name is unknown, a rate is not between 0 and 1, a remedy does nothing against the kind, or inputs and
        labels do not fit the network.
    HardwareError
        If the machine cannot run the network.
    """
    study = _Study.of(
        composed,
        x,
        labels,
        kind,
        rates,
        maps,
        layers,
        structures,
        hardware,
        overrides,
        threads,
        seed,
        progress,
    )
    chosen = [Remedy.parse(text, kind) for text in remedies]
    _check_by(by, study.kind)
    points = [study.point(rate, remedy, study.scope) for remedy in chosen for rate in rates]
    by_layer, by_bit = study.by_layer(max(rates), by), study.by_bit(max(rates), by)
    worst = max(by_layer, key=lambda p: p.loss_mean, default=None)
    return FaultStudy(
        kind=kind,
        meaning=study.kind.meaning,
        modelled=study.kind.modelled,
        samples=len(study.bench.x),
        clean_accuracy=study.clean,
        seed=seed,
        hardware=study.hardware.name,
        points=tuple(points),
        by_layer=by_layer,
        by_bit=by_bit,
        most_fragile=None if worst is None else worst.layer,
        costs=tuple(study.price(remedy, max(rates)) for remedy in chosen),
        maps_per_minute=60 * study.ran / max(study.seconds, 1e-9),
    )


def _check_by(by: Collection[str], kind: FaultKind) -> None:
    for name in by:
        if name not in ("layer", "bit"):
            raise DataError(f"by {name!r}: expected layer or bit")
        if name == "bit" and not kind.cells:
            cells = ", ".join(k.name for k in KINDS.values() if k.cells)
            raise DataError(f"by bit: faults of kind {kind.name!r} have no bits; kinds of cells are {cells}")


@dataclass
class _Study:
    """One study in the making."""

    bench: Bench
    kind: FaultKind
    scope: Scope
    hardware: Hardware
    cost: Cost
    maps: int
    seed: int
    progress: Callable[[str, int, int], None] | None
    clean: float
    ran: int = 0
    seconds: float = 0.0

    @classmethod
    def of(
        cls, composed: ComposedNetwork, x: Any, labels: Any, kind: str, rates: Sequence[float], maps: int,
        layers: Collection[str] | None, structures: Collection[str] | None, hardware: str | Path,
        overrides: dict[str, str | float] | None, threads: int | None, seed: int,
        progress: Callable[[str, int, int], None] | None,
    ) -> _Study:  # fmt: skip
        """Check everything and run the network without faults."""
        found = kind_of(kind)
        if not rates or any(not 0 <= rate <= 1 for rate in rates):
            raise DataError(f"rates {list(rates)}: expected numbers from 0 to 1")
        if maps < 1:
            raise DataError(f"maps={maps}: at least one fault map is needed")
        scope = scope_of(composed.program, layers, structures)
        described = load_hardware(hardware, overrides)
        bench = Bench(composed, as_array(x), np.asarray(labels), threads)
        clean = bench.accuracy(composed.program)
        statistics = collect_statistics(composed, bench.x[:_COUNTED], threads=threads, seed=seed)
        cost = estimate_program(composed.program, statistics, described)
        return cls(bench, found, scope, described, cost, maps, seed, progress, clean)

    def drawer(self, remedy: Remedy, scope: Scope) -> Maps:
        """What draws the maps."""
        return Maps(
            self.bench.composed.program, self.kind, remedy, scope,
            columns=self.hardware.rna.columns.value, blocks_per_tile=self.hardware.chip.blocks_per_tile.value,
        )  # fmt: skip

    def point(self, rate: float, remedy: Remedy, scope: Scope, layer: str | None = None) -> FaultPoint:
        """Accuracy over the maps of one rate, remedy and scope."""
        drawer = self.drawer(remedy, scope)
        accuracy, drawn, wrong = [], [], []
        label = (
            f"{remedy} {rate:g}"
            + (f" {layer}" if layer else "")
            + ("" if scope.bit is None else f" bit {scope.bit}")
        )
        start = time.perf_counter()
        for number in range(self.maps):
            rng = np.random.default_rng([self.seed, number, int(rate * 2**62)])
            if self.kind.name == "adder":
                found, count = self._disturbed(rate, scope, rng)
                accuracy.append(found)
                drawn.append(count)
                wrong.append(count)
            else:
                damage = drawer.draw(rate, rng)
                same = damage.program is self.bench.composed.program
                accuracy.append(self.clean if same else self.bench.accuracy(damage.program))
                drawn.append(damage.faults)
                wrong.append(damage.wrong)
            if self.progress is not None:
                self.progress(label, number + 1, self.maps)
        self.ran += self.maps
        self.seconds += time.perf_counter() - start
        return FaultPoint.of(
            self.kind.name, rate, str(remedy), layer, scope.bit, self.clean, np.array(accuracy), drawn, wrong,
            np.random.default_rng(self.seed),
        )  # fmt: skip

    def _disturbed(self, rate: float, scope: Scope, rng: np.random.Generator) -> tuple[float, int]:
        """Accuracy with errors of the addition, and how many are expected."""
        per_neuron = {name: n for name, n in nor_outputs(self.cost).items() if name in scope.layers}
        program = self.bench.composed.program
        shapes = program.shapes
        expected = sum(
            n * float(np.prod(shapes[name])) * rate * len(self.bench.x) for name, n in per_neuron.items()
        )
        observe = disturber(program, per_neuron, rate, rng)
        return self.bench.accuracy(program, observe), round(expected)

    def by_layer(self, rate: float, by: Collection[str]) -> tuple[FaultPoint, ...]:
        """One layer damaged at a time."""
        if "layer" not in by:
            return ()
        none = Remedy("none")
        names = [s.name for s in self.bench.composed.program.steps if s.name in self.scope.layers]
        return tuple(
            self.point(rate, none, replace(self.scope, layers=frozenset([name])), name) for name in names
        )

    def by_bit(self, rate: float, by: Collection[str]) -> tuple[FaultPoint, ...]:
        """One bit of every product word damaged at a time, the least first."""
        if "bit" not in by:
            return ()
        layers = self.drawer(Remedy("none"), self.scope).layers
        bits = max(layers[name].step.product_bits for name in self.scope.layers)
        only = replace(self.scope, structures=("products",))
        return tuple(self.point(rate, Remedy("none"), replace(only, bit=bit)) for bit in range(bits))

    def price(self, remedy: Remedy, rate: float) -> RemedyCost:
        """What a remedy costs."""
        layers = self.drawer(remedy, self.scope).layers
        return remedy_cost(remedy, self.cost, self.hardware, layers, rate)
