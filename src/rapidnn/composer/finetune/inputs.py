"""Which codebook the network's input gets, where it has few values: decided by short trainings.

Two bits of an input feature decide much of what a network can learn from it, and the least squared error is a poor
guide: where most features swing about zero and a few are offset, a threshold at zero keeps signs that k-means gives up.
So k-means and codebooks that are even and symmetric about zero each get a share of one epoch, and the one whose network
agrees most often with its teacher on the validation samples stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from rapidnn.composer.choices import Choices, merged
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan, PlannedInput
from rapidnn.tables.program import CodeGroup

LARGEST = 4
"""Codebooks of more values lose too little for a search to pay."""

_ENDS = (0.8, 1.2, 1.6)
"""Largest values tried, in root mean squares of the input; 1.5 has the least squared error on a normal distribution
with four even levels (Max 1960, "Quantizing for minimum distortion")."""


@dataclass(frozen=True)
class InputTrial:
    """A codebook of the input, real values, and how near its network is to the teacher after its share of an epoch.

    ``agreement`` is the share of validation samples with equal top-1, ``divergence`` the mean Kullback-Leibler
    divergence of the outputs' distributions.
    """

    values: tuple[float, ...]
    agreement: float
    divergence: float


def candidates(plan: Plan, histograms: Mapping[str, Histogram], choices: Choices) -> list[Choices]:
    """The choices as they are, and with other codebooks of the input where others may be better."""
    name = next(step.name for step in plan.steps if isinstance(step, PlannedInput))
    group = choices.groups.get(plan.group_of[name])
    if group is None or not 2 <= group.size <= LARGEST or name in plan.holds_zero or group.values[0] >= 0:
        return [choices]
    values, weights = merged(histograms, plan.sampled_edges()[group.name]).points()
    rms = float(np.sqrt((weights @ values**2) / weights.sum()))
    limit = 2 ** (group.bits - 1) - 1
    even = np.rint(np.linspace(-limit, limit, group.size)).astype(np.int32)
    zero = np.flatnonzero(even == 0)
    pad_code = int(zero[0]) if len(zero) else None
    found = [choices]
    for ends in _ENDS:
        other = CodeGroup(group.name, even, ends * rms / limit, group.bits, pad_code)
        found.append(replace(choices, groups={**choices.groups, group.name: other}))
    return found


def best_input(
    options: list[Choices], plan: Plan, try_out: Callable[[Choices], tuple[float, float]]
) -> tuple[Choices, tuple[InputTrial, ...]]:
    """The choices whose trial agrees with the teacher most often (of equals, diverges least), and all trials.

    ``try_out`` gives agreement and divergence.
    """
    name = next(plan.group_of[step.name] for step in plan.steps if isinstance(step, PlannedInput))
    results = [try_out(choices) for choices in options]
    books = [choices.groups[name] for choices in options]
    trials = tuple(
        InputTrial(tuple((book.values * book.scale).tolist()), agreement, divergence)
        for book, (agreement, divergence) in zip(books, results, strict=True)
    )
    best = max(range(len(trials)), key=lambda i: (trials[i].agreement, -trials[i].divergence))
    return options[best], trials
