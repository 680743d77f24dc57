"""A reproduction as terminal tables."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rapidnn.reproduction.result import Reproduction, Row
from rapidnn.reproduction.sensitivity import Swing, widest

Cells = tuple[str, ...]


def tables(found: Reproduction) -> Iterator[RenderableType]:
    """Quality and cost, gains over rivals, claims, sharing, and the constants that move the ratios most."""
    for title, heads, rows in sections(found):
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
        for index, head in enumerate(heads):
            table.add_column(head, justify="right" if index else "left", overflow="fold", no_wrap=not index)
        for row in rows:
            table.add_row(*row)
        yield table
    yield Text("\n".join(found.notes))


def sections(found: Reproduction) -> Iterator[tuple[str, Cells, list[Cells]]]:
    """Title, heads and rows of every table."""
    yield (
        f"quality and cost on {found.hardware} (* sizes that the rest is computed at; KiB a neuron)",
        ("application", "w/u", "float %", "loss pts", "uJ", "pJ/MAC", "latency us", "inputs/s", "KiB"),
        [_quality(row, found.chosen[row.application]) for row in found.rows],
    )
    rivals = list(dict.fromkeys(gain.rival for row in found.rows for gain in row.gains))
    chosen = [row for row in found.rows if found.chosen[row.application] == (row.weights, row.inputs)]
    named = [(row.application, row.gains) for row in chosen]
    if found.mean_gains:
        named.append((found.mean_gains[0].application, found.mean_gains))
    for kind, title in (("speed", "speed gain, throughput on the same silicon"), ("energy", "energy gain")):
        rows = [(name, *(f"{getattr(g, kind):.3g}x" for g in gains)) for name, gains in named]
        yield f"{title}; below 1 the rival is better", ("application", *rivals), rows
    yield (
        "claimed beside achieved",
        ("figure", "unit", "claimed", "achieved", "ratio", "known"),
        [
            (
                claim.name,
                claim.unit,
                f"{claim.stated:,.4g}",
                "not known" if claim.achieved is None else f"{claim.achieved:,.3g}",
                "" if claim.ratio is None else f"{claim.ratio:.3g}",
                claim.confidence,
            )
            for claim in found.claims
        ],
    )
    yield (
        "RNA sharing: channels a block",
        ("application", "channels", "blocks", "latency us", "inputs/s", "uJ", "mm2 in use"),
        [
            (
                s.application,
                str(s.neurons_per_block),
                f"{s.blocks_used:,}",
                f"{s.latency_ns / 1e3:,.4g}",
                f"{s.throughput_per_s:.3g}",
                f"{s.energy_pj / 1e6:,.4g}",
                f"{s.used_area_mm2:,.4g}",
            )
            if s.refused is None
            else (s.application, str(s.neurons_per_block), "refused", "", "", "", "")
            for s in found.sharing
        ],
    )
    yield (
        "what moves the four headline ratios most, one constant at a time",
        ("constant", "of", "value", "low", "high", "moves their mean by", "known"),
        [_swing(swing) for swing in widest(found.tornado)],
    )


def _quality(row: Row, chosen: tuple[int, int]) -> Cells:
    quality = row.quality
    return (
        row.application,
        f"{row.weights}/{row.inputs}" + ("*" if chosen == (row.weights, row.inputs) else ""),
        "cost only" if quality is None else f"{100 * quality.float_accuracy:.2f}",
        "" if quality is None else f"{100 * quality.loss:.2f}",
        f"{row.energy_pj / 1e6:,.4g}",
        f"{row.energy_pj_per_mac:.3g}",
        f"{row.latency_ns / 1e3:,.4g}",
        f"{1e9 / row.interval_ns:.3g}",
        f"{row.kib_per_neuron:.3g}",
    )


def _swing(swing: Swing) -> Cells:
    return (
        swing.constant,
        swing.machine,
        f"{swing.value:g}",
        f"{swing.low:g}",
        f"{swing.high:g}",
        f"{swing.span:.3g}x",
        swing.confidence,
    )
