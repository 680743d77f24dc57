"""Each rival against what its own paper states, and one small layer by hand (docs/rivals.md)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.errors import HardwareError
from rapidnn.rivals import dadiannao, isaac
from rapidnn.rivals.description import FORMS, DaDianNao, Isaac, PipeLayer, load_rival, records
from rapidnn.rivals.machines import EIGHT_BIT, rival, rival_names
from rapidnn.rivals.replication import balanced_copies
from rapidnn.rivals.work import LayerWork, Workload


def dense(name, taps, channels):
    return LayerWork(name, taps, channels, 1, 1, taps, channels, 1.0)


def conv(name, inputs, channels, size, kernel=3, groups=1):
    taps = inputs // groups * kernel * kernel
    elements = size * size
    return LayerWork(name, taps, channels, groups, elements, inputs * elements, channels * elements, 2 / size)


NETWORK = Workload(
    (conv("c1", 3, 32, 32), conv("c2", 32, 64, 16), dense("fc", 16384, 512), dense("out", 512, 10))
)


def test_isaac_reaches_its_own_peak():
    described = load_rival("isaac", Isaac)
    gops, density, efficiency = isaac.peak(described)
    assert gops == pytest.approx(41_288, rel=1e-4)
    # The paper's quotient of its own numbers is 483.5, so one per cent is allowed.
    assert density == pytest.approx(described.claimed_density.value, rel=0.01)
    assert efficiency == pytest.approx(described.claimed_efficiency.value, rel=1e-3)


def test_dadiannao_reaches_its_peak():
    described = load_rival("dadiannao", DaDianNao)
    gops, density, efficiency = dadiannao.peak(described)
    assert gops == pytest.approx(5580, rel=2e-3)
    assert density == pytest.approx(described.claimed_density.value, rel=1e-3)
    # The rows of the table add up to 20.11 W; the stated efficiency means 19.5 W.
    assert efficiency == pytest.approx(described.claimed_efficiency.value, rel=0.04)


def test_pipelayer_is_calibrated_to_its_density_and_efficiency():
    described = load_rival("pipelayer", PipeLayer)
    full = described.array_rows.value * described.arrays.value
    work = Workload((dense("fc", full, 32),))
    cost = rival("pipelayer").estimate(work, 1)
    assert cost.gops_per_s_mm2 == pytest.approx(described.density.value, rel=1e-3)
    assert cost.gops_per_s_w == pytest.approx(described.efficiency.value, rel=1e-4)


@pytest.mark.parametrize("name", rival_names())
def test_sums_close(name):
    cost = rival(name).estimate(NETWORK)
    assert sum(cost.by_component().values()) == pytest.approx(cost.energy_pj)
    assert sum(cost.by_layer().values()) == pytest.approx(cost.energy_pj)
    assert cost.energy_pj > 0
    assert cost.interval_ns <= cost.latency_ns
    known = records(rival(name).rival)
    assert all(constant in known for term in cost.terms for constant in term.constants)


@pytest.mark.parametrize("name", ["isaac", "pipelayer"])
def test_eight_bits_halve_time_and_arrays(name):
    wide, narrow = rival(name).estimate(NETWORK), rival(name, EIGHT_BIT).estimate(NETWORK)
    assert narrow.stages[2].units == wide.stages[2].units / 2
    assert narrow.latency_ns < wide.latency_ns
    assert narrow.energy_pj < wide.energy_pj


def test_more_chips_never_slow_a_stream():
    for name in rival_names():
        one, two = (rival(name).estimate(NETWORK, chips) for chips in (2, 4))
        assert two.interval_ns <= one.interval_ns


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 12)), min_size=1, max_size=3),
    st.integers(0, 12),
)
def test_copies_are_the_best_there_are(layers, spare):
    units, positions = zip(*layers, strict=True)
    budget = sum(units) + spare

    def slowest(copies):
        return max(-(-p // c) for p, c in zip(positions, copies, strict=True))

    choices = itertools.product(*(range(1, p + 1) for p in positions))
    fitting = [c for c in choices if sum(u * n for u, n in zip(units, c, strict=True)) <= budget]
    found = balanced_copies(units, positions, budget)
    assert sum(u * n for u, n in zip(units, found, strict=True)) <= budget
    assert slowest(found) == min(map(slowest, fitting))


def test_unknown_names_are_refused():
    with pytest.raises(HardwareError, match="no rival is named 'tpu'"):
        rival("tpu")
    with pytest.raises(HardwareError, match="has no constant 'adc'"):
        load_rival("isaac", Isaac, {"adc": 1})
    with pytest.raises(HardwareError, match="cycle"):
        load_rival("isaac", Isaac, {"cycle": -1})


def test_every_constant_says_where_it_is_from():
    for name, form in FORMS.items():
        for constant in records(load_rival(name, form)).values():
            assert constant.unit
            assert constant.source
