"""The machine's accounts as tables: the audit, and the blocks' energy two ways."""

from __future__ import annotations

from rapidnn.machine.cost import Cost
from rapidnn.report.data import Column, DataTable


def audit_data(cost: Cost) -> DataTable:
    """Every structure's bits read, moved and written per multiply-accumulate, with its energy; zeros say why."""
    columns = (
        Column("structure", "structure", style="text"),
        Column("read", "bits read per MAC", brief="read"),
        Column("moved", "bits moved per MAC", brief="moved"),
        Column("written", "bits written per MAC", brief="written"),
        Column("energy", "energy per MAC", "fJ", brief="fJ"),
        Column("share", "share of energy", style="share", brief="%"),
        Column("reason", "zero because", style="text"),
    )
    rows = tuple(
        (
            row.structure,
            row.read_bits_per_mac,
            row.moved_bits_per_mac,
            row.written_bits_per_mac,
            row.energy_fj_per_mac,
            row.share,
            row.reason or None,
        )
        for row in cost.audit
    )
    return DataTable(columns, rows)


def two_ways_data(cost: Cost) -> DataTable:
    """The blocks' energy from operations beside their power times their busy time, for every power record."""
    columns = (
        Column("record", "power record", style="text"),
        Column("block", "power of a busy block", "mW", brief="mW"),
        Column("bottom", "bottom-up", "pJ"),
        Column("top", "top-down", "pJ"),
        Column("gap", "top-down / bottom-up", brief="gap"),
        Column("idle", "while waiting", "pJ", brief="idle pJ"),
        Column("confidence", "the power is", style="text"),
    )
    rows = tuple(
        (way.record, way.block_mw, way.bottom_up_pj, way.top_down_pj, way.gap, way.idle_pj, way.confidence)
        for way in cost.two_ways
    )
    return DataTable(columns, rows)
