"""Products of codes, joins, constants, zero stuffing and the host: what a stage is, and what it is charged."""

from dataclasses import replace

import numpy as np
import pytest

from rapidnn.graph import Graph, Node, ops
from rapidnn.machine import load_hardware
from rapidnn.machine.chip import edge_buffers
from rapidnn.machine.confidence import entering
from rapidnn.machine.host import HostWork, arithmetic, host_work
from rapidnn.machine.pipeline import plan_layers, plan_stages
from rapidnn.tables.program import (
    Carry,
    CodeGroup,
    CodeProduct,
    CodeSum,
    EncodeReal,
    Host,
    Join,
    Program,
    Residual,
    Window,
)
from tests.machine.programs import conv_program, dense_program, encode, encode_input, group, weighted
from tests.machine.test_cost import assert_closed, collect, cost_of

READ = 8.17 / 32
BUFFER = 2.2 / 32
LINK = 50.8


def product_program():
    """x (4, 3, 3) times its own gate (4, 1, 1), encoded."""
    gate = weighted("fc", "flat", np.zeros((4, 36)), np.ones((1, 1, 4)), bound=40)
    product = CodeProduct(
        "scale", "x", "gate", np.arange(16, dtype=np.int16).reshape(4, 4), 16, 0, np.ones(1), 15
    )
    steps = (
        encode_input((4, 3, 3), 4),
        Carry("flat", "x", ops.Reshape((36,))),
        gate,
        encode("fc.code", "fc", 4),
        Carry("gate", "fc.code", ops.Reshape((4, 1, 1))),
        product,
        encode("scale.code", "scale", 4),
    )
    return Program((group(4),), steps, "scale.code")


def test_a_product_of_codes_is_one_row_read():
    program = product_program()
    cost = cost_of(program)
    assert_closed(cost)
    layer = next(y for y in cost.by_layer if y.name == "scale")
    assert layer.kind == "CodeProduct"
    assert (layer.neurons, layer.macs, layer.lanes, layer.addends_mean) == (36, 36, 0, 0)
    assert cost.macs == 36 + 4 * 36
    cycles = {phase: value for phase, value in layer.cycles.items() if value}
    assert cycles == {"deliver": 2, "result_read": 1, "activation": 1, "encoding": 2}
    assert layer.by_component["product_rows"] == pytest.approx(36 * 16 * READ)
    assert layer.by_component["input_codes"] == pytest.approx(36 * 4 * BUFFER)
    assert layer.bits_by_component["broadcast"] == 36 * 4
    for absent in ("addend_copies", "nor_outputs", "counters", "result_read", "weight_codes"):
        assert layer.by_component[absent] == 0
    assert layer.writes_hottest == 0


def test_a_product_table_beyond_the_crossbar_is_reloaded():
    # 128 rows x 96 columns hold 12,288 bits; 32 x 32 products of 16 bits need 16,384.
    table = np.zeros((32, 32), np.int16)
    product = CodeProduct("p", "x", "x", table, 16, 0, np.ones(1), 15)
    program = Program((group(32),), (encode_input((5,), 32), product), "p")
    cost = cost_of(program, {"rna.rows": 128, "rna.columns": 96})
    assert cost.bits_by_component["reload"] == 3 * 5 * (16_384 - 12_288)  # read, moved, written
    assert cost_of(program).bits_by_component["reload"] == 0


def join_program(*, recode):
    first = weighted("a", "x", np.zeros((4, 2, 1, 1)), np.ones((1, 1, 4)), window=_pointwise(), bound=10)
    second = weighted("b", "x", np.zeros((4, 2, 1, 1)), np.ones((1, 1, 4)), window=_pointwise(), bound=10)
    books = (group(4), CodeGroup("h", np.arange(16, dtype=np.int32), 1.0, 8, None))
    tables = (np.arange(4, dtype=np.uint8), np.arange(16, dtype=np.uint8)) if recode else ()
    steps = (
        encode_input((2, 4, 4), 4),
        first,
        encode("a.code", "a", 4),
        second,
        encode("b.code", "b", 16 if recode else 4, book="h" if recode else "g"),
        Join("cat", ("a.code", "b.code"), 0, "h" if recode else "g", tables),
        Carry("pool", "cat", ops.MaxPool((2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1), False)),
    )
    return Program(books, steps, "pool")


