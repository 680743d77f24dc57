"""The macro model: a neuron by hand, conservation, and physical sense."""

import json
import math
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.errors import DataError, HardwareError
from rapidnn.execute.reference import run_reference
from rapidnn.machine import (
    ProgramStatistics,
    StatisticsCollector,
    estimate_program,
    hardware_names,
    load_hardware,
)
from rapidnn.machine.ledger import COMPONENTS
from rapidnn.machine.macro import NeuronModel, Profile
from rapidnn.machine.peak import CURVE, peak_point, uniform_profile
from rapidnn.machine.pipeline import plan_layers
from rapidnn.tables.program import Program
from tests.machine.programs import conv_program, dense_program, encode, encode_input, group, weighted
from tests.strategies import compositions

RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
DOC = Path(__file__).parents[2] / "docs" / "machine.md"
WIDE = {"am.rows": 256}


def collect(program, x=None, neurons=64):
    rng = np.random.default_rng(0)
    if x is None:
        x = rng.normal(size=(2, *program.input_shape)).astype(np.float32)
    collector = StatisticsCollector(program, rng, neurons)
    run_reference(program, x, collector.observe)
    return collector.result()


def cost_of(program, overrides=None, statistics=None):
    hardware = load_hardware("rapidnn-hpca20", overrides or {})
    return estimate_program(program, statistics or collect(program), hardware)


def worked_program():
    """The neuron of docs/machine.md: three taps of weight code 0 and seven of 1, all with input code 1, bias 9."""
    fc = weighted("fc", "x", [[0] * 3 + [1] * 7], [[4, 5], [7, -2]], bias=[9], bound=1000)
    return Program((group(2),), (encode_input((10,), 2), fc, encode("code", "fc", 2)), "code")


def test_the_worked_neuron_of_the_documentation():
    program = worked_program()
    statistics = collect(program, np.ones((1, 10), np.float32))
    layer = plan_layers(program)[1]
    hardware = load_hardware("rapidnn-hpca20")
    cost = NeuronModel(layer, Profile.of(statistics.steps["fc"]), hardware).cost()
    assert layer.word_bits == 11
    assert statistics.steps["fc"].addends == ((6, 1),)
    section = DOC.read_text("utf-8").split("## One neuron by hand")[1].split("\n## ")[0]
    phases, rows = (
        {
            name: float(value)
            for name, value in re.findall(r"^\| `(\w+)` \|.*\| ([0-9.]+) \|$", part, re.MULTILINE)
        }
        for part in section.split("201 cycles")
    )
    assert cost.phases == phases
    assert cost.mean_cycles == sum(phases.values()) == 201
    energies = {name: value for name, value in cost.energy.energies_pj().items() if value}
    assert energies == pytest.approx(rows, rel=1e-9)


def assert_closed(cost):
    layers = cost.by_layer
    assert sum(cost.by_component.values()) == pytest.approx(cost.energy_pj, rel=1e-9)
    assert sum(layer.energy_pj for layer in layers) == pytest.approx(cost.energy_pj, rel=1e-9)
    for part in COMPONENTS:
        assert sum(y.by_component[part] for y in layers) == pytest.approx(cost.by_component[part], rel=1e-9)
        assert sum(y.bits_by_component[part] for y in layers) == pytest.approx(cost.bits_by_component[part])
        assert cost.by_component[part] >= 0
        assert cost.bits_by_component[part] > 0 or cost.by_component[part] == 0
    areas = cost.area_by_component_um2
    assert sum(areas.values()) == pytest.approx(cost.area_um2, rel=1e-9)
    turns = {layer.turn for layer in layers}
    blocks = [sum(layer.blocks for layer in layers if layer.turn == turn) for turn in turns]
    assert max(blocks) == cost.blocks_used <= cost.blocks_total
    if len(turns) == 1:  # layers of different turns share blocks
        placed = sum(layer.area_um2 for layer in layers)
        assert placed == pytest.approx(cost.used_area_um2, rel=1e-9)
        assert placed + areas["idle_blocks"] + areas["link"] == pytest.approx(cost.area_um2, rel=1e-9)
    assert cost.power_w == pytest.approx(cost.energy_pj * 1e-12 * cost.throughput_per_s)
    assert cost.latency_ns >= cost.bottleneck_ns >= max(layer.stage_ns for layer in layers)
    assert 0 <= cost.utilisation <= 1 + 1e-9


