"""Signed digits of counts."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.machine.digits import digit_counts, most_digits, non_adjacent_form, signed_digits


def fewest_signed_digits(limit):
    """Least number of signed powers of two for every n <= limit, by breadth-first search over sums."""
    powers = [s << e for e in range(limit.bit_length() + 1) for s in (1,)]
    best = {0: 0}
    frontier = {0}
    steps = 0
    while not all(n in best for n in range(limit + 1)):
        steps += 1
        frontier = {
            a + s * p for a in frontier for p in powers for s in (1, -1) if abs(a + s * p) <= 2 * limit
        }
        for n in frontier:
            best.setdefault(n, steps)
    return [best[n] for n in range(limit + 1)]


@given(st.integers(0, 2**31))
def test_digits_rebuild_the_count(n):
    for digits in (signed_digits(n), non_adjacent_form(n)):
        assert sum(sign << exponent if sign > 0 else -(1 << exponent) for sign, exponent in digits) == n
        assert [e for _, e in digits] == sorted({e for _, e in digits})
    exponents = [e for _, e in non_adjacent_form(n)]
    assert all(b - a >= 2 for a, b in itertools.pairwise(exponents))


@given(st.integers(0, 2**31))
def test_binary_unless_the_other_form_is_shorter(n):
    digits, form = signed_digits(n), non_adjacent_form(n)
    assert len(digits) == min(n.bit_count(), len(form))
    assert any(sign < 0 for sign, _ in digits) == (len(form) < n.bit_count())


def test_the_non_adjacent_form_has_the_fewest_digits():
    assert [len(non_adjacent_form(n)) for n in range(129)] == fewest_signed_digits(128)


def test_vectorised_counts_equal_the_literal_ones():
    n = np.arange(1 << 14)
    digits, negative = digit_counts(n)
    literal = [signed_digits(int(value)) for value in n]
    assert digits.tolist() == [len(d) for d in literal]
    assert negative.tolist() == [any(sign < 0 for sign, _ in d) for d in literal]


def test_most_digits_is_a_tight_bound():
    digits, _ = digit_counts(np.arange(1 << 13))
    running = np.maximum.accumulate(digits)
    bounds = np.array([most_digits(n) for n in range(1 << 13)])
    assert (running <= bounds).all()
    assert (bounds - running <= 1).all()
