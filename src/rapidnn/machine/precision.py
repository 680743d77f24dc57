"""How far the counted sample may be off: standard errors of what depends on the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from rapidnn.machine.cost import LayerCost
from rapidnn.machine.macro import Profile
from rapidnn.machine.statistics import StepStatistics

COUNTED = (
    "counter_readout",
    "product_rows",
    "table_rows",
    "addend_copies",
    "lane_moves",
    "nor_outputs",
    "initialisation",
)
"""Components that grow with the number of addends, and that are otherwise fixed by the network."""
_NORMAL_95 = 1.959964


def standard_error(counted: StepStatistics, profile: Profile, per_value: NDArray[Any]) -> float:
    """Standard error of a mean over the neurons: the deviation over the sample, less for the share that is sampled.

    ``per_value`` ``(V,)`` is the quantity for each value of A in the profile.
    """
    n, whole = counted.sampled, counted.observed
    if n == whole:
        return 0.0
    if n < 2:
        return math.inf
    mean = profile.mean(per_value)
    variance = profile.mean((per_value - mean) ** 2) * n / (n - 1)
    return math.sqrt(variance / n * (1 - n / whole))


def energy_interval_95(layers: Sequence[LayerCost]) -> float:
    """Half the 95 % interval of the energy, as a share of it.

    In each layer the counted components are taken as proportional to the number of addends, which is at least as
    steep as they are; the layers' samples are independent, so their variances add.
    """
    total = sum(layer.energy_pj for layer in layers)
    variance = 0.0
    for layer in layers:
        if layer.addends_mean:
            counted = sum(layer.by_component[name] for name in COUNTED)
            variance += (counted * layer.addends_standard_error / layer.addends_mean) ** 2
    return _NORMAL_95 * math.sqrt(variance) / total if total else 0.0


def time_interval_95(layers: Sequence[LayerCost]) -> float:
    """Half the 95 % interval of the blocks' busy time, as a share of it."""
    busy = sum(layer.neurons * layer.cycles_mean for layer in layers)
    variance = sum((layer.neurons * layer.cycles_standard_error) ** 2 for layer in layers)
    return _NORMAL_95 * math.sqrt(variance) / busy if busy else 0.0