@RELAXED
@given(
    compositions(),
    st.fixed_dictionaries(
        {
            "delivery.mode": st.sampled_from(["broadcast", "gather"]),
            "delivery.width": st.sampled_from([1, 3]),
            "counters.resident": st.sampled_from([1, 16, 256]),
            "rna.neurons_per_block": st.sampled_from([1, 2, 100]),
            "rna.shift_interconnect": st.booleans(),
            "rna.copy_parallel": st.sampled_from([1, 4]),
            "rna.rows": st.sampled_from([200, 1024]),
            "rna.adder": st.sampled_from(["magic-12n1", "magic-13n", "aritpim-18n1"]),
            "am.search": st.sampled_from(["digital", "cam"]),
            "chip.tiles": st.sampled_from([1, 32]),
            "chip.blocks_per_tile": st.sampled_from([2, 1024]),
        }
    ),
)
def test_accounts_close_on_random_networks(made, overrides):
    _, composed, x = made
    statistics = collect(composed.program, np.nan_to_num(x, posinf=9, neginf=-9))
    cost = cost_of(composed.program, {**WIDE, **overrides}, statistics)
    assert_closed(cost)
    json.dumps(cost.to_json(), allow_nan=False)


@pytest.mark.parametrize("name", hardware_names())
def test_result_forms(name):
    program = conv_program()
    cost = estimate_program(program, collect(program), load_hardware(name))
    assert [layer.name for layer in cost.by_layer] == ["x", "conv1", "conv2", "mean"]
    assert cost.by_layer[1].steps == ("conv1", "conv1.code", "pool")
    frame = cost.to_frame()
    assert list(frame.index) == ["x", "conv1", "conv2", "mean"]
    total = frame[[c for c in frame.columns if c.startswith("energy_pj.")]].to_numpy().sum()
    assert total == pytest.approx(cost.energy_pj)
    read = json.loads(json.dumps(cost.to_json(), allow_nan=False))
    assert read["by_layer"][2]["energy_pj"] == cost.by_layer[2].energy_pj
    assert cost.peak[0].inputs == 1024
    claims = {row.name: row for row in cost.comparison}
    assert claims["peak_gops_per_s_mm2"].stated == 1904.6
    assert claims["peak_gops_per_s_w"].stated == 839.1
    assert {row.confidence for row in claims.values()} <= {"recalled-medium", "seen"}
    assert cost.by_component["activation_am"] > 0
    assert cost.by_component["max_pool"] > 0
    assert cost.macs == 4 * 64 * 18 + 4 * 16 * 18


def test_stored_statistics_give_the_same_cost():
    program = conv_program()
    statistics = collect(program)
    stored = ProgramStatistics.from_json(json.loads(json.dumps(statistics.to_json())))
    assert cost_of(program, statistics=stored) == cost_of(program, statistics=statistics)


def test_time_scales_with_the_cycle_and_energy_does_not():
    program = conv_program()
    slow, fast = cost_of(program, {"rna.cycle_ns": 3}), cost_of(program, {"rna.cycle_ns": 1})
    assert slow.latency_ns == pytest.approx(3 * fast.latency_ns)
    assert slow.lifetime_s == pytest.approx(3 * fast.lifetime_s)
    assert slow.energy_pj == pytest.approx(fast.energy_pj)
    assert not any("mixed records: logic" in note for note in slow.notes)
    assert any("mixed records: logic" in note for note in fast.notes)


def test_larger_neurons_cost_more():
    costs = [cost_of(dense_program(inputs)) for inputs in (8, 32, 128, 512)]
    for small, large in pairwise(costs):
        assert small.energy_pj < large.energy_pj
        assert small.latency_ns < large.latency_ns
    points = [peak_point(load_hardware("rapidnn-hpca20"), k) for k in CURVE]
    for small, large in pairwise(points):
        assert small.cycles_per_neuron < large.cycles_per_neuron


