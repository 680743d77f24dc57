"""Validation accuracy by level of a tree, as an artifact holds it."""

from __future__ import annotations

from collections.abc import Mapping

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation
from rapidnn.report.accuracy import stored_validation
from rapidnn.tables.levels import bits


def stored_levels(composed: ComposedNetwork) -> dict[int, Evaluation]:
    """Validation accuracy by level, ascending, as it was measured when the tree was composed; empty if it was not."""
    finest = stored_validation(composed.info)
    levels = composed.info.get("levels")
    if finest is None or not isinstance(levels, Mapping):
        return {}
    found = {int(level): stored_validation({"validation": record}) for level, record in levels.items()}
    top = max(bits(group.size) for group in composed.program.groups)
    known: dict[int, Evaluation] = {level: e for level, e in found.items() if e is not None}
    return dict(sorted((known | {top: finest}).items()))
