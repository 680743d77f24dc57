"""How near the stored activation tables come to the functions they stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.activation import nearest
from rapidnn.tables.functions import function as function_of
from rapidnn.tables.program import Activate, Encode, Program

Floats = NDArray[np.float64]

_FINE = 4096
_COMPARISONS = 1 << 22


@dataclass(frozen=True, eq=False)
class ActivationFacts:
    """One activation table beside its function.

    ``x`` float64 ascending real inputs that span the table's rows and a margin, ``exact`` the function there and
    ``table`` what the nearest row gives. The errors are taken on a grid of 4,096 points over the same span.
    ``largest_at`` is the input of the largest error; ``sets`` how many tables the layer has (the first is shown).
    """

    edge: str
    kind: str
    rows: int
    sets: int
    x: Floats
    exact: Floats
    table: Floats
    largest_error: float
    largest_at: float
    rms_error: float


def activation_facts(program: Program, points: int) -> tuple[ActivationFacts, ...]:
    """Every activation table of the network, sampled at ``points`` inputs; empty where comparison does the work."""
    found = []
    for step in program.steps:
        if isinstance(step, Encode | Activate) and step.activation.z is not None:
            found.append(_facts(program, step, points))
    return tuple(found)


def _facts(program: Program, step: Encode | Activate, points: int) -> ActivationFacts:
    act = step.activation
    assert act.z is not None
    assert act.g is not None
    assert act.g_scale is not None
    scale = float(program.acc_scales(step.source)[0])
    rows, results = act.z[0], act.g * act.g_scale
    low, high = float(rows[0]) * scale, float(rows[-1]) * scale
    margin = 0.1 * (high - low) or 1.0
    function = function_of(act.kind, act.parameters)

    def table(x: Floats) -> Floats:
        # In pieces: the search compares every input with every row at once.
        pieces = np.array_split(np.rint(x / scale).astype(np.int64), 1 + len(x) * len(rows) // _COMPARISONS)
        return np.concatenate([results[nearest(rows, piece)] for piece in pieces])

    x = np.linspace(low - margin, high + margin, points)
    fine = np.linspace(low - margin, high + margin, _FINE)
    error = table(fine) - function(fine)
    worst = int(np.abs(error).argmax())
    return ActivationFacts(
        step.name,
        act.kind,
        len(rows),
        len(act.z),
        x,
        np.asarray(function(x)),
        table(x),
        float(abs(error[worst])),
        float(fine[worst]),
        float(np.sqrt((error**2).mean())),
    )
