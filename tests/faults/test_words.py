"""Word codes: every single wrong bit is corrected, every pair is seen; parity sees every odd number."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.reliability.words import WordCode, from_bits, to_bits


@settings(max_examples=60, deadline=None)
@given(bits=st.integers(2, 31), data=st.data())
def test_secded(bits, data):
    code = WordCode("secded", bits)
    word = data.draw(st.integers(0, 2**bits - 1))
    stored = code.encode(np.array([word]))
    assert code.decode(stored)[0] == word
    flips = np.array([1 << b for b in range(code.stored_bits)])
    assert (code.decode(stored ^ flips) == word).all()
    pairs = np.array([1 << a | 1 << b for a, b in itertools.combinations(range(code.stored_bits), 2)])
    assert (code.decode(stored ^ pairs) == 0).all()


def test_check_bits_are_those_of_the_extended_hamming_code():
    known = {
        4: 4,
        8: 5,
        11: 5,
        16: 6,
        26: 6,
        32: 7,
    }  # (8, 4), (13, 8), (16, 11), (22, 16), (32, 26), (39, 32)
    assert {bits: WordCode("secded", bits).check_bits for bits in known} == known


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_parity(wrong):
    code = WordCode("parity", 8)
    for word in range(256):
        stored = code.encode(np.array([word]))[0]
        assert bin(stored).count("1") % 2 == 0
        read = code.decode(np.array([stored ^ ((1 << wrong) - 1)]))[0]
        assert read == (0 if wrong % 2 else word ^ 3)


@given(bits=st.integers(2, 31), data=st.data())
def test_twos_complement(bits, data):
    value = data.draw(st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
    word = to_bits(np.array([value]), bits)
    assert word[0] == value % 2**bits
    assert from_bits(word, bits)[0] == value
