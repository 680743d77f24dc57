"""Product tables as a sum of outer products of bytes plus a small rest.

A table that a composer made is almost an outer product: ``P = rhe(w_i * u_j / 2**shift)``. A few terms ``a_i * b_j`` of
8-bit integers leave a rest of small range, which needs one byte per lookup and is rarely widened. Nothing is assumed of
the table: the rest is whatever the terms leave, so the sum is the table, whichever it is.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_TERMS = 4
_SWEEPS = 3
_ITERATIONS = 12
_SIGNED, _UNSIGNED = 127, 255
_ROWS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class Split:
    """``table * 2**down = weights @ inputs + rest``.

    ``weights`` int64 ``(rows, terms)`` in [-127, 127]; ``inputs`` int64 ``(terms, entries)``, each term in [0, 255] or
    [-127, 127]; ``rest`` int64 ``(rows, entries)``.
    """

    weights: Ints
    inputs: Ints
    rest: Ints
    down: int = 0


def splits(table: NDArray[np.integer], frequency: Floats) -> list[Split]:
    """Splits with 1 to :data:`MAX_TERMS` terms, each refined from the one before.

    Parameters
    ----------
    table
        ``(rows, entries)``.
    frequency
        How often each row is looked up.
    """
    whole = table.astype(np.int64)
    weights = np.zeros((len(whole), 0), np.int64)
    inputs = np.zeros((0, whole.shape[1]), np.int64)
    found = []
    for _ in range(MAX_TERMS):
        a, b = _outer(whole - weights @ inputs, frequency)
        if not a.any():
            break
        weights, inputs = np.column_stack([weights, a]), np.vstack([inputs, b])
        for _ in range(_SWEEPS):
            inputs = _refine_inputs(whole, weights, inputs, frequency)
            weights = _refine_weights(whole, weights, inputs)
        found.append(Split(weights, inputs, whole - weights @ inputs))
    return found


def leading_pair(matrix: Floats) -> tuple[Floats, Floats]:
    """Vectors ``x, y`` whose outer product is near to the best of rank one, ``y`` of length 1: a few power iterations,
    since whatever is left is made up for.
    """
    y = matrix[np.argmax(np.abs(matrix).sum(axis=1))]
    length = float(np.linalg.norm(y))
    if length == 0:
        return np.zeros(len(matrix)), y
    y = y / length
    for _ in range(_ITERATIONS):
        y = (matrix @ y) @ matrix
        y = y / np.linalg.norm(y)
    return matrix @ y, y


def _outer(rest: Ints, frequency: Floats) -> tuple[Ints, Ints]:
    """Bytes whose outer product comes near to ``rest``: its first singular pair, finer on the inputs' side."""
    scale = np.sqrt(frequency / max(frequency.max(), 1e-300))[:, np.newaxis]
    _, y = leading_pair(scale * rest)
    if not y.any():
        return np.zeros(len(rest), np.int64), np.zeros(rest.shape[1], np.int64)
    y = y if abs(y.max()) >= abs(y.min()) else -y
    x = rest @ y
    small = y.min() < -y.max() / 256
    limit = _SIGNED if small else _UNSIGNED
    best: tuple[float, Ints, Ints] | None = None
    for steps in (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 90, 127):  # largest weight
        top = np.abs(x).max() * np.abs(y).max()
        high = min(float(limit), top / steps)
        b = np.rint(y / np.abs(y).max() * high).astype(np.int64)
        b = b if small else np.maximum(b, 0)
        norm = float(b @ b)
        if norm == 0:
            continue
        a = np.clip(np.rint(rest @ b / norm), -_SIGNED, _SIGNED).astype(np.int64)
        left = rest - np.outer(a, b)
        cost = float(frequency @ np.ptp(left, axis=1))
        if best is None or cost < best[0]:
            best = (cost, a, b)
    if best is None:
        return np.zeros(len(rest), np.int64), np.zeros(rest.shape[1], np.int64)
    return best[1], best[2]