def _pointwise():
    return Window((1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1))


def test_a_join_within_a_codebook_is_free():
    program = join_program(recode=False)
    cost = cost_of(program)
    assert_closed(cost)
    assert [y.name for y in cost.by_layer] == ["x", "a", "b"]
    assert cost.by_layer[2].steps == ("b", "b.code", "cat", "pool")
    assert any("join" in item for item in cost.zeros)
    buffers = edge_buffers(program, plan_stages(program))
    assert {edge: b.copies for edge, b in buffers.items()} == {"x": 3, "a.code": 2, "b.code": 1}
    split = cost_of(
        program, {"chip.tiles": 1, "chip.blocks_per_tile": 5}
    )  # x and a on one chip, b on the next
    assert split.bits_by_component["link"] == 2 * 16 * 2 + 4 * 16 * 2  # x to b, and a.code to the pool


def test_a_join_that_translates_reads_one_row_an_element():
    cost = cost_of(join_program(recode=True))
    assert_closed(cost)
    layer = next(y for y in cost.by_layer if y.name == "cat")
    assert layer.kind == "Join"
    assert layer.neurons == 8 * 16
    assert layer.by_component["table_rows"] == pytest.approx(8 * 16 * 4 * READ)
    assert layer.bits_by_component["input_codes"] == 4 * 16 * (2 + 4)
    assert layer.cycles["deliver"] == layer.cycles["result_read"] == 1
    assert layer.by_component["max_pool"] > 0
    assert layer.macs == 0


def test_a_constant_is_one_more_addend_where_it_is_not_zero():
    rows = np.ones((1, 4), np.int32)
    offset = np.array([[0, 5, 6]], np.int32)
    step = CodeSum("add", (Residual("x", rows),), offset, np.ones(1), 7)
    program = Program((group(4),), (encode_input((2, 3), 4), step), "add")
    counted = collect(program, np.zeros((1, 2, 3), np.float32)).steps["add"]
    assert counted.addends == ((1, 2), (2, 4))
    assert counted.table_rows_sum == 6 + 4
    (layer,) = plan_layers(program)[1:]
    assert (layer.constant_words, layer.most_addends) == (3, 2)
    large = replace(step, offset=np.ones((2, 3000), np.int32))
    program = Program((group(4),), (encode_input((2, 3000), 4), large), "add")
    tight = {"rna.rows": 64, "rna.columns": 256}
    assert cost_of(program, tight).bits_by_component["reload"] == 3 * 6000 * layer.word_bits
    assert cost_of(program).bits_by_component["reload"] == 0


def test_stuffed_zeros_are_delivered_but_add_nothing():
    book = CodeGroup("g", np.array([0, 1, 2, 3], np.int32), 1.0, 8, 0)
    products = np.array([[[0, 1, 2, 3]]])
    conv = weighted("c", "s", np.zeros((1, 1, 3, 3)), products, window=_window(), bound=100)
    steps = (encode_input((1, 3, 3), 4), Carry("s", "x", ops.ZeroStuff((2, 2))), conv)
    program = Program((book,), steps, "c")
    counted = collect(program, np.ones((1, 1, 3, 3), np.float32), neurons=10**9).steps["c"]
    assert counted.taps_sum == 9 * 9  # 3 x 3 windows of the 5 x 5 stuffed input
    assert counted.occupied_sum == 9  # the stuffed zeros' products are zero
    assert counted.addends == ((1, 9),)  # one, two or four taps of one pair: a single digit
    buffers = edge_buffers(program, plan_stages(program))
    assert {edge: b.bits for edge, b in buffers.items()} == {"x": 9 * 2}


