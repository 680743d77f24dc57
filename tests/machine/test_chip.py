"""Placement, allocation, buffers and links."""

import itertools

import numpy as np
import pytest

from rapidnn.machine import estimate_program, load_hardware
from rapidnn.machine.allocation import allocate
from rapidnn.machine.chip import edge_buffers
from rapidnn.machine.macro import Profile
from rapidnn.machine.pipeline import plan_layers
from rapidnn.machine.placement import place
from rapidnn.machine.stage import stage_time
from rapidnn.tables.program import CodeSum, Program, Residual
from tests.machine.programs import conv_program, dense_program, encode, encode_input, group, weighted
from tests.machine.test_cost import assert_closed, collect, cost_of


def stages_of(program, overrides=None):
    hardware = load_hardware("rapidnn-hpca20", overrides or {})
    statistics = collect(program)
    stages = []
    for layer in plan_layers(program):
        profile = Profile.of(statistics.steps[layer.name]) if layer.counted else Profile.empty()
        stages.append(stage_time(layer, profile, hardware))
    return stages


@pytest.mark.parametrize("blocks", [10, 14, 23, 40])
def test_allocation_is_optimal(blocks):
    stages = stages_of(conv_program())
    least = sum(stage.placement.blocks for stage in stages)
    assert least == 1 + 4 + 4 + 1
    best = min(
        max(stage.cycles(r) for stage, r in zip(stages, tried, strict=True))
        for tried in itertools.product(range(1, 9), repeat=len(stages))
        if sum(s.placement.blocks * r for s, r in zip(stages, tried, strict=True)) <= blocks
    )
    replicas = allocate(stages, blocks)
    assert min(replicas) >= 1
    assert sum(s.placement.blocks * r for s, r in zip(stages, replicas, strict=True)) <= blocks
    found = max(stage.cycles(r) for stage, r in zip(stages, replicas, strict=True))
    assert found == pytest.approx(best)


def test_a_round_lasts_as_long_as_its_slowest_neuron():
    profile = Profile(np.array([1, 2]), np.array([0.75, 0.25]), 0, 0, 0, 0, 0, np.zeros(0))
    values = np.array([10.0, 20.0])
    assert profile.mean_of_largest(values, 1) == pytest.approx(profile.mean(values)) == pytest.approx(12.5)
    assert profile.mean_of_largest(values, 2) == pytest.approx(20 - 10 * 0.75**2)
    assert profile.mean_of_largest(values, 10**6) == pytest.approx(20)
    stage = next(s for s in stages_of(dense_program(64, 400)) if s.cost.layer.name == "fc")
    assert stage.cycles(1) > stage.cost.mean_cycles


def test_sharing_fills_blocks_until_they_are_full():
    program = dense_program(inputs=500, outputs=60, w=16, u=16)
    layer = plan_layers(program)[1]
    for wanted, blocks in [(1, 60), (7, 9), (1000, 1)]:
        placement = place(layer, load_hardware("rapidnn-hpca20", {"rna.neurons_per_block": wanted}))
        assert placement.blocks == blocks
        assert placement.reload_bits == 0
    # 128 x 256 cells hold 32,768 bits less the working rows; the table takes 4096, a channel 500 x 4 + its bias.
    tight = load_hardware(
        "rapidnn-hpca20", {"rna.neurons_per_block": 1000, "rna.rows": 128, "rna.columns": 256}
    )
    placement = place(layer, tight)
    free = (128 - placement.working_rows) * 256 - 16 * 16 * 16
    assert placement.channels_per_block == free // (500 * 4 + layer.word_bits)
    assert placement.blocks == -(-60 // placement.channels_per_block)


def test_tables_that_do_not_fit_are_reloaded_and_charged():
    program = dense_program(inputs=500, outputs=4, w=16, u=16)
    cost = cost_of(program, {"rna.rows": 110, "rna.columns": 128, "counters.width_bits": 9})
    assert cost.by_component["reload"] > 0
    assert any("bits of its tables do not fit" in note for note in cost.notes)
    assert cost.peak == ()
    assert any("no peak is stated" in note for note in cost.notes)
    assert_closed(cost)
    assert cost_of(program).by_component["reload"] == 0


def test_threshold_sets_that_do_not_fit_into_the_am_are_loaded():
    products = np.random.default_rng(0).integers(-9, 9, (4, 2, 16))
    fc = weighted("fc", "x", np.zeros((4, 8)), products, bound=100)
    program = Program((group(16),), (encode_input((8,), 16), fc, encode("c", "fc", 16, units=4)), "c")
    assert cost_of(program).by_component["reload"] == 0
    assert cost_of(program, {"rna.neurons_per_block": 4}).by_component["reload"] == 0
    assert cost_of(program, {"rna.neurons_per_block": 4, "am.rows": 32}).by_component["reload"] > 0


def test_buffers_are_double_and_skips_are_deeper():
    first = weighted("a", "x", np.zeros((4, 4)), np.ones((1, 1, 4)), bound=10)
    second = weighted("b", "a.code", np.zeros((4, 4)), np.ones((1, 1, 4)), bound=10)
    rows = np.ones((1, 4), np.int32)
    both = CodeSum("sum", (Residual("b.code", rows), Residual("x", rows)), None, np.ones(1), 10)
    steps = (
        encode_input((4,), 4),
        first,
        encode("a.code", "a", 4),
        second,
        encode("b.code", "b", 4),
        both,
    )
    program = Program((group(4),), steps, "sum")
    layers = plan_layers(program)
    buffers = edge_buffers(program, layers)
    assert {edge: (b.copies, b.bits) for edge, b in buffers.items()} == {
        "x": (4, 8),
        "a.code": (2, 8),
        "b.code": (2, 8),
    }
    assert_closed(cost_of(program))


def test_the_input_of_a_max_pool_is_kept_once():
    program = conv_program()
    buffers = edge_buffers(program, plan_layers(program))
    assert buffers["conv1.code"].copies == 1
    assert buffers["pool"].copies == 2


def test_a_network_larger_than_a_chip_takes_more_and_pays_the_link():
    program = conv_program()
    statistics = collect(program)
    one = estimate_program(program, statistics, load_hardware("rapidnn-hpca20"))
    small = load_hardware("rapidnn-hpca20", {"chip.tiles": 1, "chip.blocks_per_tile": 5})
    two = estimate_program(program, statistics, small)
    assert (one.chips, two.chips) == (1, 2)
    assert one.by_component["link"] == 0 < two.by_component["link"]
    assert two.area_by_component_um2["link"] == pytest.approx(2 * 22.88e6)
    # blocks 0-4 hold x and conv1, 5-9 conv2 and mean: only the pooled codes cross, 4 x 4 x 4 of 3 bits.
    assert two.bits_by_component["link"] == 4 * 4 * 4 * 3
    assert any("2 chips" in note for note in two.notes)


def test_more_blocks_never_make_it_slower():
    program = conv_program()
    statistics = collect(program)
    times = [
        cost_of(program, {"chip.tiles": 1, "chip.blocks_per_tile": blocks}, statistics).bottleneck_ns
        for blocks in (10, 20, 40, 80, 1000)
    ]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]
