"""A reproduction as terminal tables, and as one page with the tornado plot."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rapidnn.files import atomic_path
from rapidnn.reproduction.evaluation import HEADLINE_RIVALS
from rapidnn.reproduction.result import Reproduction, Row
from rapidnn.reproduction.sensitivity import Swing

SHOWN = 8
"""Constants of our machine, and half as many of the rivals, that the tornado shows."""
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


def widest(swings: Sequence[Swing]) -> tuple[Swing, ...]:
    """The constants that move the ratios most, those of our machine first: a rival's own sizes would hide them."""
    rivals = [swing for swing in swings if swing.machine in HEADLINE_RIVALS]
    ours = [swing for swing in swings if swing.machine not in HEADLINE_RIVALS]
    return (*ours[:SHOWN], *rivals[: SHOWN // 2])


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


def write_page(found: Reproduction, path: Path) -> None:
    """One HTML file with everything inside, no network needed."""
    from plotly.offline import get_plotlyjs

    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>rapidnn reproduce</title>",
        "<style>body{font:15px sans-serif;margin:2em auto;max-width:70em;padding:0 1em}table{border-collapse:"
        "collapse;margin:1em 0}td,th{padding:.2em .7em;border-bottom:1px solid #ccc;text-align:right}"
        "td:first-child,th:first-child{text-align:left}</style>",
        "<h1>RAPIDNN's evaluation, claimed beside achieved</h1>",
        *(f"<p>{html.escape(note)}</p>" for note in found.notes),
    ]
    for title, heads, rows in sections(found):
        cells = "".join(f"<th>{html.escape(head)}</th>" for head in heads)
        lines = ("".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        parts.append(f"<h2>{html.escape(title)}</h2><table><tr>{cells}</tr>{body}</table>")
    if found.tornado:
        parts.append(f"<script>{get_plotlyjs()}</script>{_plot(tornado_figure(widest(found.tornado)))}")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(parts), encoding="utf-8")


def tornado_figure(swings: tuple[Swing, ...]) -> dict[str, Any]:
    """Bars from the ratios' mean at the low end of a constant to that at its high end, widest on top."""
    names = [f"{swing.machine}: {swing.constant}" for swing in swings]
    places = list(range(len(names)))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": places,
            "x": [_mean(getattr(swing, key)) for swing in swings],
            "hovertext": [f"{getattr(swing, end):g} {swing.unit}" for swing in swings],
            "marker": {"color": color},
        }
        for name, key, end, color in (
            ("low end", "at_low", "low", "#0072B2"),
            ("high end", "at_high", "high", "#E69F00"),
        )
    ]
    layout = {
        "title": {"text": f"geometric mean of speed and energy gain over {' and '.join(HEADLINE_RIVALS)}"},
        "barmode": "group",
        "yaxis": {"tickvals": places, "ticktext": names, "autorange": "reversed", "automargin": True},
        "xaxis": {"title": {"text": "gain"}, "type": "log"},
        "height": 160 + 34 * len(names),
    }
    return {"data": traces, "layout": layout}


def _mean(ratios: tuple[float, ...] | None) -> float | None:
    from statistics import geometric_mean

    return None if ratios is None else geometric_mean(ratios)


def _plot(figure: dict[str, Any]) -> str:
    import json

    text = json.dumps(figure, allow_nan=False).replace("</", "<\\/")
    return (
        f"<div id='tornado'></div><script>const f={text};Plotly.newPlot('tornado',f.data,f.layout)</script>"
    )
