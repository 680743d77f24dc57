"""Copies of layers that make a pipeline's slowest stage as fast as the hardware allows."""

from __future__ import annotations

from collections.abc import Sequence


def balanced_copies(units: Sequence[int], positions: Sequence[int], budget: int) -> list[int]:
    """Copies of each layer so that the largest ``ceil(positions / copies)`` is least, within ``budget`` units.

    ``units`` is what one copy takes. A stage of t steps needs ``ceil(positions / t)`` copies, and no fewer steps are
    possible than the least t whose copies fit: found by bisection, so the bottleneck is optimal. ISAAC's rule
    (copies of a layer = those of the next x its strides) is this balance where no stage rounds.

    Raises
    ------
    ValueError
        If one copy of each layer does not fit.
    """
    if sum(units) > budget:
        raise ValueError(f"{sum(units)} units are needed, {budget} are there")
    low, high = 1, max(positions)
    while low < high:
        steps = (low + high) // 2
        needed = sum(u * -(-p // steps) for u, p in zip(units, positions, strict=True))
        low, high = (low, steps) if needed <= budget else (steps + 1, high)
    return [-(-p // low) for p in positions]


def network_copies(units: Sequence[int], copies: Sequence[int], budget: int) -> int:
    """How many copies of the whole replicated network ``budget`` units hold: inputs are spread over them."""
    return max(1, budget // sum(u * c for u, c in zip(units, copies, strict=True)))
