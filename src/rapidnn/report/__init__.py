"""Facts of a composed network, shown as one self-contained HTML file and as terminal tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation
from rapidnn.machine.cost import Cost
from rapidnn.report.comparison import render_comparison
from rapidnn.report.html import write_page
from rapidnn.report.page import render
from rapidnn.report.recorded import RecordedComparison
from rapidnn.rivals.compare import MachineComparison

__all__ = ["render", "render_comparison", "write_comparison", "write_report"]


def write_report(
    path: str | Path,
    composed: ComposedNetwork,
    *,
    evaluation: Evaluation | None,
    cost: Cost | None,
    title: str,
    **more: Any,
) -> None:
    """Write the report as one HTML file (under 6 MB, no network needed); the arguments are those of :func:`render`.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file then stays as it was.
    """
    write_page(path, render(composed, evaluation=evaluation, cost=cost, title=title, **more))


def write_comparison(path: str | Path, result: MachineComparison | RecordedComparison, *, title: str) -> None:
    """Write a comparison of machines as one HTML file that needs no network.

    Raises
    ------
    DataError
        If the file cannot be written; an earlier file then stays as it was.
    """
    write_page(path, render_comparison(result, title=title))