def _window():
    return Window((3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1))


def test_taking_costs_nothing():
    plain = dense_program(inputs=8)
    x, fc = plain.steps
    taken = Program(
        plain.groups, (x, Carry("t", "x", ops.Take(0, (7, *range(7)))), replace(fc, source="t")), "fc"
    )
    a, b = cost_of(plain, statistics=collect(plain)), cost_of(taken, statistics=collect(plain))
    assert (a.energy_pj, a.latency_ns) == (b.energy_pj, b.latency_ns)


def host_program():
    """A linear layer, softmax and a matrix product on the host, and a linear layer that reads their result."""
    q = weighted("q", "x", np.zeros((4, 6)), np.ones((1, 1, 4)), bound=10)
    back = weighted("out", "m.code", np.zeros((2, 4)), np.ones((1, 1, 4)), bound=10)
    steps = (
        encode_input((4, 6), 4),
        q,
        Host("soft", ("q",), ops.Softmax(1, False)),
        Host("again", ("q",), ops.Softmax(0, True)),
        Host("turned", ("again",), ops.Transpose((1, 0))),
        Host("m", ("soft", "turned"), ops.MatMul()),
        EncodeReal("m.code", "m", "g", np.zeros(3, np.float32)),
        back,
    )
    return Program((group(4),), steps, "out")


def test_operators_on_the_host_are_stages_of_their_own():
    program = host_program()
    cost = cost_of(program)
    assert_closed(cost)
    assert [(y.name, y.kind, y.runs_on) for y in cost.by_layer] == [
        ("x", "EncodeInput", "machine"),
        ("q", "WeightedSum", "machine"),
        ("soft", "host: softmax", "host"),
        ("again", "host: log softmax", "host"),
        ("m", "host: matmul", "host"),
        ("m.code", "EncodeReal", "machine"),
        ("out", "WeightedSum", "machine"),
    ]
    by_name = {y.name: y for y in cost.by_layer}
    assert by_name["again"].steps == ("again", "turned")
    assert (by_name["m"].macs, by_name["m"].host_macs) == (0, 4 * 4 * 4)
    assert cost.host_macs == 64
    assert cost.macs == 4 * 4 * 6 + 4 * 2 * 4
    words = 16 * 5  # q's accumulators of 5 bits, read once for both operators
    assert by_name["q"].bits_by_component["code_output"] == 2 * words  # moved, and written
    assert [by_name[n].bits_by_component["host_link"] for n in ("soft", "again", "m", "m.code")] == [
        2 * words,
        0,
        0,
        16 * 32,
    ]
    assert by_name["soft"].by_component["host_link"] == pytest.approx(words * (BUFFER + LINK))
    assert by_name["m"].by_component["host"] == pytest.approx(64 * (0.9 + 3.7) + (2 * 64 + 16) * 5)
    assert by_name["m"].stage_ns == pytest.approx(2 * 64 / 16)
    assert edge_buffers(program, plan_stages(program))["q"].bits == words
    assert cost.area_by_component_um2["link"] == pytest.approx(22.88e6)
    note = next(n for n in cost.notes if "on the host" in n)
    assert note.startswith("3 operators run on the host (with its link ")
    assert note.endswith(": softmax, log softmax, matmul")
    assert f"{cost.host_energy_pj / cost.energy_pj:.2%}" in note


def test_codes_from_the_host_are_encoded_like_the_input():
    cost = cost_of(host_program())
    first, later = (next(y for y in cost.by_layer if y.name == n) for n in ("x", "m.code"))
    assert later.by_component["encoding_am"] / 16 == pytest.approx(first.by_component["encoding_am"] / 24)
    assert later.cycles == first.cycles
    assert first.by_component["host_link"] == 0


