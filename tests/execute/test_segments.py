"""Sums in 8 bits never overflow, wherever the heavy rows of different channels lie."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.tables.program import Program
from tests.execute.test_native import check
from tests.machine.programs import encode_input, group, weighted


def heavy(places, taps, peak):
    """A layer whose channels hold rows of that peak at some taps, and zeros elsewhere; every input takes the peak."""
    codes = np.zeros((len(places), taps), np.uint8)
    for channel, at in enumerate(places):
        codes[channel, list(at)] = 1
    step = weighted("fc", "x", codes, [[0, 0], [0, peak]], bound=taps * peak)
    return Program((group(2),), (encode_input((taps,), 2), step), "fc")


def test_a_later_channel_moves_the_segments_of_an_earlier_one(monkeypatch):
    # The first channel is carried by two segments of 100, the second takes three of 67: then 95 and 105 meet.
    program = heavy([(95, 105), (10, 80, 150)], 200, 130)
    x = np.full((70, 200), 9, np.float32)
    check(program, x, monkeypatch)


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 160), st.integers(1, 255), st.data())
def test_any_places_of_heavy_rows(taps, peak, data):
    places = data.draw(st.lists(st.lists(st.integers(0, taps - 1), max_size=6), min_size=1, max_size=6))
    with pytest.MonkeyPatch.context() as monkeypatch:
        check(heavy(places, taps, peak), np.full((70, taps), 9, np.float32), monkeypatch)
