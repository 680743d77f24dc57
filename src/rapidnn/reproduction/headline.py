"""The headline study: which designs come how close to the paper's four ratios at once, on the same silicon."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from rapidnn.errors import HardwareError
from rapidnn.machine.description import load_hardware
from rapidnn.machine.network import DEFAULT_HARDWARE
from rapidnn.reproduction.applications import applications
from rapidnn.reproduction.claims import HEADLINE, MAX_LOSS
from rapidnn.reproduction.evaluation import HEADLINE_RIVALS, Gain, gains, judge, means, rival_costs
from rapidnn.reproduction.lookup import Design, Lookup, LookupLayer
from rapidnn.reproduction.lookup_cost import LookupCost, estimate_lookup, fitted, lookup_layers, zero_shares
from rapidnn.reproduction.points import Point, point
from rapidnn.reproduction.run import make_store
from rapidnn.reproduction.subject import Progress, prepare
from rapidnn.rivals.description import load_rival
from rapidnn.rivals.figures import Figures

SIZES = ((4, 4), (8, 8), (16, 16), (32, 32), (64, 64))
"""Codebook sizes tried for each application, the cheapest first."""

Ratios = tuple[float, float, float, float]
"""Energy over ISAAC, energy over PipeLayer, speed over ISAAC, speed over PipeLayer: the order of the claims."""

LEVERS: dict[str, tuple[str | int | bool, ...]] = {
    "counters.resident": (16, 64, 256),
    "counters.width_bits": (15,),
    "am.rows": (16,),
    "rna.overlap": ("count", "full"),
    "rna.compressor": ("nor-10",),
    "rna.adder": ("nor-9n1",),
    "rna.rows": (128, 256, 512),
    "rna.columns": (64, 128, 256, 512),
    "rna.max_lanes": (1, 2, 4, 8),
    "rna.partitions": (2, 4, 8),
    "rna.neurons_per_block": (2, 4, 8, 16),
    "rna.copy_parallel": (2, 4),
    "delivery.mode": ("gather",),
    "cell.technology": ("stt-mram",),
}
"""Design choices of the RNA machine: none of them is a constant of a device. The crossbar's word stays 32 bits wide,
since the model charges an access, not a width; codes a cycle stay 1, since wider counters are not charged."""

GROUPS = (1, 2, 3, 4)
NEURONS = (4, 8, 16, 32, 64, 128)
SHARED = (1, 4, 8, 16, 64, 256)
MEMORIES = ("sram", "reram", "reram128")
"""Designs of the look-up machine that are tried, all of them."""


@dataclass(frozen=True)
class Chosen:
    """An application at the cheapest codebook sizes that keep the bound; losses None where it is cost only."""

    application: str
    weights: int
    inputs: int
    trained: bool
    met: bool
    float_accuracy: float | None
    validation_loss: float | None
    loss: float | None
    zero: float


@dataclass(frozen=True)
class Step:
    """A design and its four ratios; ``change`` is what it does."""

    change: str
    ratios: Ratios

    @property
    def score(self) -> float:
        """Geometric mean of achieved over claimed."""
        return geometric_mean(shares(self.ratios))


@dataclass(frozen=True)
class LookupPoint:
    """A design of the look-up machine with its ratios."""

    design: Design
    ratios: Ratios


@dataclass(frozen=True)
class Study:
    """What the study found; ``front`` are the look-up designs no other beats in both speed and energy over ISAAC,
    one design for all layers and networks; ``laid_out`` and what follows it have one for each layer, a chip for each
    network."""

    chosen: tuple[Chosen, ...]
    default: Step
    single: tuple[Step, ...]
    path: tuple[Step, ...]
    best: Step
    front: tuple[LookupPoint, ...]
    balanced: LookupPoint
    laid_out: Step
    lookup_gains: tuple[Gain, ...]
    lookup_components: dict[str, float]
    lookup_levers: tuple[Step, ...]
    tried: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def shares(ratios: Ratios) -> Ratios:
    """Achieved over claimed."""
    found = tuple(ratio / claim.stated for ratio, claim in zip(ratios, HEADLINE, strict=True))
    return found[0], found[1], found[2], found[3]


@dataclass(frozen=True, eq=False)
class _Case:
    """An application at its sizes, its rivals' figures, and its layers for the look-up machine."""

    point: Point
    theirs: dict[str, Figures]
    layers: tuple[LookupLayer, ...]

    @property
    def name(self) -> str:
        return self.point.subject.application.name


