"""Prefixes for axes: one unit for a whole chart."""

from __future__ import annotations

_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)


def prefixed(largest: float, base: str) -> tuple[float, str]:
    """The factor and prefixed unit that bring the largest value, in the base unit, to 1 ... 1000."""
    for factor, prefix in _PREFIXES:
        if largest >= factor:
            return factor, prefix + base
    return 1e-12, "p" + base
