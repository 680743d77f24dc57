"""The look-up machine: one layer worked by hand, and laws that any layer and design keep."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.reproduction.lookup import Design, Lookup, LookupLayer, Unit
from rapidnn.reproduction.lookup_cost import balanced, estimate_lookup, fitted
from rapidnn.rivals.description import load_rival

MACHINE = load_rival("lookup", Lookup)
LAYER = LookupLayer(
    name="fc",
    taps=300,
    channels=20,
    groups=1,
    positions=1,
    input_elements=300,
    weights=4,
    inputs=4,
    product_bits=16,
    word_bits=24,
    encoded=20,
    pool_codes=0,
    zero=0.5,
)
DESIGN = Design(group=2, neurons=16, shared=8, memory="sram", own_pace=True)

layers = st.builds(
    replace,
    st.just(LAYER),
    taps=st.integers(1, 2000),
    channels=st.integers(1, 300),
    positions=st.integers(1, 500),
    weights=st.sampled_from([2, 4, 16, 64]),
    inputs=st.sampled_from([4, 16, 64]),
    zero=st.sampled_from([0.0, 0.3, 0.9]),
)
designs = st.builds(
    Design,
    group=st.integers(1, 5),
    neurons=st.sampled_from([4, 16, 128]),
    shared=st.sampled_from([1, 4, 64]),
    memory=st.sampled_from(["sram", "reram", "reram128"]),
    own_pace=st.booleans(),
)


def test_by_hand():
    """The module's text in numbers: 300 inputs, half of them zero, 20 channels, w = u = 4, g = 2."""
    unit = Unit(MACHINE, LAYER, DESIGN)
    assert (unit.entries, unit.columns, unit.in_column, unit.steps) == (16, 2, 10, 150)
    assert unit.active == 0.75
    # An address has 4 bits, the store's word 32: it feeds eight lanes a cycle. A table of 16 entries takes 16 cycles.
    assert unit.lanes == 8
    assert unit.input_ns == pytest.approx(150 * 0.75 * 16 / 8)
    parts = unit.by_component
    looked = 20 * 150 * 0.75
    assert parts["look_ups"] == pytest.approx(looked * 0.083)
    assert parts["additions"] == pytest.approx(looked * 0.21 * 24 / 32)
    assert parts["accumulators"] == pytest.approx(looked * (0.083 + 0.036))
    # Two rows of four products, 16 sums of 17 bits, written into the tables of both columns.
    built = 8 * 0.083 + 16 * 0.21 * 17 / 32 + 16 * 2 * 0.036
    assert parts["tables_built"] == pytest.approx(150 * 0.75 * built)


def test_sram_is_nvsims_at_its_sizes_and_between():
    for size, read, area in ((64, 0.083, 269), (512, 0.198, 1576), (4096, 1.2, 11_780), (8192, 2.2, 22_750)):
        assert MACHINE.sram("read_pj", size) == pytest.approx(read)
        assert MACHINE.sram("um2", size) == pytest.approx(area)
    assert MACHINE.sram("um2", 3) == 269
    assert MACHINE.sram("um2", 20_000) == pytest.approx(3 * 22_750)
    assert 0.083 < MACHINE.sram("read_pj", 200) < 0.198


@settings(max_examples=60, deadline=None)
@given(layers, designs)
def test_zeros_never_cost_and_all_is_finite(layer, design):
    unit = Unit(MACHINE, layer, design)
    dense = Unit(MACHINE, replace(layer, zero=0.0), design)
    assert unit.input_ns <= dense.input_ns * (1 + 1e-12)
    assert sum(unit.by_component.values()) <= sum(dense.by_component.values()) * (1 + 1e-12)
    assert unit.um2 == dense.um2
    assert all(math.isfinite(pj) and pj >= 0 for pj in unit.by_component.values())
    assert unit.entries <= design.most_entries or unit.grouped == 1


@settings(max_examples=60, deadline=None)
@given(layers, designs)
def test_no_lane_looks_up_more_than_once_a_cycle(layer, design):
    unit = Unit(MACHINE, layer, design)
    dense = replace(layer, zero=0.0)
    rate = dense.macs / Unit(MACHINE, dense, design).input_ns
    most = unit.lanes * unit.columns * layer.groups * unit.grouped / MACHINE.cycle_ns.value
    assert rate <= most * (1 + 1e-9)
    if design.own_pace and unit.lanes > 1:
        assert unit.lanes * unit.address_bits <= unit.store_bits_ns * MACHINE.cycle_ns.value + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(1, 100), st.floats(1, 1e6)), min_size=1, max_size=5), st.floats(1, 50))
def test_copies_fit_and_no_fewer_steps_do(stages, spare):
    areas, times = zip(*stages, strict=True)
    budget = sum(areas) * spare
    copies = balanced(areas, times, budget)
    assert sum(a * n for a, n in zip(areas, copies, strict=True)) <= budget * (1 + 1e-9)
    slowest = max(t / n for t, n in zip(times, copies, strict=True))
    faster = [math.ceil(t / (0.999 * slowest) - 1e-9) for t in times]
    finest = slowest <= max(times) / 2**20 * 1.001
    assert finest or sum(a * n for a, n in zip(areas, faster, strict=True)) > budget * (1 - 1e-9)


def test_a_network_on_chips():
    cost = estimate_lookup(MACHINE, [LAYER, replace(LAYER, name="out", taps=20, encoded=0)], DESIGN)
    assert cost.chips == 1
    assert cost.area_mm2 == pytest.approx(62.5 + 22.88)
    assert cost.by_component["link"] == pytest.approx(10_400 * cost.interval_ns)
    assert sum(cost.by_component.values()) == pytest.approx(cost.energy_pj)
    large = replace(LAYER, taps=60_000, channels=60_000)
    assert estimate_lookup(MACHINE, [large], DESIGN).chips > 1


def test_fitting_never_makes_the_product_worse():
    choices = [DESIGN, replace(DESIGN, group=1), replace(DESIGN, own_pace=False, shared=64, memory="reram")]
    picked = fitted(MACHINE, [LAYER], choices)[0]
    link = 10_400 / 62.5e6

    def price(design):
        unit = Unit(MACHINE, LAYER, design)
        silicon = unit.um2 * unit.input_ns
        return silicon * (sum(unit.by_component.values()) + silicon * link)

    assert price(picked) == min(map(price, choices))
