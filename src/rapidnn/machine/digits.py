"""Counts as sums of signed powers of two (SPEC section 3, step 2): how many addends a count of n makes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]


def signed_digits(n: int) -> list[tuple[int, int]]:
    """``n`` >= 0 as ``(sign, exponent)`` pairs, least exponent first: ``n = sum(sign * 2**exponent)``.

    Plain binary digits if their number is not above that of the non-adjacent form, else the non-adjacent form.
    """
    binary = [(1, e) for e in range(n.bit_length()) if n >> e & 1]
    form = non_adjacent_form(n)
    return binary if len(binary) <= len(form) else form


def non_adjacent_form(n: int) -> list[tuple[int, int]]:
    """The signed-digit form of ``n`` >= 0 without two adjacent non-zero digits; it has the fewest non-zero digits."""
    digits = []
    exponent = 0
    while n:
        if n & 1:
            sign = 2 - (n & 3)
            digits.append((sign, exponent))
            n -= sign
        n >>= 1
        exponent += 1
    return digits


def digit_counts(n: Int64) -> tuple[Int64, NDArray[np.bool_]]:
    """Number of digits of :func:`signed_digits` and whether one is negative, element by element.

    With h = 3n the non-adjacent form has a digit +1 where h has a bit and n has none, and -1 the other way round
    (one place to the right), so its digits number popcount(h ^ n).
    """
    tripled = 3 * n
    binary = np.bitwise_count(n).astype(np.int64)
    signed = np.bitwise_count(tripled ^ n).astype(np.int64)
    negative = (signed < binary) & ((n & ~tripled) != 0)
    return np.minimum(binary, signed), negative


def most_digits(count: int) -> int:
    """Largest number of digits any count from 0 to ``count`` can have: a non-adjacent form fills every other place."""
    return int(count).bit_length() // 2 + 1
