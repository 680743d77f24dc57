"""How often a block can take a neuron: its phases one after another, or some of the next neuron's beside them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.records import Hardware

Float64 = NDArray[np.float64]

PARTS: dict[str, tuple[str, ...]] = {
    "counters": ("deliver",),
    "crossbar": ("copy", "reduce", "lane_moves", "add", "result_read"),
    "am": ("activation", "encoding"),
}
"""The phases that each part of a block is busy with."""


def interval(phases: Mapping[str, Float64], hardware: Hardware) -> Float64:
    """Cycles from a neuron to the next in one block, for each value of A as in ``phases``: float64 ``(V,)``.

    Without overlap all phases follow one another. ``count`` takes the next neuron's codes, with a second set of
    counters, while the block adds and searches; ``full`` also lets the searches run beside the next addition. What
    works at once lasts as long as the longest. The weight codes are then read from rows that do not add.
    """
    busy = {part: np.sum([phases[name] for name in names], axis=0) for part, names in PARTS.items()}
    match hardware.rna.overlap.value:
        case "none":
            found = sum(busy.values())
        case "count":
            found = np.maximum(busy["counters"], busy["crossbar"] + busy["am"])
        case _:
            found = np.max(list(busy.values()), axis=0)
    return np.asarray(found, np.float64)
