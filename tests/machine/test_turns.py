"""The pipeline in time: closed forms against a discrete-event simulation, allocation, and layers that take turns."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.machine import load_hardware
from rapidnn.machine.allocation import allocate
from rapidnn.machine.macro import Profile
from rapidnn.machine.peak import reference_layer
from rapidnn.machine.residency import plan_floor, plan_turns
from rapidnn.machine.stage import stage_time
from tests.machine.pipeline_simulation import simulate
from tests.machine.programs import conv_program, dense_program
from tests.machine.test_chip import stages_of
from tests.machine.test_cost import assert_closed, collect, cost_of

SETUPS = [
    {"chip.blocks_per_tile": 10},
    {"chip.blocks_per_tile": 23},
    {"chip.blocks_per_tile": 23, "rna.overlap": "full"},
    {"chip.blocks_per_tile": 40, "delivery.mode": "gather"},
    {"chip.blocks_per_tile": 12, "rna.neurons_per_block": 2, "rna.copy_parallel": 4},
]


@pytest.mark.parametrize("overrides", SETUPS)
def test_the_closed_form_is_what_events_take(overrides):
    overrides = {"chip.tiles": 1, **overrides}
    program = conv_program()
    stages = tuple(stages_of(program, overrides))
    hardware = stages[0].hardware
    replicas = plan_floor(stages, hardware).replicas
    assert any(len(stage.cost.profile.addends) > 3 for stage in stages)
    rng = np.random.default_rng(0)
    cost = cost_of(program, overrides)
    cycle = hardware.rna.cycle_ns.value
    entered, left = simulate(stages, replicas, 60, rng)
    period = float(np.diff(left[10:]).mean())
    assert period * cycle == pytest.approx(cost.bottleneck_ns, rel=0.03)
    assert left[-1] * cycle == pytest.approx(cost.stream_ns(60), rel=0.03)
    alone = np.mean([simulate(stages, replicas, 1, rng)[1][0] for _ in range(30)])
    assert alone * cycle == pytest.approx(cost.latency_ns, rel=0.03)
    assert (left - entered >= 0).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(5, 200)), min_size=1, max_size=3),
    st.integers(0, 12),
)
def test_no_allocation_is_faster(shapes, spare):
    """Every allocation of small pipelines is tried."""
    hardware = load_hardware("rapidnn-hpca20")
    stages = []
    for places, channels, inputs in shapes:
        layer = reference_layer(hardware, inputs)
        layer = type(layer)(**{**vars(layer), "places": places, "channels": channels})
        profile = Profile(
            np.array([3, 9]), np.array([0.5, 0.5]), 9, 1, 1, 9, inputs, np.full(16, inputs / 16)
        )
        stages.append(stage_time(layer, profile, hardware))
    blocks = sum(stage.placement.blocks for stage in stages) + spare
    found = allocate(stages, blocks)
    used = sum(s.placement.blocks * r for s, r in zip(stages, found, strict=True))
    assert used <= blocks
    best = min(
        max(s.cycles(r) for s, r in zip(stages, tried, strict=True))
        for tried in itertools.product(*(range(1, places + 1) for places, _, _ in shapes))
        if sum(s.placement.blocks * r for s, r in zip(stages, tried, strict=True)) <= blocks
    )
    assert max(s.cycles(r) for s, r in zip(stages, found, strict=True)) == pytest.approx(best)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(9, 20))
def test_turns_are_as_few_as_can_be(needs, blocks):
    turns = plan_turns(needs, blocks)
    assert [i for turn in turns for i in turn] == list(range(len(needs)))
    assert all(sum(needs[i] for i in turn) <= blocks for turn in turns)
    cuts = range(1, len(needs))
    fewest = min(
        len(chosen) + 1
        for count in range(len(needs))
        for chosen in itertools.combinations(cuts, count)
        if all(sum(needs[a:b]) <= blocks for a, b in itertools.pairwise([0, *chosen, len(needs)]))
    )
    assert len(turns) == fewest


def few(blocks, **more):
    return {"chip.chips": 1, "chip.tiles": 1, "chip.blocks_per_tile": blocks, **more}


@pytest.mark.parametrize("blocks", [1, 2, 4, 5, 8, 9])
def test_a_network_that_does_not_fit_takes_turns(blocks):
    program = conv_program()
    statistics = collect(program)
    whole, cost = cost_of(program, few(10), statistics), cost_of(program, few(blocks), statistics)
    assert_closed(cost)
    assert (whole.turns, whole.reload_ns, whole.by_component["reload"]) == (1, 0, 0)
    assert cost.turns > 1
    assert cost.blocks_used <= cost.blocks_total == blocks
    for turn in range(max(layer.turn for layer in cost.by_layer) + 1):
        assert sum(layer.blocks for layer in cost.by_layer if layer.turn == turn) <= blocks
    assert cost.bottleneck_ns > whole.bottleneck_ns
    assert cost.latency_ns == pytest.approx(cost.bottleneck_ns)
    assert cost.by_component["reload"] > 0 < cost.reload_ns < cost.bottleneck_ns
    assert any("its layers take turns" in note for note in cost.notes)
    row = next(row for row in cost.audit if row.structure == "reload")
    assert row.read_bits > 0 < row.written_bits
    assert "memory.read_pj_32b" not in cost.zeros


def test_a_batch_shares_the_reload_and_keeps_its_codes():
    program = conv_program()
    statistics = collect(program)
    one, many = (cost_of(program, few(5, **{"chip.batch": b}), statistics) for b in (1, 50))
    assert many.reload_ns == pytest.approx(one.reload_ns / 50)
    for part in ("reload",):
        assert many.by_component[part] == pytest.approx(one.by_component[part] / 50)
    assert many.throughput_per_s > one.throughput_per_s
    assert many.latency_ns > one.latency_ns
    assert many.stream_ns(50) == many.latency_ns
    assert many.stream_ns(51) == 2 * many.latency_ns
    assert many.area_by_component_um2["buffers"] > one.area_by_component_um2["buffers"]
    assert many.lifetime_s * many.throughput_per_s > one.lifetime_s * one.throughput_per_s
    slow = cost_of(program, few(5, **{"link.gbyte_per_s": 0.001}), statistics)
    assert slow.bottleneck_layer == "table reloads"
    dear = cost_of(program, few(5, **{"memory.read_pj_32b": 6400}), statistics)
    assert dear.by_component["reload"] > 5 * one.by_component["reload"]


def test_writing_tables_takes_the_cells_write_time():
    program = dense_program(400, 40, w=16, u=16)
    statistics = collect(program)
    fast, slow = (
        cost_of(program, few(5, **{"crossbar.write_ns": ns, "link.gbyte_per_s": 1e6}), statistics)
        for ns in (10, 1000)
    )
    assert slow.reload_ns == pytest.approx(100 * fast.reload_ns)


def test_more_chips_mean_more_replicas():
    program = conv_program()
    statistics = collect(program)
    costs = [cost_of(program, few(10, **{"chip.chips": chips}), statistics) for chips in (1, 2, 4)]
    for less, more in itertools.pairwise(costs):
        assert more.bottleneck_ns < less.bottleneck_ns
        assert more.chips == 2 * less.chips
        assert more.blocks_used > less.blocks_used
        assert more.by_component["link"] > 0
        assert_closed(more)
