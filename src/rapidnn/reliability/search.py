"""NDCAM searches that misread near their boundaries: thresholds moved block by block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rapidnn.reliability.cells import as_products
from rapidnn.tables.products import ACCUMULATOR_LIMIT
from rapidnn.tables.program import Encode, Step, WeightedSum


def misplaced(source: WeightedSum, step: Encode, sigma: float, rng: np.random.Generator) -> tuple[Step, Step]:
    """A weighted sum and its encoding with boundaries of their own for every output channel.

    Each boundary moves by a normal offset of ``sigma`` times the range its table set's boundaries span; boundaries that
    overtake each other are put in order again, so that the search stays one answer for each accumulator. The fused
    form says what the search answers; the two tables behind it stay as they were.
    """
    channels = source.channels
    wide = np.broadcast_to(step.thresholds, (channels, step.thresholds.shape[1])).astype(np.float64)
    real = wide < ACCUMULATOR_LIMIT - 1  # sets are filled up with the largest integer
    span = np.where(real, wide, -np.inf).max(axis=1) - wide.min(axis=1, initial=np.inf)
    span = np.where(np.isfinite(span), span, 0.0)[:, np.newaxis]
    offset = rng.normal(size=wide.shape) * sigma * span
    limit = float(ACCUMULATOR_LIMIT - 2)
    moved = np.where(real, np.clip(np.rint(wide + offset), -limit, limit), wide)
    thresholds = np.sort(moved, axis=1).astype(np.int32)
    codes = np.broadcast_to(step.codes, (channels, step.codes.shape[1])).copy()
    # One set a channel: the sum's units, tables and rows are repeated, none of them changes.
    tables: NDArray[np.integer] = np.broadcast_to(source.products, (channels, *source.products.shape[1:]))
    products = as_products(tables, source.product_bits)
    units = np.broadcast_to(source.acc_scales, (channels,)).copy()
    residuals = tuple(
        replace(term, rows=np.broadcast_to(term.rows, (channels, term.rows.shape[1])).copy())
        for term in source.residuals
    )
    return (
        replace(source, products=products, acc_scales=units, residuals=residuals),
        replace(step, thresholds=thresholds, codes=codes),
    )
