"""Achieved figures beside the claimed and recalled ones of a description."""

from __future__ import annotations

from collections.abc import Mapping

from rapidnn.machine.cost import Comparison
from rapidnn.machine.records import Hardware


def compared(hardware: Hardware, achieved: Mapping[str, float]) -> tuple[Comparison, ...]:
    """One row for every figure that the description states and the estimate has."""
    rows = []
    for name, stated in {**hardware.claims, **hardware.recalled}.items():
        if name in achieved:
            ratio = achieved[name] / stated.value
            row = Comparison(
                name, stated.unit, achieved[name], stated.value, ratio, stated.confidence, stated.source
            )
            rows.append(row)
    return tuple(rows)
