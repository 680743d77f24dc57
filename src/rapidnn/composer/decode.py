"""The real values that codebooks and codes stand for, to be put in the float network's place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.plan import Plan, PlannedEncode, PlannedEncodeReal, PlannedInput, PlannedJoin
from rapidnn.composer.weights import WeightCodebooks
from rapidnn.tables.program import CodeGroup


def decoded_weight(books: WeightCodebooks) -> NDArray[np.float32]:
    """Each weight's codebook value, float32 of the weight's shape."""
    table = books.values * books.scales[:, np.newaxis]
    if len(table) == 1:
        return np.asarray(table[0].astype(np.float32)[books.codes])
    flat = books.codes.reshape(len(table), -1).astype(np.intp)
    return np.take_along_axis(table, flat, axis=1).astype(np.float32).reshape(books.codes.shape)


def decoded(x: NDArray[np.float32], group: CodeGroup) -> NDArray[np.float32]:
    """Each element's nearest codebook value, on a tie the lower: float32 of the same shape."""
    real = group.values * group.scale
    cuts = ((real[:-1] + real[1:]) / 2).astype(np.float32)
    return np.asarray(real.astype(np.float32)[np.searchsorted(cuts, x)])


def encoding_edges(plan: Plan) -> dict[str, list[str]]:
    """For each group the float edges at which codes of it are made."""
    found: dict[str, list[str]] = {}
    for step in plan.steps:
        made = isinstance(step, PlannedInput | PlannedEncode | PlannedEncodeReal)
        if isinstance(step, PlannedJoin):
            made = any(plan.group_of[source] != plan.group_of[step.name] for source in step.sources)
        if made:
            found.setdefault(plan.group_of[step.name], []).append(plan.float_edge[step.name])
    return found
