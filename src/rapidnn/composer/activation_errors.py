"""How far the activation tables of a composed network are from their functions, on the calibration data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan, PlannedActivate, PlannedEncode
from rapidnn.tables.activation import COMPARED
from rapidnn.tables.functions import function
from rapidnn.tables.placement import placement_error
from rapidnn.tables.program import Activate, Encode, Program


@dataclass(frozen=True)
class ActivationError:
    """One activation table. ``rms_error`` is in units of the function's value, ``relative`` its share of the value's
    own root mean square (0 where that is 0), both over what the calibration data bring there.
    """

    edge: str
    kind: str
    rows: int
    rms_error: float
    relative: float


def activation_errors(
    program: Program, plan: Plan, histograms: Mapping[str, Histogram]
) -> tuple[ActivationError, ...]:
    """One record for each step with an activation table."""
    before = {
        step.name: step.pre_edge for step in plan.steps if isinstance(step, PlannedEncode | PlannedActivate)
    }
    found = []
    for step in program.steps:
        if not isinstance(step, Encode | Activate) or step.activation.kind in COMPARED:
            continue
        table, scales = step.activation, program.acc_scales(step.source)
        assert table.z is not None
        points, weights = histograms[before[step.name]].points()
        value = function(table.kind, table.parameters)(points)
        rms = float(np.sqrt(np.average(value**2, weights=weights)))
        error = placement_error(table.kind, table.parameters, table.z[0] * scales[0], points, weights)
        found.append(
            ActivationError(step.name, table.kind, table.z.shape[1], error, error / rms if rms else 0.0)
        )
    return tuple(found)
