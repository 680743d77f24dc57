"""A reproduction of the paper as a page: quality and cost by size, gains, claims, sharing of blocks, the tornado."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rapidnn.report.charts import Chart, Figure, axis, label, log_axis, marker, named_axis
from rapidnn.report.data import ABSENT, TIMES, Cell, Column, DataTable, percent, real
from rapidnn.report.dots import SYMBOLS, dots
from rapidnn.report.html import Card, Section, Titled, render_sections, write_page
from rapidnn.report.tornado import tornado_section
from rapidnn.reproduction.claims import HEADLINE
from rapidnn.reproduction.result import Reproduction, Row, Sharing

TITLE = "RAPIDNN's evaluation, claimed beside achieved"
Point = tuple[float, float, str]
"""Place, value, and what a point is called."""
_KINDS = (("speed", "Throughput on the same silicon"), ("energy", "Energy of an input"))


def write_reproduction(path: str | Path, found: Reproduction) -> None:
    """Write a reproduction as one HTML file that needs no network.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file then stays as it was.
    """
    write_page(path, render_reproduction(found))


def render_reproduction(found: Reproduction) -> str:
    """The page of :func:`write_reproduction` as text."""
    sections = [_summary(found), _quality(found), _gains(found), _claims(found), _sharing(found)]
    if found.tornado:
        sections.append(tornado_section(found))
    return render_sections(TITLE, sections)


def _summary(found: Reproduction) -> Section:
    names = [claim.name for claim in HEADLINE]
    cards = tuple(
        Card(
            claim.name,
            ABSENT if claim.achieved is None else f"{real(claim.achieved)} {_times(claim.unit)}",
            f"claimed {real(claim.stated)}",
        )
        for claim in found.claims
        if claim.name in names
    )
    trained = {row.application for row in found.rows if row.trained}
    applications = list(dict.fromkeys(row.application for row in found.rows))
    reading = (
        f"{len(applications)} applications on {found.hardware}: {len(trained)} trained and judged on their test split, "
        f"{len(applications) - len(trained)} with random weights for their cost alone.",
    )
    return Section("summary", "Summary", reading=reading, cards=cards, notes=found.notes)


def _times(unit: str) -> str:
    return TIMES if unit == "x" else unit


def _sizes(row: Row) -> str:
    return f"{row.weights}/{row.inputs}"


def _quality(found: Reproduction) -> Section:
    energy = _by_size(
        found,
        "energy-sizes",
        "Energy of a multiply-accumulate against codebook sizes",
        Column("energy", "energy per MAC", "pJ"),
        {id(row): row.energy_pj_per_mac for row in found.rows},
        _energy_reading(found),
        log=True,
    )
    losses = {id(row): 100 * row.quality.loss for row in found.rows if row.quality is not None}
    loss = _by_size(
        found,
        "loss-sizes",
        "Accuracy lost against codebook sizes",
        Column("loss", "loss, float minus composed", "points"),
        losses,
        _loss_reading(found),
        log=False,
    )
    charts = (loss, energy) if losses else (energy,)
    note = "Chosen: the sizes that gains, claims, sharing and tornado are computed at."
    table = Titled("rows", "All figures", _rows(found), note)
    return Section("quality", "Accuracy and cost", charts=charts, tables=(table,))


def _loss_reading(found: Reproduction) -> str:
    known = [row for row in found.rows if row.quality is not None and _is_chosen(found, row)]
    worst = max(known, key=lambda row: row.quality.loss if row.quality else 0.0, default=None)
    if worst is None or worst.quality is None:
        return "No application was trained, so no loss is known."
    return (
        f"At the chosen sizes {worst.application} loses most, {100 * worst.quality.loss:.2f} points of top-1 accuracy "
        f"on {worst.quality.samples:,} test samples (weights/inputs {_sizes(worst)})."
    )


def _energy_reading(found: Reproduction) -> str:
    low = min(found.rows, key=lambda row: row.energy_pj_per_mac)
    high = max(found.rows, key=lambda row: row.energy_pj_per_mac)
    return (
        f"From {real(low.energy_pj_per_mac)} pJ ({low.application}, {_sizes(low)}) to {real(high.energy_pj_per_mac)} "
        f"pJ ({high.application}, {_sizes(high)})."
    )


def _lines(points: Mapping[str, Sequence[Point]], told: str) -> list[Figure]:
    """A line with marks for each name."""
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": label(name),
            "x": [x for x, _, _ in found],
            "y": [y for _, y, _ in found],
            "text": [text for _, _, text in found],
            "line": {"color": marker(index)["color"], "width": 2},
            "marker": {"size": 9, "symbol": SYMBOLS[index % len(SYMBOLS)]},
            "hovertemplate": f"{told}<extra>%{{fullData.name}}</extra>",
        }
        for index, (name, found) in enumerate(points.items())
    ]


def _is_chosen(found: Reproduction, row: Row) -> bool:
    return found.chosen.get(row.application) == (row.weights, row.inputs)


def _by_size(
    found: Reproduction,
    name: str,
    title: str,
    column: Column,
    values: dict[int, float],
    reading: str,
    *,
    log: bool,
) -> Chart:
    """A line an application over the sizes; ``values`` by the row's identity."""
    rows = [row for row in found.rows if id(row) in values]
    sizes = sorted({(row.weights, row.inputs) for row in rows})
    table = DataTable(
        (
            Column("application", "application", style="text"),
            Column("sizes", "weights/inputs", style="text"),
            column,
        ),
        tuple((row.application, _sizes(row), values[id(row)]) for row in rows),
    )
    points: dict[str, list[Point]] = {}
    for row in sorted(rows, key=lambda r: (r.weights, r.inputs)):
        place = sizes.index((row.weights, row.inputs))
        points.setdefault(row.application, []).append((place, values[id(row)], _sizes(row)))
    order = dict.fromkeys(row.application for row in rows)
    traces = _lines({name: points[name] for name in order}, f"%{{text}}: %{{y:.4g}} {column.unit}")
    layout = {
        "xaxis": named_axis([f"{w}/{u}" for w, u in sizes], title={"text": "values of weights/inputs"}),
        "yaxis": (log_axis(column.title, table.column(column.key)) if log else axis(column.title)),
        "height": 360 + 22 * -(-len(traces) // 3),
        "showlegend": True,
    }
    return Chart(name, title, reading, {"data": traces, "layout": layout}, table)


def _rows(found: Reproduction) -> DataTable:
    columns = (
        Column("application", "application", style="text"),
        Column("network", "network", style="text"),
        Column("weights", "weights"),
        Column("inputs", "inputs"),
        Column("chosen", "chosen", style="text"),
        Column("float", "float accuracy", style="share"),
        Column("accuracy", "composed accuracy", style="share"),
        Column("samples", "test samples"),
        Column("energy", "energy of an input", "µJ"),
        Column("mac", "energy per MAC", "pJ"),
        Column("latency", "latency", "µs"),
        Column("throughput", "throughput", "inputs/s"),
        Column("chips", "chips"),
        Column("blocks", "blocks in use"),
        Column("memory", "memory a neuron", "KiB"),
    )
    rows: list[tuple[Cell, ...]] = []
    for row in found.rows:
        quality = row.quality
        known = (
            (None, None, None)
            if quality is None
            else (quality.float_accuracy, quality.accuracy, quality.samples)
        )
        figures = (row.energy_pj / 1e6, row.energy_pj_per_mac, row.latency_ns / 1e3, 1e9 / row.interval_ns)
        chosen = "yes" if _is_chosen(found, row) else ""
        first = (row.application, row.network, row.weights, row.inputs, chosen)
        rows.append((*first, *known, *figures, row.chips, row.blocks_used, row.kib_per_neuron))
    return DataTable(columns, tuple(rows))


def _gains(found: Reproduction) -> Section:
    named = [(row.application, row.gains) for row in found.rows if _is_chosen(found, row)]
    if found.mean_gains:
        named.append((found.mean_gains[0].application, found.mean_gains))
    rivals = list(dict.fromkeys(gain.rival for _, gains in named for gain in gains))
    charts = []
    for kind, title in _KINDS:
        values = [(name, {gain.rival: float(getattr(gain, kind)) for gain in gains}) for name, gains in named]
        columns = (
            Column("name", "application", style="text"),
            *(Column(r, f"over {r}", "times") for r in rivals),
        )
        table = DataTable(columns, tuple((name, *map(row.get, rivals)) for name, row in values))
        last, row = values[-1]
        better = sum(row.get(rival, 0.0) > 1 for rival in rivals)
        reading = (
            f"Right of 1 our machine is better; in the row “{last}” that is so over {better} of "
            f"{len(rivals)} rivals."
        )
        figure = dots(table, "name", rivals, "times better (below 1: worse)", unit="times")
        charts.append(Chart(f"{kind}-gains", title, reading, figure, table))
    return Section("gains", "Gains over rivals", charts=tuple(charts))


def _claims(found: Reproduction) -> Section:
    table = DataTable(
        (
            Column("name", "figure", style="text"),
            Column("unit", "unit", style="text"),
            Column("stated", "claimed"),
            Column("achieved", "achieved"),
            Column("ratio", "achieved over claimed", "times"),
            Column("confidence", "claim known from", style="text"),
            Column("source", "source", style="text"),
        ),
        tuple(
            (c.name, _times(c.unit), c.stated, c.achieved, c.ratio, c.confidence, c.source)
            for c in found.claims
        ),
    )
    known = table.only("name", "ratio")
    drawn = DataTable(known.columns, tuple(row for row in known.rows if row[1]))
    figure = dots(drawn, "name", ("ratio",), "achieved over claimed", unit="of the claim")
    ours = [claim for claim in found.claims if claim.name in [c.name for c in HEADLINE] and claim.ratio]
    near = max(ours, key=lambda claim: claim.ratio or 0.0, default=None)
    reading = "None of the headline ratios came out."
    if near is not None:
        reading = (
            f"Of the paper's headline ratios, “{near.name}” comes nearest: {percent(near.ratio or 0.0)} of the claim. "
            "The line is the claim itself; of a loss or a memory, less is better."
        )
    chart = Chart("claims-ratio", "Achieved over claimed", reading, figure, drawn)
    return Section(
        "claims",
        "Claims",
        charts=(chart,) if drawn.rows else (),
        tables=(Titled("all-claims", "Claimed beside achieved", table),),
    )


def _sharing(found: Reproduction) -> Section:
    table = DataTable(
        (
            Column("application", "application", style="text"),
            Column("channels", "channels a block"),
            Column("blocks", "blocks"),
            Column("latency", "latency", "µs"),
            Column("throughput", "throughput", "inputs/s"),
            Column("energy", "energy of an input", "µJ"),
            Column("area", "area in use", "mm²"),
            Column("memory", "memory a neuron", "KiB"),
            Column("refused", "refused", style="text"),
        ),
        tuple(map(_sharing_row, found.sharing)),
    )
    chart = _sharing_chart(found, table)
    return Section(
        "sharing",
        "Sharing a block",
        charts=(chart,) if chart.figure["data"] else (),
        tables=(Titled("sharing-table", "All figures", table),),
    )


def _sharing_row(s: Sharing) -> tuple[Cell, ...]:
    if s.refused is not None:
        return (s.application, s.neurons_per_block, *[None] * 6, s.refused)
    times = (s.latency_ns / 1e3, s.throughput_per_s, s.energy_pj / 1e6)
    return (
        s.application,
        s.neurons_per_block,
        s.blocks_used,
        *times,
        s.used_area_mm2,
        s.kib_per_neuron,
        None,
    )


def _sharing_chart(found: Reproduction, table: DataTable) -> Chart:
    points: dict[str, list[Point]] = {}
    for s in found.sharing:
        if s.refused is None:
            told = f"{s.neurons_per_block} channels a block"
            points.setdefault(s.application, []).append((s.latency_ns / 1e3, s.used_area_mm2, told))
    traces = _lines(points, "%{text}: %{x:.4g} µs, %{y:.4g} mm²")
    layout = {
        "xaxis": log_axis(table.title("latency"), table.column("latency")),
        "yaxis": log_axis(table.title("area"), table.column("area")),
        "height": 400 + 22 * -(-len(traces) // 3),
        "showlegend": True,
    }
    reading = (
        "Channels that share a block take turns: from left to right each line goes from one channel a block to more, "
        "which saves area and costs time."
    )
    built = DataTable(table.columns, tuple(row for row in table.rows if row[-1] is None))
    drawn = built.only("application", "channels", "latency", "area")
    figure = {"data": traces, "layout": layout}
    return Chart("sharing-cost", "Area against latency", reading, figure, drawn)
