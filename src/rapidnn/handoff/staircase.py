"""Encodings and activation tables as one step function of the accumulator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapidnn.tables.activation import COMPARED
from rapidnn.tables.program import Activate, ActivationTable, Encode, Int32

INT32_MAX = 2**31 - 1


@dataclass(frozen=True, eq=False)
class Staircase:
    """value = ``values[t, #(acc > thresholds[t])]``: int32 ``(T, m)`` ascending, and int32 ``(T, m + 1)``."""

    thresholds: Int32
    values: Int32

    @property
    def sets(self) -> int:
        """T."""
        return len(self.thresholds)

    @property
    def counts_only(self) -> bool:
        """Whether the value is the number of thresholds passed itself, wherever an accumulator can come."""
        steps = np.arange(self.values.shape[1])
        reached = np.minimum(steps, (self.thresholds < INT32_MAX).sum(axis=1)[:, np.newaxis])
        return bool((self.values == reached).all())


def staircase(step: Encode | Activate) -> Staircase | None:
    """The step function; None for an activation that is a comparison and is not encoded."""
    if isinstance(step, Encode):
        return Staircase(step.thresholds, step.codes.astype(np.int32))
    if step.activation.kind in COMPARED:
        return None
    return nearest_row(step.activation)


def nearest_row(table: ActivationTable) -> Staircase:
    """The g of the row nearest to the accumulator; of rows with equal z the first is meant, a tie goes down."""
    assert table.z is not None
    assert table.g is not None
    sets, rows = table.z.shape
    thresholds = np.full((sets, rows - 1), INT32_MAX, np.int32)
    values = np.empty((sets, rows), np.int32)
    for t, z in enumerate(table.z):
        distinct, first = np.unique(z.astype(np.int64), return_index=True)
        thresholds[t, : len(distinct) - 1] = (distinct[:-1] + distinct[1:]) >> 1
        values[t, : len(distinct)] = table.g[first]
        values[t, len(distinct) :] = values[t, len(distinct) - 1]
    return Staircase(thresholds, values)
