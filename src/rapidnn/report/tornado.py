"""Which constants move the paper's four headline ratios, as a section of a page."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import geometric_mean

from rapidnn.report.charts import Chart, Figure, label, log_axis, marker, named_axis
from rapidnn.report.data import Column, DataTable, real
from rapidnn.report.dots import span, upright
from rapidnn.report.html import Section, Titled
from rapidnn.reproduction.evaluation import HEADLINE_RIVALS
from rapidnn.reproduction.result import Reproduction
from rapidnn.reproduction.sensitivity import Swing, widest

_ENDS = (("low", "constant at its low end", 0, "circle"), ("high", "at its high end", 3, "diamond"))


def tornado_section(found: Reproduction) -> Section:
    """The constants that move the ratios most, drawn; all that were tried, as a table."""
    shown = widest(found.tornado)
    table = _ends(shown)
    chart = Chart(
        "tornado-ends", "What moves the four ratios most", _reading(shown), _figure(table, _now(found)), table
    )
    note = (
        f"All {len(found.tornado)} constants that move them, one at a time, to the ends of their ranges (half and "
        "double where no range is stated)."
    )
    return Section(
        "tornado",
        "What it hangs on",
        charts=(chart,),
        tables=(Titled("constants", "Constants", _constants(found.tornado), note),),
    )


def _mean(ratios: tuple[float, ...] | None) -> float | None:
    return None if ratios is None else geometric_mean(ratios)


def _now(found: Reproduction) -> float | None:
    """The four ratios' mean as things are."""
    ratios = [
        getattr(gain, kind)
        for gain in found.mean_gains
        if gain.rival in HEADLINE_RIVALS
        for kind in ("speed", "energy")
    ]
    return geometric_mean(ratios) if ratios else None


def _ends(swings: Sequence[Swing]) -> DataTable:
    return DataTable(
        (
            Column("name", "machine and constant", style="text"),
            Column("low", "mean gain at the low end", "times"),
            Column("high", "mean gain at the high end", "times"),
            Column("from", "low end", style="text"),
            Column("to", "high end", style="text"),
        ),
        tuple(
            (
                f"{s.machine}: {s.constant}",
                _mean(s.at_low),
                _mean(s.at_high),
                f"{s.low:g} {s.unit}",
                f"{s.high:g} {s.unit}",
            )
            for s in swings
        ),
    )


def _figure(table: DataTable, now: float | None) -> Figure:
    rows = len(table.rows)
    names = [str(name).replace("rapidnn-hpca20: ", "") for name in table.column("name")]
    told = {"low": table.column("from"), "high": table.column("to")}
    traces = []
    for key, name, colour, symbol in _ENDS:
        known = [(i, value) for i, value in enumerate(table.column(key)) if value is not None]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [value for _, value in known],
                "y": [i for i, _ in known],
                "text": [label(f"{told[key][i]}") for i, _ in known],
                "marker": dict(marker(colour), size=11, symbol=symbol),
                "hovertemplate": "%{text}: %{x:.3g} times<extra>%{fullData.name}</extra>",
            }
        )
    ends = list(zip(table.column("low"), table.column("high"), strict=True))
    lines = [
        span(low, high, place)
        for place, (low, high) in enumerate(ends)
        if isinstance(low, float) and isinstance(high, float)
    ]
    layout = {
        "xaxis": log_axis(
            f"mean gain over {' and '.join(HEADLINE_RIVALS)}", [*table.column("low"), *table.column("high")]
        ),
        "yaxis": named_axis(names, range=[rows - 0.4, -0.6]),
        "shapes": [*lines, *([] if now is None else [upright(now)])],
        "height": 160 + 30 * rows,
        "showlegend": True,
    }
    return {"data": traces, "layout": layout}


def _reading(swings: Sequence[Swing]) -> str:
    most = max(swings, key=lambda swing: swing.span)
    return (
        f"{most.constant} of {most.machine} moves them most: their mean changes {real(most.span)} times between "
        f"{most.low:g} and {most.high:g} {most.unit}. The upright line is the mean as things are; constants of our "
        "machine come first."
    )


def _constants(swings: Sequence[Swing]) -> DataTable:
    return DataTable(
        (
            Column("constant", "constant", style="text"),
            Column("machine", "machine", style="text"),
            Column("unit", "unit", style="text"),
            Column("value", "value"),
            Column("low", "low end"),
            Column("high", "high end"),
            Column("span", "moves the mean by", "times"),
            Column("confidence", "known from", style="text"),
        ),
        tuple((s.constant, s.machine, s.unit, s.value, s.low, s.high, s.span, s.confidence) for s in swings),
    )
