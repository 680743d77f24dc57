"""Losses before anything is measured: from the sensitivities of single codebooks, and from the trials so far.

The noise of a setting is the sum of its codebooks' sensitivities, as for ``max_loss`` (`rapidnn.composer.sensitivity`).
What loss a noise means is learnt from the finished trials: the rising step function nearest to their losses (isotonic
regression). Predictions only save measurements: no design is on the front by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import readers
from rapidnn.composer.plan import Plan
from rapidnn.composer.sensitivity import Sensitivity, measure
from rapidnn.composer.settings import Settings
from rapidnn.search.space import Space
from rapidnn.search.store import Store
from rapidnn.search.subject import FloatSubject

LEAST = 40
"""Measured trials before anything is predicted."""
_NEAR = 20
"""Trials of similar noise whose residuals tell how far a prediction may be off."""
_CONFIDENT = 2.0
"""Root mean squares of those residuals that a loss may lie below its prediction."""
_PREDICTABLE = ("weights", "inputs")
_SENSITIVITY = "sensitivity"

Noise = Callable[[Settings], float]


@dataclass(frozen=True)
class Expected:
    """A loss, and the least it may well be."""

    loss: float
    least: float


def expect(noise: float, seen: Sequence[tuple[float, float]]) -> Expected | None:
    """What loss to expect at a noise, from pairs of noise and measured loss; None where there are too few."""
    if len(seen) < LEAST:
        return None
    ordered = np.array(sorted(seen))
    fitted = isotonic(ordered[:, 1])
    loss = float(np.interp(noise, ordered[:, 0], fitted))
    near = np.argsort(np.abs(ordered[:, 0] - noise), kind="stable")[:_NEAR]
    spread = float(np.sqrt(((ordered[near, 1] - fitted[near]) ** 2).mean()))
    return Expected(loss, loss - _CONFIDENT * spread)


def isotonic(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The non-decreasing sequence of least squared distance: neighbours that fall are pooled to their mean."""
    means: list[float] = []
    counts: list[int] = []
    for value in values.tolist():
        means.append(value)
        counts.append(1)
        while len(means) > 1 and means[-2] > means[-1]:
            total = counts[-2] + counts[-1]
            means[-2] = (means[-2] * counts[-2] + means[-1] * counts[-1]) / total
            counts[-2] = total
            means.pop()
            counts.pop()
    return np.repeat(means, counts)


def noise_of(
    subject: FloatSubject, space: Space, store: Store, progress: Callable[[int, int], None]
) -> Noise | None:
    """The predicted noise of settings; None where the space has choices that noises do not tell of, or no sizes.

    Sensitivities are measured once and kept in the store.
    """
    options = {name.partition(":")[0] for name in space.compose_choices}
    if not options or not options <= set(_PREDICTABLE):
        return None
    sizes = _sizes(subject, space)
    name = f"{_SENSITIVITY} {sizes} {subject.books(sizes[0], subject.base).groups.keys()} {subject.base}"
    kept = store.get(name)
    if not kept:
        choices = {size: subject.books(size, subject.base) for size in sizes}
        found = measure(subject.graph, subject.plan, choices, subject.calibration, progress=progress)
        kept = {"layers": _text(found.layers), "groups": _text(found.groups), "samples": found.samples}
        store.put(name, kept)
    sensitivity = Sensitivity(_sized(kept["layers"]), _sized(kept["groups"]), kept["samples"])
    return lambda settings: _noise(subject.plan, sensitivity, settings)


def _noise(plan: Plan, found: Sensitivity, settings: Settings) -> float:
    layers = sum(noise[settings.weight_size(name)] for name, noise in found.layers.items())
    return layers + sum(
        noise[settings.input_size(readers(plan, name))] for name, noise in found.groups.items()
    )


def _sizes(subject: FloatSubject, space: Space) -> list[int]:
    """All sizes that a codebook may have."""
    base = subject.base
    chosen = {int(v) for values in space.compose_choices.values() for v in values}
    fixed = {base.weight_size(n) for n in (*subject.layers, "*")}
    fixed |= {base.input_size([n]) for n in subject.layers} | {base.input_size([])}
    return sorted(chosen | fixed)


def _text(noise: object) -> dict[str, dict[str, float]]:
    assert isinstance(noise, dict)
    return {name: {str(size): value for size, value in sizes.items()} for name, sizes in noise.items()}


def _sized(noise: dict[str, dict[str, float]]) -> dict[str, dict[int, float]]:
    return {name: {int(size): value for size, value in sizes.items()} for name, sizes in noise.items()}
