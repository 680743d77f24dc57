"""Energy a second way: the power of a busy block times the time that blocks are busy, beside the sum of operations."""

from __future__ import annotations

from dataclasses import dataclass

from rapidnn.machine.records import Hardware


@dataclass(frozen=True)
class TwoWays:
    """The energy of the RNA blocks for one input, bottom-up and top-down.

    ``bottom_up_pj`` sums the components that lie within the blocks (``ledger.BLOCK_COMPONENTS``). ``top_down_pj`` is
    ``block_mw`` times ``active_block_ns``, the time of all blocks that evaluate neurons; ``gap`` is top-down over
    bottom-up. ``idle_pj`` is what the blocks in use take while they wait, at ``chip.idle_share`` of that power: in
    neither sum. Buffers, wires, links and the host lie outside.
    """

    record: str
    block_mw: float
    confidence: str
    source: str
    active_block_ns: float
    bottom_up_pj: float
    top_down_pj: float
    gap: float
    idle_pj: float


def two_ways(
    hardware: Hardware, bottom_up_pj: float, active_block_ns: float, idle_block_ns: float
) -> tuple[TwoWays, ...]:
    """One comparison for every power record of the description (1 mW x 1 ns = 1 pJ)."""
    rows = []
    for name, record in hardware.power.items():
        top_down = record.value * active_block_ns
        idle = record.value * hardware.chip.idle_share.value * idle_block_ns
        rows.append(
            TwoWays(
                record=name,
                block_mw=record.value,
                confidence=record.confidence,
                source=record.source,
                active_block_ns=active_block_ns,
                bottom_up_pj=bottom_up_pj,
                top_down_pj=top_down,
                gap=top_down / bottom_up_pj if bottom_up_pj else 0.0,
                idle_pj=idle,
            )
        )
    return tuple(rows)
