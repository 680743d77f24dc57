"""The executed searches against the definition of the nearest row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.machine.layers import Pool
from rapidnn.machine.micro.ndcam import digital, pool, staged
from rapidnn.machine.readout import pool_search
from rapidnn.tables.activation import nearest
from tests.machine.micro.setups import machine

WORD = st.integers(-(2**31), 2**31 - 1)
ROWS = st.one_of(
    st.lists(st.integers(-9, 9), min_size=1, max_size=9), st.lists(WORD, min_size=1, max_size=70)
)


@settings(max_examples=300, deadline=None)
@given(ROWS, st.one_of(st.integers(-12, 12), WORD), st.sampled_from([1, 2, 3, 5, 8, 32]))
def test_both_searches_find_the_nearest_row(rows, key, stage_bits):
    rows = sorted(rows)
    expected = int(nearest(np.array(rows, np.int32), np.array([key]))[0])
    compared = digital(rows, key, 32, 2)
    assert (compared.row, compared.cycles) == (expected, 2 * (len(rows) - 1).bit_length())
    assert compared.bits == 32 * (len(rows) - 1).bit_length()
    found = staged(rows, key, 32, stage_bits)
    assert (found.row, found.cycles) == (expected, -(-32 // stage_bits))
    assert found.bits == 32 * len(rows)


def test_an_exact_tie_takes_the_lower_row():
    for rows, key, row in (([0, 4], 2, 0), ([-3, 0, 3], 0, 1), ([-2, 1], -1, 0), ([5, 5, 7], 6, 0)):
        assert digital(rows, key, 8, 1).row == row
        assert staged(rows, key, 8, 3).row == row


@pytest.mark.parametrize("search", ["digital", "cam"])
def test_max_pooling_in_the_ndcam(search):
    hardware = machine({"am.search": search})
    rng = np.random.default_rng(0)
    for size in (1, 4, 9):
        for _ in range(20):
            codes = rng.integers(0, 16, size).tolist()
            done = pool(hardware, codes, 4)
            assert done.code == max(codes)
            assert done.cycles == pool_search(hardware, Pool("p", 1, size, 4)).cycles
