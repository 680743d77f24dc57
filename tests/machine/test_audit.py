"""The audit: complete, closed, and every zero explained."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.machine.ledger import ABSENT, BLOCK_COMPONENTS, COMPONENTS, ZEROS, Charge, Ledger
from tests.machine.programs import conv_program, dense_program
from tests.machine.test_cost import cost_of

AMOUNT = st.floats(0, 1e6)
CHARGES = st.lists(
    st.tuples(
        st.sampled_from(list(COMPONENTS)),
        AMOUNT,
        AMOUNT,
        st.sampled_from([None, "read", "moved", "written"]),
    ),
    max_size=12,
)


def test_every_component_has_a_row_and_every_zero_a_reason():
    assert set(ABSENT) == set(COMPONENTS)
    assert set(BLOCK_COMPONENTS) <= set(COMPONENTS)
    for overrides in (
        {},
        {"delivery.mode": "gather"},
        {"chip.chips": 1, "chip.tiles": 1, "chip.blocks_per_tile": 5},
    ):
        audit = cost_of(conv_program(), overrides).audit
        assert [row.structure for row in audit] == [*COMPONENTS, *ZEROS]
        for row in audit:
            assert bool(row.reason) == (row.energy_pj == 0), row
            if row.energy_pj:
                assert row.read_bits + row.moved_bits + row.written_bits > 0, row


def test_the_audit_sums_to_the_cost():
    cost = cost_of(conv_program())
    assert sum(row.energy_pj for row in cost.audit) == pytest.approx(cost.energy_pj, rel=1e-12)
    assert sum(row.share for row in cost.audit) == pytest.approx(1)
    for row in cost.audit[: len(COMPONENTS)]:
        assert row.energy_pj == cost.by_component[row.structure]
        bits = row.read_bits + row.moved_bits + row.written_bits
        assert bits == pytest.approx(cost.bits_by_component[row.structure])
        assert row.energy_fj_per_mac == pytest.approx(1000 * row.energy_pj / cost.macs)
        assert row.written_bits_per_mac == pytest.approx(row.written_bits / cost.macs)


def test_what_happens_to_the_bits():
    cost = cost_of(conv_program())
    rows = {row.structure: row for row in cost.audit}
    assert rows["broadcast"].moved_bits > 0 == rows["broadcast"].read_bits
    assert rows["initialisation"].written_bits >= rows["nor_outputs"].written_bits > 0
    assert rows["addend_copies"].read_bits == 0 < rows["addend_copies"].written_bits
    assert rows["product_rows"].written_bits == 0 < rows["product_rows"].read_bits
    assert rows["code_output"].moved_bits == rows["code_output"].written_bits > 0
    # 2 x 2 windows of two-bit codes: four read, one written.
    assert rows["max_pool"].read_bits == 4 * rows["max_pool"].written_bits
    moves = rows["lane_moves"]
    assert moves.read_bits == moves.written_bits
    gather = {row.structure: row for row in cost_of(conv_program(), {"delivery.mode": "gather"}).audit}
    assert rows["input_codes"].written_bits == 0 < gather["input_codes"].written_bits


def test_a_free_constant_is_a_reason():
    rows = {row.structure: row for row in cost_of(dense_program(), {"wire.pj_per_bit_mm": 0}).audit}
    assert rows["broadcast"].moved_bits > 0 == rows["broadcast"].energy_pj
    assert "is 0 in the hardware description" in rows["broadcast"].reason


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(CHARGES, CHARGES, st.floats(0, 100))
def test_ledgers_add_and_scale(first, second, factor):
    def ledger(charges):
        made = Ledger()
        for component, bits, energy, action in charges:
            made.charge(component, bits, pj=energy, action=action)
        return made

    both = ledger(first) + ledger(second)
    assert both.energy_pj == pytest.approx(sum(e for _, _, e, _ in first + second))
    assert sum(both.bits().values()) == pytest.approx(sum(b for _, b, _, _ in first + second))
    scaled = both * factor
    assert scaled.energy_pj == pytest.approx(factor * both.energy_pj)
    for name in COMPONENTS:
        charge = both[name]
        assert charge.bits == pytest.approx(charge.read_bits + charge.moved_bits + charge.written_bits)
    assert Charge(1, 2, 3, 4).bits == 6


def test_two_ways_cover_the_same_components():
    cost = cost_of(conv_program())
    inside = sum(cost.by_component[name] for name in BLOCK_COMPONENTS)
    assert [way.record for way in cost.two_ways] == ["recalled", "floatpim"]
    work = sum(y.neurons * y.cycles_mean for y in cost.by_layer) * 1.1
    for way in cost.two_ways:
        assert way.bottom_up_pj == pytest.approx(inside)
        assert way.active_block_ns == pytest.approx(work)
        assert way.top_down_pj == pytest.approx(way.block_mw * work)
        assert way.gap == pytest.approx(way.top_down_pj / inside)
    first = cost.two_ways[0]
    waiting = cost.blocks_used * cost.bottleneck_ns - work
    assert first.idle_pj == pytest.approx(0.1 * 4.8 * waiting)
    assert cost.idle_power_w == pytest.approx(first.idle_pj * 1e-12 * cost.throughput_per_s)
    assert cost.peak[0].top_down_pj_per_mac == pytest.approx(
        4.8 * 1.1 * cost.peak[0].cycles_per_neuron / cost.peak[0].inputs
    )
