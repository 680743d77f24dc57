"""What an architect turns: cells, crossbar, partitions, passes, overlap, programmes."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.errors import HardwareError
from rapidnn.machine import load_hardware
from rapidnn.machine.area import block_area_um2
from rapidnn.machine.description import cell_names
from rapidnn.machine.notes import mixes_records
from rapidnn.machine.overlap import PARTS, interval
from rapidnn.machine.passes import addends_at_once, passes, schedule_in_passes, working_rows
from rapidnn.machine.pipeline import plan_layers
from rapidnn.machine.reduction import reduction_schedule
from tests.machine.programs import conv_program, dense_program
from tests.machine.test_cost import assert_closed, collect, cost_of

TEN_BLOCKS = {"chip.tiles": 1, "chip.blocks_per_tile": 10}

NVSIM = {
    (1024, 1024, 32, 45, 4): 23_100,
    (1024, 1024, 64, 45, 4): 29_200,
    (128, 256, 32, 45, 4): 11_300,
    (128, 256, 16, 45, 4): 6_500,
    (256, 256, 32, 45, 4): 12_200,  # 8 KB; its shape is not stated
    (1024, 1024, 32, 22, 4): 5_931,
    (1024, 1024, 32, 45, 30): 81_700,
}
"""Crossbar area in um2 by rows, columns, word bits, node and cell in F2: NVSim, FACTS 5."""


@pytest.mark.parametrize("point", NVSIM)
def test_crossbar_area_is_that_of_nvsim(point):
    rows, columns, word, node, cell = point
    overrides = {
        "rna.rows": rows,
        "rna.columns": columns,
        "crossbar.word_bits": word,
        "cell.feature_nm": node,
        "cell.area_f2": cell,
    }
    parts = block_area_um2(load_hardware("rapidnn-hpca20", overrides))
    area = parts["crossbar_array"] + parts["crossbar_periphery"]
    assert area == pytest.approx(NVSIM[point], rel=0.11)


def test_the_recalled_crossbar_is_a_bare_array_at_28_nm():
    parts = block_area_um2(
        load_hardware("rapidnn-hpca20", {"rna.rows": 1000, "rna.columns": 1000, "cell.feature_nm": 28})
    )
    assert parts["crossbar_array"] == pytest.approx(3136)


@pytest.mark.parametrize("name", cell_names())
def test_cells_bring_their_own_records_or_are_refused(name):
    if name in ("fefet", "sram"):
        with pytest.raises(
            HardwareError, match=rf"needs the gate NOR; of the cell '{name}' no stateful gate is shown.*"
        ):
            load_hardware("rapidnn-hpca20", {"cell.technology": name})
        return
    hardware = load_hardware("rapidnn-hpca20", {"cell.technology": name})
    assert hardware.cell.technology.value == name
    assert_closed(cost_of(conv_program(), {"cell.technology": name}))
    if name in ("pcm", "stt-mram"):
        assert not mixes_records(hardware)
        assert hardware.logic.nor_fj.at_ns == hardware.rna.cycle_ns.value


def test_an_override_wins_over_the_cell_that_it_comes_with():
    hardware = load_hardware("rapidnn-hpca20", {"rna.cycle_ns": 7, "cell.technology": "stt-mram"})
    assert (hardware.rna.cycle_ns.value, hardware.logic.nor_fj.value) == (7, 252)
    with pytest.raises(HardwareError, match=r"cell.technology=stt: unknown .did you mean 'stt-mram'"):
        load_hardware("rapidnn-hpca20", {"cell.technology": "stt"})


def test_a_cell_with_more_endurance_lasts_longer():
    program = conv_program()
    statistics = collect(program)
    reram, stt = (cost_of(program, {"cell.technology": name}, statistics) for name in ("reram", "stt-mram"))
    assert stt.lifetime_s > 1e5 * reram.lifetime_s
    assert stt.by_component["nor_outputs"] > 30 * reram.by_component["nor_outputs"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 300), min_size=1, max_size=12), st.integers(1, 20), st.integers(3, 60))
def test_passes_do_the_same_steps(addends, lanes, at_once):
    values = np.array(addends)
    plain, split = reduction_schedule(values, lanes), schedule_in_passes(values, lanes, at_once)
    assert (split.steps == plain.steps).all()
    assert (split.rounds >= -(-split.steps // lanes)).all()
    times = passes(values, at_once)
    for a, found in zip(addends, times, strict=True):
        assert found == (1 if a <= at_once else 1 + math.ceil((a - at_once) / (at_once - 2)))
        one = schedule_in_passes(np.array([a]), lanes, at_once)
        rest, rounds, moves = a, 0, 0
        while rest > at_once:  # fill, reduce to two, fill again around them
            full = reduction_schedule(np.array([at_once]), lanes)
            rounds, moves, rest = rounds + full.rounds[0], moves + full.moves[0], rest - at_once + 2
        last = reduction_schedule(np.array([rest]), lanes)
        assert (one.rounds[0], one.moves[0]) == (rounds + last.rounds[0], moves + last.moves[0])


def test_fewer_addend_rows_mean_passes_and_more_time():
    program = dense_program(400, 8, w=16, u=16)
    statistics = collect(program)
    layer = plan_layers(program)[1]
    few = {"rna.addend_rows": 7}
    hardware = load_hardware("rapidnn-hpca20", few)
    assert addends_at_once(layer, hardware) == 3 * hardware.lanes(layer.word_bits)
    assert working_rows(layer, hardware) == 7 + 12 + 2
    before, after = cost_of(program, None, statistics), cost_of(program, few, statistics)
    assert after.by_layer[1].cycles["reduce"] > before.by_layer[1].cycles["reduce"]
    assert after.by_component["nor_outputs"] == pytest.approx(before.by_component["nor_outputs"])
    assert any("reduced in passes in 1 layers" in note for note in after.notes)
    assert not any("passes" in note for note in before.notes)
    assert_closed(after)
    with pytest.raises(HardwareError, match=r"holds 0 addends at once.*rna.addend_rows"):
        cost_of(program, {"rna.addend_rows": 6}, statistics)


def test_partitions_add_lanes_and_cost_switches():
    program = dense_program(2000, 8, w=16, u=16)
    statistics = collect(program)
    one, four = ({"rna.partitions": p, "rna.columns": 128} for p in (1, 4))
    before, after = cost_of(program, one, statistics), cost_of(program, four, statistics)
    assert after.by_layer[1].lanes == 4 * before.by_layer[1].lanes
    assert after.by_layer[1].cycles["reduce"] < before.by_layer[1].cycles["reduce"]
    switches = block_area_um2(load_hardware("rapidnn-hpca20", four))["partition_switches"]
    assert switches == pytest.approx(3 * 128 * 12 * 0.045**2)
    with pytest.raises(HardwareError, match=r"partition of 10 rows.*lower rna.partitions"):
        cost_of(program, {"rna.partitions": 100}, statistics)


def test_overlap_is_bounded_by_the_longest_part():
    phases = {
        "deliver": np.array([100.0, 100.0]),
        **{name: np.array([10.0, 50.0]) for part in ("crossbar", "am") for name in PARTS[part]},
    }
    none, count, full = (
        interval(phases, load_hardware("rapidnn-hpca20", {"rna.overlap": kind}))
        for kind in ("none", "count", "full")
    )
    assert none.tolist() == [170, 450]
    assert count.tolist() == [100, 350]
    assert full.tolist() == [100, 250]


@pytest.mark.parametrize("mode", ["broadcast", "gather"])
def test_overlap_shortens_the_stream_and_not_the_neuron(mode):
    program = conv_program()
    statistics = collect(program)
    costs = [
        cost_of(program, {"rna.overlap": kind, "delivery.mode": mode, **TEN_BLOCKS}, statistics)
        for kind in ("none", "count", "full")
    ]
    for slow, fast in itertools.pairwise(costs):
        assert fast.bottleneck_ns < slow.bottleneck_ns
        assert fast.by_layer[1].cycles == slow.by_layer[1].cycles
        assert fast.energy_pj == pytest.approx(
            slow.energy_pj, rel=0.05
        )  # wires are longer with more counters
        assert_closed(fast)
    assert costs[1].area_by_component_um2["counters"] == 2 * costs[0].area_by_component_um2["counters"]


def test_programmes_are_chosen_by_name():
    program = dense_program(400, 8, w=16, u=16)
    statistics = collect(program)
    thirteen, ten = (cost_of(program, {"rna.compressor": n}, statistics) for n in ("magic-13", "nor-10"))
    assert ten.by_layer[1].cycles["reduce"] == pytest.approx(10 / 13 * thirteen.by_layer[1].cycles["reduce"])
    assert ten.by_component["nor_outputs"] < thirteen.by_component["nor_outputs"]
    with pytest.raises(
        HardwareError, match=r"rna.compressor is 'magic', which is not under compressors .magic-13, nor-10"
    ):
        load_hardware("rapidnn-hpca20", {"rna.compressor": "magic"})


def test_rotation_spreads_the_scratch_rows():
    program = dense_program(400, 8, w=16, u=16)
    statistics = collect(program)
    costs = [cost_of(program, {"cell.rotation_rows": r}, statistics) for r in (1, 24, 10**6)]
    assert costs[0].lifetime_rotated_s == pytest.approx(costs[0].lifetime_s)
    assert costs[1].lifetime_rotated_s == pytest.approx(2 * costs[0].lifetime_s)
    assert costs[2].lifetime_rotated_s == pytest.approx(costs[2].lifetime_levelled_s)
    rate = costs[0].throughput_per_s / 100
    assert costs[0].lifetime_at(rate)["hottest"] == pytest.approx(100 * costs[0].lifetime_s)
    for wrong in (0, -1, costs[0].throughput_per_s * 1.01):
        with pytest.raises(HardwareError, match="at most the throughput"):
            costs[0].lifetime_at(wrong)
