"""The activity of a crossbar's rows, cycle by cycle, as an SVG picture (alone or in an HTML page)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rapidnn.errors import DataError
from rapidnn.files import atomic_path
from rapidnn.machine.micro.events import Event
from rapidnn.machine.micro.trace import NeuronTrace

_COLOURS = {"nor": "#1f77b4", "nor+1": "#17becf", "across": "#9467bd", "set": "#ff7f0e", "reset": "#d62728"}
_WORD = {"copy": "#2ca02c", "lane_moves": "#8c564b"}
_PHASE = "#bbbbbb"
_LEFT, _TOP, _ROW, _WIDTH = 70, 46, 7, 1400


def check_plot(path: Path) -> None:
    """Refuse a name that is not a picture's.

    Raises
    ------
    DataError
        On another suffix than ``.svg`` or ``.html``.
    """
    if path.suffix not in (".svg", ".html"):
        raise DataError(f"--plot {path}: expected a name that ends in .svg or .html")


def write_plot(trace: NeuronTrace, path: Path) -> None:
    """Write the picture: ``.svg``, or ``.html`` with a page around it. Hovering over a mark tells its operation.

    Raises
    ------
    DataError
        As :func:`check_plot`.
    """
    check_plot(path)
    picture = activity(trace.events, f"{trace.layer} {tuple(trace.neuron)}: {trace.cycles} cycles")
    if path.suffix == ".html":
        head = f"<!doctype html><meta charset='utf-8'><title>{escape(trace.layer)}</title>"
        picture = f"{head}<body style='margin:0;overflow-x:auto'>{picture}</body>"
    with atomic_path(path) as temporary:
        temporary.write_text(picture, encoding="utf-8")


def activity(events: Sequence[Event], title: str) -> str:
    """Rows downwards, cycles to the right; a mark where a row is written, a grey band for each phase."""
    end = max((e.start + max(1, e.cycles) for e in events), default=1)
    rows = max((row for e in events for row in e.rows_written), default=0) + 1
    scale = max(1.0, _WIDTH / end)
    parts = [*_bands(events, scale), *_marks(events, scale)]
    parts += [
        f'<text x="{_LEFT - 6}" y="{_TOP + _ROW * row + 7}" text-anchor="end">{row}</text>'
        for row in range(0, rows, 4)
    ]
    width, height = _LEFT + end * scale + 20, _TOP + _ROW * rows + 44
    legend = {**_COLOURS, "copied word": _WORD["copy"], "moved word": _WORD["lane_moves"]}
    for position, (name, colour) in enumerate(legend.items()):
        x, y = _LEFT + 120 * position, height - 22
        parts.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 14}" y="{y + 9}">{name}</text>')
    parts.append(
        f'<text x="{_LEFT}" y="14" font-size="13">{escape(title)}; rows of the working area by cycle</text>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" font-family="sans-serif" font-size="9">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>'
    )


def _bands(events: Sequence[Event], scale: float) -> list[str]:
    """Phases above the rows, one band for each stretch of cycles."""
    spans: list[tuple[str, int, int]] = []
    for e in events:
        if e.cycles == 0:
            continue
        end = e.start + e.cycles
        if spans and spans[-1][0] == e.phase:
            spans[-1] = (e.phase, spans[-1][1], end)
        else:
            spans.append((e.phase, e.start, end))
    found = []
    for phase, start, end in spans:
        x, width = _LEFT + start * scale, (end - start) * scale
        found.append(
            f'<rect x="{x:.1f}" y="22" width="{width:.1f}" height="16" fill="{_PHASE}" stroke="white">'
            f"<title>{phase}: cycles {start} to {end - 1}</title></rect>"
        )
        if width > 6 * len(phase):
            found.append(f'<text x="{x + 3:.1f}" y="33">{phase}</text>')
    return found


def _marks(events: Sequence[Event], scale: float) -> list[str]:
    found = []
    for e in events:
        colour = _COLOURS.get(e.operation) or _WORD.get(e.phase)
        if colour is None or not e.rows_written:
            continue
        x, width = _LEFT + e.start * scale, max(1.0, scale)
        told = (
            f"cycle {e.start}: {e.operation}, {e.columns} columns, {e.switched} switched ({escape(e.text)})"
        )
        found += [
            f'<rect x="{x:.1f}" y="{_TOP + _ROW * row}" width="{width:.1f}" height="{_ROW - 1}" fill="{colour}">'
            f"<title>row {row}, {told}</title></rect>"
            for row in e.rows_written
        ]
    return found
