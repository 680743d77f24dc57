"""Facts of a composed network, shown as one self-contained HTML file and as terminal tables."""

from __future__ import annotations

from pathlib import Path

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation
from rapidnn.machine.cost import Cost
from rapidnn.report.html import write_page
from rapidnn.report.page import render

__all__ = ["render", "write_report"]


def write_report(
    path: str | Path,
    composed: ComposedNetwork,
    *,
    evaluation: Evaluation | None,
    cost: Cost | None,
    title: str,
) -> None:
    """Write the report as one HTML file (under 6 MB, no network needed); the arguments are those of :func:`render`.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file then stays as it was.
    """
    write_page(path, render(composed, evaluation=evaluation, cost=cost, title=title))
