"""A search's designs as a page: the front against every objective with linked views, and how to rebuild each design."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rapidnn.report.charts import Chart, Figure, axis, log_axis, marker
from rapidnn.report.data import Cell, Column, DataTable, quantity, real
from rapidnn.report.html import Card, Section, Titled, render_sections, write_page
from rapidnn.report.units import prefixed
from rapidnn.search.objectives import LOSS, UNITS
from rapidnn.search.result import KNOWN_BY, Exploration, TrialRecord
from rapidnn.search.show import command, machine_parameters

_BASES = {"energy": (1e-12, "J"), "latency": (1e-9, "s"), "interval": (1e-9, "s"), "power": (1.0, "W")}
"""Figures that take a prefix: what one of their units is in the base unit."""
_FIXED = {"area": 1e-6}
MAX_TRIED = 1000
"""Designs behind the front that are drawn: the last ones tried."""


def write_study(
    path: str | Path, found: Exploration, network: str, study: str, artifact: str | None = None
) -> None:
    """Write a search's page as one HTML file that needs no network.

    ``study`` is where commands find the designs, ``artifact`` the composed network whose machine alone was searched.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file then stays as it was.
    """
    write_page(path, render_study(found, network, study, artifact))


def render_study(found: Exploration, network: str, study: str, artifact: str | None = None) -> str:
    """The page of :func:`write_study` as text."""
    first, *others = found.objectives
    charts = [_chart(found, first, other) for other in others or [first]]
    counts = {how: sum(trial.known_by == how for trial in found.trials) for how in KNOWN_BY}
    cards = (
        Card("front", f"{len(found.front):,}", "designs that no other beats, measured whole"),
        Card("tried", f"{len(found.trials):,}", f"of {found.space_size:,} designs"),
        Card(
            "losses verified",
            f"{counts['verified']:,}",
            f"{counts['measured']:,} measured in part, {counts['predicted']:,} predicted",
        ),
        Card("machine", found.hardware),
    )
    bounds = ", ".join(f"{c.figure} at most {real(c.bound)}" for c in found.constraints)
    reading = (_reading(found),) + ((f"Bounds kept: {bounds}.",) if bounds else ())
    tables = (
        (Titled("front-designs", "Designs on the front", _designs(found, study, artifact)),)
        if found.front
        else ()
    )
    return render_sections(
        f"Designs for {network}",
        (
            Section("summary", "Summary", reading=reading, cards=cards),
            Section("front", "Front", charts=tuple(charts), tables=tables),
        ),
    )


def _reading(found: Exploration) -> str:
    if not found.front:
        return "No design has been measured whole yet, so there is no front; run the same command to go on."
    name = found.objectives[0]
    best = min(found.front, key=lambda trial: trial.figures[name])
    rest = ", ".join(f"{other} {_shown(other, best)}" for other in found.objectives[1:])
    return (
        f"Of {len(found.front):,} designs on the front, trial {best.number} has the least {name}, "
        f"{_shown(name, best)}" + (f", at {rest}." if rest else ".")
    )


def _shown(name: str, trial: TrialRecord) -> str:
    value = trial.figures[name]
    if name == LOSS:
        return f"{100 * value:.2f} points"
    if name in _BASES:
        factor, unit = _BASES[name]
        return quantity(value * factor, unit)
    return f"{real(value * _FIXED.get(name, 1.0))} {_unit(name)}"


def _unit(name: str) -> str:
    """The unit alone, without what it is counted by."""
    if name == LOSS:
        return "points"
    return "mm²" if name in _FIXED else UNITS[name].partition(" of ")[0].partition(", ")[0]


def scale(found: Exploration, name: str) -> tuple[float, str]:
    """What a figure is multiplied by to be shown, and its unit then: one for all, fit for the front's largest."""
    if name in _BASES:
        shown = found.front or tuple(trial for trial in found.trials if trial.refused is None)
        base, unit = _BASES[name]
        largest = max((trial.figures[name] for trial in shown), default=1.0)
        factor, unit = prefixed(largest * base, unit)
        return base / factor, unit
    return _FIXED.get(name, 100.0 if name == LOSS else 1.0), _unit(name)


