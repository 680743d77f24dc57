"""Fault maps against a second reading of the same cells, one bit at a time; damaged programs equal on every engine."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.reliability.cells import Cells, StoredLayer, draw_cells
from rapidnn.reliability.damage import Maps, scope_of
from rapidnn.reliability.layout import Layout, choose_layout, wrong_products
from rapidnn.reliability.models import KINDS, retention_rate
from rapidnn.reliability.remedy import Remedy
from rapidnn.reliability.words import WordCode
from rapidnn.tables.program import WeightedSum
from tests.execute.engines import assert_engines_equal
from tests.execute.programs import dense, network
from tests.execute.test_with_products import residual_network


def maps(program, kind, remedy="none", **scope):
    chosen = scope_of(
        program, scope.pop("layers", None), scope.pop("structures", None), scope.pop("bit", None)
    )
    return Maps(program, KINDS[kind], Remedy.parse(remedy, kind), chosen, columns=64, blocks_per_tile=4)


def layer_of(seed=0, *, weights=5, inputs=6, code="none", channels=7, taps=20):
    rng = np.random.default_rng(seed)
    program = dense(
        taps, channels, bits=12, products=rng.integers(-2047, 2048, (weights, inputs)), weights=weights,
        inputs=inputs, seed=seed, bias=True,
    )  # fmt: skip
    return StoredLayer(program.step["fc"], WordCode(code, 12))


def read_bit_by_bit(layer, cells, layout):
    """Every product of every block, from dictionaries of single cells."""
    stuck = {(b, w, i): v for b, w, i, v in zip(cells.block, cells.word, cells.bit, cells.value, strict=True)}
    found = np.zeros((layer.blocks, layer.table.shape[1]), int)
    for block in range(layer.blocks):
        for address in range(layer.table.shape[1]):
            held = int(layer.code.encode(np.array([int(layer.table[0, address]) % 4096]))[0])
            physical = address ^ int(layout.mask[block])
            read = 0
            for bit in range(layer.code.stored_bits):
                one = (held >> bit & 1) ^ int(layout.invert[block])
                one = stuck.get((block, physical, bit), one)
                read |= (one ^ int(layout.invert[block])) << bit
            word = int(layer.code.decode(np.array([read]))[0])
            found[block, address] = word - 4096 if word >= 2048 else word
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["none", "parity", "secded"]), st.sampled_from([0.01, 0.2]))
def test_words_read_as_their_cells_say(seed, code, rate):
    layer = layer_of(seed % 7, code=code)
    rng = np.random.default_rng(seed)
    words, bits = layer.cells("products")
    cells = draw_cells(layer.blocks, words, bits, rate, rng, ones=0.5)
    layout = Layout(
        rng.integers(words, size=layer.blocks),
        rng.integers(2, size=layer.blocks),
        np.zeros(layer.blocks, int),
    )
    expected = read_bit_by_bit(layer, cells, layout)
    block, address, product = wrong_products(layer, cells, layout)
    found = np.broadcast_to(layer.table, expected.shape).copy()
    assert (found[block, address] != product).all()
    found[block, address] = product
    assert (found == expected).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_one_stuck_cell_a_block_is_always_made_to_agree(seed):
    rng = np.random.default_rng(seed)
    layer = layer_of(seed % 5)
    words, bits = layer.cells("products")
    n = layer.blocks
    cells = Cells(
        np.arange(n), rng.integers(words, size=n), rng.integers(bits, size=n), rng.integers(2, size=n)
    )
    layout = choose_layout(layer, {"products": cells})
    assert len(wrong_products(layer, cells, layout)[0]) == 0


def test_a_layout_serves_products_and_weight_codes_at_once():
    program = dense(40, 30, bits=16, products=None, weights=8, inputs=8, bias=True)
    wrong = {
        remedy: [
            maps(program, "stuck", remedy).draw(0.002, np.random.default_rng(s)).wrong for s in range(10)
        ]
        for remedy in ("none", "permute")
    }
    assert min(wrong["none"]) > 10
    assert np.mean(wrong["permute"]) < 0.05 * np.mean(wrong["none"])


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([("stuck", "none"), ("stuck", "permute"), ("stuck", "spare-rows=1"), ("stuck", "secded"),
                     ("write", "parity"), ("counter", "none"), ("block", "none"), ("search", "none")]),
    st.sampled_from([0.003, 0.1]),
    st.integers(0, 2**16),
)  # fmt: skip
def test_damaged_programs_are_equal_on_every_engine(how, rate, seed):
    composed, x = residual_network()
    damage = maps(composed.program, *how).draw(rate, np.random.default_rng(seed))
    damaged = network(damage.program)
    if how[0] == "search":
        # The reference searches the tables, and boundaries are moved in the fused form only.
        again = damaged.accumulators(x, backend="numpy")
        assert (damaged.accumulators(x, backend="cpu") == again).all()
        return
    assert_engines_equal(damaged, x[:9])


def test_no_faults_no_change():
    composed, _ = residual_network()
    for kind in KINDS:
        if kind != "adder":
            damage = maps(composed.program, kind).draw(0.0, np.random.default_rng(0))
            assert damage.wrong == 0, kind


def test_a_map_without_any_fault_is_permuted_too():
    program = dense(10, 3, bits=16, products=None)
    for structures in (["bias"], ["products", "weight_codes"]):
        damage = maps(program, "stuck", "permute", structures=structures).draw(1e-9, np.random.default_rng(0))
        assert (damage.faults, damage.wrong) == (0, 0)


def test_rates_are_kept():
    program = dense(50, 400, bits=16, products=None, weights=8, inputs=8)
    cells = 400 * (64 * 16 + 50 * 3)
    drawn = [maps(program, "stuck", structures=["products", "weight_codes"]).draw(0.01, np.random.default_rng(s)).faults
             for s in range(20)]  # fmt: skip
    assert abs(np.mean(drawn) - 0.01 * cells) < 4 * np.sqrt(0.01 * cells / 20)
    one = maps(program, "stuck", structures=["products"], bit=3).draw(0.01, np.random.default_rng(0))
    assert abs(one.faults - 0.01 * 400 * 64) < 5 * np.sqrt(0.01 * 400 * 64)


def test_write_failures_only_clear_bits():
    program = dense(10, 50, bits=8, products=np.arange(24).reshape(4, 6), bias=True)
    damaged = maps(program, "write", structures=["products"]).draw(0.2, np.random.default_rng(1)).program
    before, after = program.step["fc"].products, damaged.step["fc"].products
    assert ((after & ~before[0, :4]) == 0).all()
    assert (after != before).any()


def test_dead_blocks_are_silent_and_spares_take_over():
    program = dense(10, 40, bits=16, products=None, bias=True)
    damage = maps(program, "block").draw(0.3, np.random.default_rng(2))
    sums = network(damage.program).accumulators(np.ones((1, 10), np.float32))[0]
    whole = network(program).accumulators(np.ones((1, 10), np.float32))[0]
    assert (sums == 0).sum() >= damage.wrong > 3
    assert set(sums[sums != 0]) <= set(whole)
    assert maps(program, "block", "spare-blocks=0.9").draw(0.3, np.random.default_rng(2)).wrong == 0


def test_tiles_die_whole():
    program = dense(10, 40, bits=16, products=None, bias=True)
    wrong = {maps(program, "tile").draw(0.2, np.random.default_rng(s)).wrong for s in range(30)}
    assert {count % 4 for count in wrong} == {0}
    assert len(wrong) > 2


def test_dead_counters_zero_products():
    program = dense(10, 40, bits=16, products=None)
    damaged = maps(program, "counter").draw(0.5, np.random.default_rng(3)).program.step["fc"].products
    before = np.broadcast_to(program.step["fc"].products, damaged.shape)
    changed = damaged != before
    assert (damaged[changed] == 0).all()
    assert 0.3 < changed[before != 0].mean() < 0.7


def test_searches_misread_near_their_boundaries_only():
    composed, _ = residual_network()
    moved = maps(composed.program, "search").draw(0.01, np.random.default_rng(4)).program
    encode = next(s for s in composed.program.steps if hasattr(s, "encoding"))
    after = moved.step[encode.name].thresholds
    assert len(after) == composed.program.step[encode.source].channels
    assert (np.diff(after.astype(int), axis=1) >= 0).all()
    span = int(encode.thresholds.max()) - int(encode.thresholds.min())
    assert 0 < np.abs(after.astype(float) - encode.thresholds).max() < 0.06 * span


def test_spare_rows_replace_the_worst():
    program = dense(10, 60, bits=16, products=None)
    wrong = [maps(program, "stuck", r).draw(0.001, np.random.default_rng(5)).wrong
             for r in ("none", "spare-rows=1", "spare-rows=50")]  # fmt: skip
    assert wrong[0] > wrong[1] > wrong[2] == 0


def test_a_weight_code_outside_the_codebook_reads_an_unused_word():
    program = dense(60, 40, bits=16, products=None, weights=5, inputs=6)
    damage = maps(program, "stuck", structures=["weight_codes"]).draw(0.2, np.random.default_rng(6))
    step = damage.program.step["fc"]
    assert isinstance(step, WeightedSum)
    assert step.weight_codes.max() > 4
    assert (step.products[:, 5:] == 0).all()
    assert_engines_equal(network(replace(damage.program)), np.random.default_rng(0).normal(size=(5, 60)))


def test_retention():
    assert retention_rate(0, 100) == 0
    assert retention_rate(100, 100) == pytest.approx(1 - np.exp(-1))
    assert retention_rate(50, 100, 2) == pytest.approx(1 - np.exp(-0.25))
