"""A program whose product tables are replaced: damaged cells, measured devices, what-if tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.tables.products import ACCUMULATOR_LIMIT, neuron_bounds, product_limit
from rapidnn.tables.program import Program, WeightedSum


def with_products(program: Program, products: Mapping[str, NDArray[np.integer]]) -> Program:
    """The program with other product tables; everything else, the thresholds included, stays as it is.

    Parameters
    ----------
    products
        By the name of a weighted sum, integers ``(O, w, u)``, one table per output channel, or ``(w, u)`` for all
        channels. Entries fit ``product_bits`` bits in two's complement.

    Raises
    ------
    DataError
        If a name is not a weighted sum's, an array has another shape or type, an entry is too wide, or a neuron's
        sum could reach 2**31.
    """
    made = {name: _replaced(program, name, table) for name, table in products.items()}
    return replace(program, steps=tuple(made.get(step.name, step) for step in program.steps))


def _replaced(program: Program, name: str, table: NDArray[np.integer]) -> WeightedSum:
    step = program.step.get(name)
    if not isinstance(step, WeightedSum):
        known = ", ".join(s.name for s in program.steps if isinstance(s, WeightedSum))
        raise DataError(f"products for {name!r}: no layer of that name has product tables; there are {known}")
    inner = step.products.shape[1:]
    array = np.asarray(table)
    if array.dtype.kind not in "iu":
        raise DataError(f"products for {name!r} are of type {array.dtype}; integers are expected")
    if array.shape == inner:
        array = array[np.newaxis]
    if array.shape[1:] != inner or len(array) not in (1, step.channels):
        wanted = f"({step.channels}, {inner[0]}, {inner[1]}) or {inner}"
        raise DataError(f"products for {name!r} have shape {np.shape(table)}; {wanted} is expected")
    limit = product_limit(step.product_bits)
    if array.min() < -limit - 1 or array.max() > limit:
        raise DataError(
            f"products for {name!r} reach from {array.min()} to {array.max()}; "
            f"{step.product_bits} bits hold {-limit - 1} to {limit}"
        )
    if len(array) == 1 and len(step.values) > 1:
        array = np.broadcast_to(array, (step.channels, *inner))
    bounds = neuron_bounds(array, step.weight_codes) + np.abs(step.bias.astype(np.int64))
    for term in step.residuals:
        bounds = bounds + np.abs(term.rows.astype(np.int64)).max(axis=1)
    if bounds.max() >= ACCUMULATOR_LIMIT:
        raise DataError(
            f"products for {name!r}: a sum could reach {bounds.max()}; sums must stay below 2**31"
        )
    narrow = step.products.dtype == np.int16
    stored = array.astype(np.int16, order="C") if narrow else array.astype(np.int32, order="C")
    return replace(step, products=stored, bound=int(bounds.max()))