def _chart(found: Exploration, first: str, other: str) -> Chart:
    front = {trial.number for trial in found.front}
    (across, x_unit), (up, y_unit) = scale(found, first), scale(found, other)
    behind = [t for t in found.trials if t.refused is None and t.number not in front][-MAX_TRIED:]
    tried = [(f"loss {how}", [t for t in behind if t.known_by == how], 6, 6) for how in KNOWN_BY]
    groups: list[tuple[str, list[TrialRecord], int, int]] = [*tried, ("front", list(found.front), 0, 10)]
    rows: list[tuple[Cell, ...]] = [
        (name, trial.number, across * trial.figures[first], up * trial.figures[other])
        for name, trials, *_ in groups
        for trial in trials
    ]
    table = DataTable(
        (
            Column("group", "design", style="text"),
            Column("trial", "trial"),
            Column("x", first, x_unit),
            Column("y", other, y_unit),
        ),
        tuple(rows),
    )
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [across * trial.figures[first] for trial in trials],
            "y": [up * trial.figures[other] for trial in trials],
            "ids": [str(trial.number) for trial in trials],
            "text": [_told(trial) for trial in trials],
            "marker": {**marker(colour), "size": size},
            "hovertemplate": "%{text}<br>%{x:.4g}, %{y:.4g}<extra>%{fullData.name}</extra>",
        }
        for name, trials, colour, size in groups
        if trials
    ]
    figure: Figure = {
        "data": traces,
        "layout": {
            "xaxis": axis(table.title("x")),
            "yaxis": axis(table.title("y"))
            if other == LOSS
            else log_axis(table.title("y"), table.column("y")),
            "height": 420,
            "showlegend": True,
            "meta": {"link": "trials"},
        },
    }
    title = f"{other.capitalize()} against {first}"
    return Chart(f"front-{other}", title, _chart_reading(found, first, other, len(behind)), figure, table)


def _chart_reading(found: Exploration, first: str, other: str, behind: int) -> str:
    """What one objective costs in the other, and what is drawn."""
    told = "Smaller is better on both axes; a design pointed at is marked in all views."
    built = sum(t.refused is None for t in found.trials)
    if built - len(found.front) > behind:
        told += f" Of {built:,} that could be built, the last {behind:,} behind the front are drawn."
    if not found.front:
        return told
    least = min(found.front, key=lambda t: (t.figures[other], t.figures[first]))
    best = min(found.front, key=lambda t: (t.figures[first], t.figures[other]))
    if least.number == best.number:
        return f"Trial {best.number} is best in both: {_shown(first, best)} and {_shown(other, best)}. {told}"
    return (
        f"The least {other} of the front, {_shown(other, least)} (trial {least.number}), goes with {first} "
        f"{_shown(first, least)}; with the least {first}, {_shown(first, best)}, it is {_shown(other, best)}. {told}"
    )


def _told(trial: TrialRecord) -> str:
    parts = [f"trial {trial.number}"]
    parts += [
        f"{short} {chosen}"
        for short, chosen in (("w", _sizes(trial, "weights")), ("u", _sizes(trial, "inputs")))
        if chosen
    ]
    return "<br>".join(parts)


def _sizes(trial: TrialRecord, option: str) -> str:
    text = sizes(trial.params, option) or ""
    return text if len(text) <= 60 else text[:59] + "…"


def _designs(found: Exploration, study: str, artifact: str | None) -> DataTable:
    columns = (
        Column("trial", "trial"),
        *(Column(name, name, scale(found, name)[1]) for name in found.objectives),
        Column("weights", "weights", style="text"),
        Column("inputs", "inputs", style="text"),
        Column("machine", "machine", style="text"),
        Column("command", "how to build it", style="text"),
    )
    rows: list[tuple[Cell, ...]] = []
    for trial in found.front:
        values = [scale(found, name)[0] * trial.figures[name] for name in found.objectives]
        machine = ", ".join(f"{name}={value}" for name, value in machine_parameters(trial).items())
        chosen = [sizes(trial.params, option) for option in ("weights", "inputs")]
        rows.append((trial.number, *values, *chosen, machine or None, command(found, trial, study, artifact)))
    return DataTable(columns, tuple(rows))


def sizes(params: Mapping[str, Any], option: str) -> str | None:
    """The choices of one composer option as the command line takes them, or None if it was not chosen."""
    if option in params:
        return str(params[option])
    found = [
        f"{name.partition(':')[2]}={value}" for name, value in params.items() if name.startswith(f"{option}:")
    ]
    return ",".join(found) or None