@pytest.mark.parametrize(
    ("overrides", "dearer", "component"),
    [
        ({"rna.copy_cycles": 4}, "latency_ns", None),
        ({"rna.shift_interconnect": "false"}, "latency_ns", "nor_outputs"),
        ({"rna.adder": "aritpim-18n1"}, "latency_ns", None),
        ({"counters.resident": 4}, "latency_ns", "weight_codes"),
        ({"logic.nor_fj": 600}, "energy_pj", "nor_outputs"),
        ({"logic.init_fj": 600}, "energy_pj", "initialisation"),
        ({"crossbar.write_pj_32b": 41.8}, "energy_pj", "addend_copies"),
        ({"wire.pj_per_bit_mm": 0.24}, "energy_pj", "broadcast"),
        ({"counters.resident": 4096}, "area_um2", None),
        ({"cell.feature_nm": 90}, "area_um2", None),
        ({"cell.endurance_writes": 1e12}, "lifetime_s", None),
    ],
)
def test_every_choice_has_its_price(overrides, dearer, component):
    program = dense_program(200, 8)
    statistics = collect(program)
    before, after = cost_of(program, None, statistics), cost_of(program, overrides, statistics)
    assert getattr(after, dearer) > getattr(before, dearer)
    if component:
        assert after.by_component[component] > before.by_component[component]


def test_gathering_takes_the_largest_weight_group():
    program = worked_program()
    statistics = collect(program, np.ones((1, 10), np.float32))
    hardware = {"delivery.mode": "gather", "delivery.fill_width": 16}
    assert cost_of(program, hardware, statistics).by_layer[1].cycles["deliver"] == 7
    one_group = {**hardware, "counters.resident": 2}
    assert cost_of(program, one_group, statistics).by_layer[1].cycles["deliver"] == 10
    one_counter = {**hardware, "counters.resident": 1}
    assert cost_of(program, one_counter, statistics).by_layer[1].cycles["deliver"] == 20
    narrow = {**hardware, "delivery.fill_width": 1}
    assert cost_of(program, narrow, statistics).by_layer[1].cycles["deliver"] == 10


def test_padded_taps_are_not_delivered():
    layer = next(y for y in plan_layers(conv_program()) if y.name == "conv1")
    assert layer.taps == 18
    assert sorted(set(layer.place_taps.tolist())) == [8, 12, 18]
    profile = Profile.of(collect(conv_program(), neurons=10**9).steps["conv1"])
    assert layer.place_taps.mean() == pytest.approx(profile.taps)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"rna.columns": 8}, "adds words of 14 bits.*raise rna.columns"),
        ({"counters.width_bits": 3}, "counts up to 10 inputs.*raise counters.width_bits"),
        ({"am.rows": 1}, "searches 2 rows.*set am.rows=2"),
        ({"rna.rows": 12}, "working rows.*raise rna.rows"),
    ],
)
def test_what_does_not_fit_is_refused(overrides, words):
    fc = weighted("fc", "x", [[0] * 10], [[4, 5]], bound=8000)
    program = Program((group(2),), (encode_input((10,), 2), fc, encode("code", "fc", 2)), "code")
    with pytest.raises(HardwareError, match=words):
        cost_of(program, overrides)


def test_missing_statistics_are_named():
    with pytest.raises(DataError, match="lack step 'fc'"):
        cost_of(dense_program(), statistics=ProgramStatistics({}))


def test_lifetime_is_endurance_over_the_hottest_cells_writes():
    cost = cost_of(conv_program())
    hottest = max(layer.writes_hottest for layer in cost.by_layer)
    assert cost.lifetime_s == pytest.approx(1e9 / hottest * cost.bottleneck_ns * 1e-9)
    assert cost.lifetime_levelled_s > cost.lifetime_s


def test_uniform_profile_is_the_expectation_of_uniform_codes():
    profile = uniform_profile(1024, 16, 16)
    rng = np.random.default_rng(0)
    fc = weighted(
        "fc", "x", rng.integers(0, 16, (4000, 1024)), np.ones((16, 16)), bias=[1] * 4000, bound=2000
    )
    program = Program((group(16),), (encode_input((1024,), 16), fc), "fc")
    collector = StatisticsCollector(program, rng, 4000)
    collector.observe("x", rng.integers(0, 16, (1, 1024), np.uint8))
    collector.observe("fc", np.zeros((1, 4000), np.int32))
    counted = collector.result().steps["fc"]
    assert profile.digits == pytest.approx(counted.digits_sum / 4000, rel=0.01)
    assert profile.occupied == pytest.approx(counted.occupied_sum / 4000, rel=0.01)
    assert math.isclose(profile.addends[0], counted.mean_addends, rel_tol=0.01)
