"""Counts into addends, executed (SPEC section 3, step 2): signed digits, shifted products, complements, and the +1s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.digits import signed_digits


@dataclass(frozen=True)
class Addend:
    """One word that is copied: ``kind`` is ``product``, ``row`` (bias, constant, residual) or ``ones``."""

    word: int
    kind: str
    label: str


def product_addends(
    counts: NDArray[np.int64], products: NDArray[np.int64], word_bits: int
) -> tuple[list[Addend], int]:
    """Addends of the counted products, and how many occupied counters of non-zero products they come from.

    ``counts`` and ``products`` are ``(w, u)``.
    """
    found: list[Addend] = []
    occupied = 0
    minus = 0
    for i, j in np.argwhere((counts > 0) & (products != 0)).tolist():
        occupied += 1
        for sign, exponent in signed_digits(int(counts[i, j])):
            word = shifted(int(products[i, j]), exponent, word_bits, negative=sign < 0)
            minus += sign < 0
            shown = f"{'-' if sign < 0 else '+'}P[{i},{j}] << {exponent}"
            found.append(Addend(word, "product", shown))
    if minus:
        found.append(Addend(minus, "ones", f"+{minus} for {minus} complements"))
    return found, occupied


def shifted(product: int, exponent: int, word_bits: int, *, negative: bool) -> int:
    """A product's word as it is written: sign-extended and shifted left; a negative digit inverts it, ones filling up.

    The complement of ``p << e`` is the complement of p, shifted with ones: ``-(p << e) = ~(p << e) + 1``.
    """
    mask = (1 << word_bits) - 1
    if not negative:
        return product << exponent & mask
    return (~product << exponent | (1 << exponent) - 1) & mask


def row_addends(rows: Sequence[tuple[str, int]], word_bits: int) -> list[Addend]:
    """Bias, constant and residual rows, those that are not zero."""
    return [Addend(value & (1 << word_bits) - 1, "row", name) for name, value in rows if value]


def to_signed(word: int, word_bits: int) -> int:
    """The two's complement integer of a word."""
    return word - (1 << word_bits) if word >> word_bits - 1 else word