def study(
    folder: str | Path = "reproduction",
    *,
    quick: bool = False,
    weights: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Study:
    """Search design choices of the RNA machine and of the look-up machine for the four ratios; constants stay sourced.

    Arguments and errors as in :func:`rapidnn.reproduce`, whose folder it shares.
    """
    report = progress or (lambda stage, done, total: None)
    cases, chosen = _cases(Path(folder), weights, quick=quick, seed=seed, progress=report)
    default = Step("as described", _rna(cases, {}))
    best, path, single = _descend(cases, default, report)
    machine = load_rival("lookup", Lookup)
    points = list(_grid(machine, cases, report))
    balanced = max(points, key=lambda p: min(shares(p.ratios)))
    found = _laid_out(machine, cases, all_designs())
    return Study(
        chosen=chosen,
        default=default,
        single=single,
        path=path,
        best=best,
        front=front(points),
        balanced=balanced,
        laid_out=Step("laid out for each layer", _ratios(_gains(machine, found))),
        lookup_gains=tuple(_gains(machine, found)),
        lookup_components=_components([cost for _, cost in found]),
        lookup_levers=_levers(machine, cases, report),
        tried=len(points),
    )


def _cases(
    folder: Path, weights: str | Path | None, *, quick: bool, seed: int, progress: Progress
) -> tuple[list[_Case], tuple[Chosen, ...]]:
    store, given = make_store(folder), None if weights is None else Path(weights)
    six = [a for a in applications() if a.in_paper]
    subjects = [prepare(a, store, quick=quick, weights=given, seed=seed, progress=progress) for a in six]
    picked: dict[str, Point] = {}
    for subject in (s for s in subjects if s.trained):
        tried = []
        for w, u in SIZES:
            tried.append(point(subject, w, u, store, progress))
            quality = tried[-1].quality
            assert quality is not None
            if quality.validation_loss <= MAX_LOSS:
                break
        picked[subject.application.name] = min(tried, key=_missed)
    taken = sorted((p.weights, p.inputs) for p in picked.values()) or [SIZES[-1]]
    usual = taken[len(taken) // 2]
    for subject in (s for s in subjects if not s.trained):
        picked[subject.application.name] = point(subject, *usual, store, progress)
    cases, chosen = [], []
    for application in six:
        found = picked[application.name]
        zeros = zero_shares(found.composed, found.subject.counted)
        layers = lookup_layers(found.program, zeros)
        cases.append(_Case(found, rival_costs(found.work, HEADLINE_RIVALS), layers))
        quality = found.quality
        chosen.append(
            Chosen(
                application.name,
                found.weights,
                found.inputs,
                found.subject.trained,
                quality is not None and quality.validation_loss <= MAX_LOSS,
                None if quality is None else quality.float_accuracy,
                None if quality is None else quality.validation_loss,
                None if quality is None else quality.loss,
                sum(y.zero * y.macs for y in layers) / sum(y.macs for y in layers),
            )
        )
    return cases, tuple(chosen)


def _missed(found: Point) -> tuple[float, int]:
    """How far a point is over the bound; among those within it, the cheaper is less."""
    assert found.quality is not None
    return max(0.0, found.quality.validation_loss - MAX_LOSS), found.weights * found.inputs


def _ratios(found: Sequence[Gain]) -> Ratios:
    (speed_i, energy_i), (speed_p, energy_p) = (means(found, name) for name in HEADLINE_RIVALS)
    return energy_i, energy_p, speed_i, speed_p


def _rna(cases: Sequence[_Case], overrides: Mapping[str, Any]) -> Ratios:
    hardware = load_hardware(DEFAULT_HARDWARE, overrides)
    return _ratios([g for c in cases for g in gains(judge(c.point, hardware).figures, c.theirs, c.name)])


def _descend(
    cases: Sequence[_Case], default: Step, progress: Callable[[str, int, int], None]
) -> tuple[Step, tuple[Step, ...], tuple[Step, ...]]:
    """Coordinate descent: always the single change that gains most, until none gains a hundredth."""
    current: dict[str, Any] = {}
    best, path, single = default, [default], []
    options = [(key, value) for key, values in LEVERS.items() for value in values]
    while True:
        found = []
        for index, (key, value) in enumerate(options):
            progress(f"RNA design, step {len(path)}", index, len(options))
            if current.get(key) == value:
                continue
            try:
                step = Step(f"{key}={value}", _rna(cases, current | {key: value}))
            except HardwareError:
                continue
            found.append((step, key, value))
        if len(path) == 1:
            single = sorted((step for step, _, _ in found), key=lambda step: -step.score)
        step, key, value = max(found, key=lambda item: item[0].score)
        if step.score < 1.01 * best.score:
            return best, tuple(path), tuple(single)
        current[key] = value
        best = Step(", ".join(f"{k}={v}" for k, v in current.items()), step.ratios)
        path.append(step)


def _grid(
    machine: Lookup, cases: Sequence[_Case], progress: Callable[[str, int, int], None]
) -> Iterator[LookupPoint]:
    designs = all_designs()
    for index, design in enumerate(designs):
        if index % 16 == 0:
            progress("look-up design", index, len(designs))
        yield LookupPoint(design, lookup_ratios(machine, cases, design))


def all_designs() -> list[Design]:
    """The whole grid."""
    return [Design(*values) for values in itertools.product(GROUPS, NEURONS, SHARED, MEMORIES, (True, False))]


def _laid_out(
    machine: Lookup, cases: Sequence[_Case], designs: Sequence[Design]
) -> list[tuple[_Case, LookupCost]]:
    """Each network on a chip whose every layer has the design that suits it."""
    return [
        (case, estimate_lookup(machine, case.layers, fitted(machine, case.layers, designs))) for case in cases
    ]


def _gains(machine: Lookup, found: Sequence[tuple[_Case, LookupCost]]) -> list[Gain]:
    return [g for case, cost in found for g in gains(cost.figures(machine), case.theirs, case.name)]


def lookup_ratios(machine: Lookup, cases: Sequence[_Case], design: Design) -> Ratios:
    """The four ratios of a look-up machine over the cases."""
    found: list[Gain] = []
    for case in cases:
        ours = estimate_lookup(machine, case.layers, design).figures(machine)
        found.extend(gains(ours, case.theirs, case.name))
    return _ratios(found)


def front(points: Sequence[LookupPoint]) -> tuple[LookupPoint, ...]:
    """Points that no other beats in both energy and speed over ISAAC, the most frugal first."""
    kept: list[LookupPoint] = []
    for candidate in sorted(points, key=lambda p: (-p.ratios[0], -p.ratios[2])):
        if not kept or candidate.ratios[2] > kept[-1].ratios[2]:
            kept.append(candidate)
    return tuple(kept)


def _components(costs: Sequence[LookupCost]) -> dict[str, float]:
    """Mean shares of the energy by component."""
    names = costs[0].by_component
    return {name: sum(c.by_component[name] / c.energy_pj for c in costs) / len(costs) for name in names}


def _levers(
    machine: Lookup, cases: Sequence[_Case], progress: Callable[[str, int, int], None]
) -> tuple[Step, ...]:
    """The machine laid out for each layer, with one of its ideas taken away or one of its surroundings changed."""
    every = all_designs()
    no_link = load_rival("lookup", Lookup, {"link_w": 0, "link_mm2": 0})
    variants: list[tuple[str, Lookup, Callable[[LookupLayer], LookupLayer], Callable[[Design], bool]]] = [
        ("all ideas", machine, _same, _any),
        ("zeros looked up like other codes", machine, lambda y: replace(y, zero=0.0), _any),
        ("one input a look-up", machine, _same, lambda d: d.group == 1),
        ("a store of weight codes for every lane", machine, _same, lambda d: d.shared == 1),
        ("all lanes of a store together", machine, _same, lambda d: not d.own_pace),
        ("weight codes in SRAM only", machine, _same, lambda d: d.memory == "sram"),
        ("8-bit products (their loss not measured)", machine, lambda y: _narrow(y, 8), _any),
        (
            "w = u = 4 everywhere (the bound not kept)",
            machine,
            lambda y: replace(y, weights=4, inputs=4),
            _any,
        ),
        ("no chip-to-chip link on ours (ISAAC keeps its own)", no_link, _same, _any),
    ]
    steps = []
    for index, (name, used, change, allowed) in enumerate(variants):
        progress("look-up machine, ideas", index, len(variants))
        changed = [_Case(c.point, c.theirs, tuple(map(change, c.layers))) for c in cases]
        found = _laid_out(used, changed, [design for design in every if allowed(design)])
        steps.append(Step(name, _ratios(_gains(used, found))))
    return tuple(steps)


def _same(layer: LookupLayer) -> LookupLayer:
    return layer


def _any(design: Design) -> bool:
    return True


def _narrow(layer: LookupLayer, bits: int) -> LookupLayer:
    fewer = max(0, layer.product_bits - bits)
    return replace(layer, product_bits=layer.product_bits - fewer, word_bits=layer.word_bits - fewer)