def _refine_weights(table: Ints, weights: Ints, inputs: Ints) -> Ints:
    """Each row's weights moved by at most one where that narrows the range of its rest."""
    moves = np.array(list(itertools.product((-1, 0, 1), repeat=len(inputs))), np.int64)
    moves = moves[np.argsort(np.abs(moves).sum(axis=1), kind="stable")]  # none first: it wins ties
    effect = moves @ inputs
    result = weights.copy()
    for start in range(0, len(table), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        rest = table[rows] - weights[rows] @ inputs
        width = np.stack([np.ptp(rest - e, axis=1) for e in effect])
        fits = np.stack([(np.abs(weights[rows] + m) <= _SIGNED).all(axis=1) for m in moves])
        chosen = np.argmin(np.where(fits, width, np.iinfo(np.int64).max), axis=0)
        result[rows] = weights[rows] + moves[chosen]
    return result


def _refine_inputs(table: Ints, weights: Ints, inputs: Ints, frequency: Floats) -> Ints:
    """Each entry's inputs moved by at most one where that lessens the squares of what is left."""
    moves = np.array(list(itertools.product((-1, 0, 1), repeat=len(inputs))), np.int64)
    moves = moves[np.argsort(np.abs(moves).sum(axis=1), kind="stable")]
    rest = (table - weights @ inputs).astype(np.float64)
    # sum over rows of f * (rest - weights @ move)**2, without its constant
    linear = 2 * (weights.T * frequency) @ rest
    square = (weights.T * frequency) @ weights
    cost = -moves @ linear + np.einsum("mi,ij,mj->m", moves, square, moves)[:, np.newaxis]
    low = np.where(inputs.min(axis=1) < 0, -_SIGNED, 0)
    high = np.where(low < 0, _SIGNED, _UNSIGNED)
    moved = inputs[np.newaxis] + moves[:, :, np.newaxis]
    fits = ((moved >= low[:, np.newaxis]) & (moved <= high[:, np.newaxis])).all(axis=1)
    chosen = np.argmin(np.where(fits, cost, np.inf), axis=0)
    return np.asarray(inputs + moves[chosen].T)


def with_remainders(weights: Ints, inputs: Ints, table: NDArray[np.integer], shift: int) -> Split | None:
    """The split of ``table = round(weights[i] * inputs[j] / 2**shift)`` that leaves no rest, if there is one of bytes.

    What rounding takes, ``w * u - table * 2**shift``, depends on the operands' last ``shift`` bits, up to a sign: few
    of its rows (or columns) differ, and each that does is an outer product of its own.
    """
    taken = np.outer(weights, inputs) - (table.astype(np.int64) << shift)
    if max(np.abs(weights).max(), np.abs(taken).max(), -inputs.min()) > _SIGNED or inputs.max() > _UNSIGNED:
        return None
    if inputs.min() < 0 and inputs.max() > _SIGNED:
        return None
    left, right = _distinct(taken)
    turned = _distinct(taken.T)
    if len(turned[1]) < len(right):
        left, right = turned[1].T, turned[0].T
    return Split(np.column_stack([weights, left]), np.vstack([inputs, -right]), np.zeros_like(taken), shift)


def _distinct(table: Ints) -> tuple[Ints, Ints]:
    """``(signs, rows)`` with ``table = signs @ rows``: the rows that differ by more than a sign, and are not 0."""
    lead = np.take_along_axis(table, np.argmax(table != 0, axis=1)[:, np.newaxis], axis=1)
    rows, which = np.unique(np.sign(lead) * table, axis=0, return_inverse=True)
    signs = np.zeros((len(table), len(rows)), np.int64)
    signs[np.arange(len(table)), which.reshape(-1)] = np.sign(lead[:, 0])
    real = rows.any(axis=1)
    return signs[:, real], rows[real]