def test_a_slow_host_sets_the_pace_but_not_the_peak():
    program = host_program()
    statistics = collect(program)
    fast, slow = (cost_of(program, {"host.gflop_per_s": rate}, statistics) for rate in (16, 1e-3))
    assert fast.bottleneck_layer != "host" == slow.bottleneck_layer
    on_host = sum(y.stage_ns for y in slow.by_layer if y.runs_on == "host")
    assert slow.bottleneck_ns == pytest.approx(on_host + 1.1)
    assert slow.peak == fast.peak
    assert slow.energy_pj == pytest.approx(fast.energy_pj)
    assert_closed(slow)


def test_a_softmax_of_the_result_moves_nothing():
    plain = dense_program()
    ended = replace(plain, host_tail=ops.Softmax(0, False))
    before, after = cost_of(plain, statistics=collect(plain)), cost_of(ended, statistics=collect(plain))
    tail = after.by_layer[-1]
    assert (tail.name, tail.kind) == ("fc:softmax", "host: softmax")
    assert after.energy_pj == pytest.approx(before.energy_pj + tail.by_component["host"])
    assert after.by_component["host_link"] == 0
    assert after.area_um2 == before.area_um2
    assert tail.by_component["host"] > 0 == before.by_component["host"]


def test_operations_of_the_host():
    hardware = load_hardware("rapidnn-hpca20")
    # Three rows of four: max, subtract, exp, sum, divide each; the logarithm is one a row.
    assert host_work(ops.Softmax(1, False), [(3, 4)]) == HostWork(36, 0, 12, 12, 0, 0, 60)
    assert host_work(ops.Softmax(0, True), [(3, 4)]) == HostWork(48, 0, 0, 12, 4, 0, 60)
    norm = ops.LayerNorm(1, np.ones(4, np.float32), np.ones(4, np.float32), 1e-5)
    assert host_work(norm, [(3, 4)]) == HostWork(51, 24, 18, 0, 0, 3, 84)
    assert host_work(ops.MatMul(), [(2, 3, 4), (2, 4, 5)]).macs == 2 * 3 * 4 * 5
    assert host_work(ops.Reshape((12,)), [(3, 4)]) == HostWork()
    assert arithmetic(HostWork(1, 1, 1, 1, 1, 1), hardware) == (1 + 2 + 10 + 11 + 2, 1 + 5 + 9 + 14 + 9)


@pytest.mark.parametrize("make", [conv_program, host_program])
def test_constants_that_do_not_enter_change_nothing(make):
    program, hardware = make(), load_hardware("rapidnn-hpca20")
    statistics = collect(program)
    cost = cost_of(program, None, statistics)
    hosted = make is host_program
    counted = entering(hardware, hosted=hosted, linked=hosted)
    assert sum(cost.confidence.values()) == len(counted)
    for name, record in hardware.constants.items():
        free = name not in counted and not name.startswith(("claims", "recalled"))
        if free and isinstance(record.value, int | float):
            changed = cost_of(program, {name: record.value + 1}, statistics)
            assert (changed.energy_pj, changed.latency_ns, changed.area_um2, changed.peak) == (
                cost.energy_pj,
                cost.latency_ns,
                cost.area_um2,
                cost.peak,
            ), name
    for name in ("rna.cycle_ns", "logic.nor_fj", *(("host.add_pj", "link.pj_per_bit") if hosted else ())):
        assert name in counted
        changed = cost_of(program, {name: counted[name].value + 1}, statistics)
        assert (changed.energy_pj, changed.latency_ns) != (cost.energy_pj, cost.latency_ns)


def test_names_of_the_tail_do_not_collide():
    nodes = (Node("input", ops.Input((3,)), ()), Node("input:softmax", ops.Softmax(0, False), ("input",)))
    assert Graph(nodes, "input:softmax").output_shape == (3,)
    rows = np.ones((1, 4), np.int32)
    sums = CodeSum("x:softmax", (Residual("x", rows),), None, np.ones(1), 4)
    program = Program((group(4),), (encode_input((3,), 4), sums), "x", host_tail=ops.Softmax(0, False))
    names = [stage.name for stage in plan_stages(program)]
    assert len(names) == len(set(names)) == 3
