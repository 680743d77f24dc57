"""One neuron executed whole: equal to the reference in bits, and to the macro model in every count."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.errors import DataError, HardwareError
from rapidnn.execute.reference import run_reference
from rapidnn.machine.micro.against import macro_of
from rapidnn.machine.micro.run import run_neuron
from rapidnn.machine.pipeline import plan_layers
from rapidnn.tables.program import ActivationTable, Program, Summing
from tests.machine.micro.setups import MACHINES, machine
from tests.machine.programs import (
    conv_program,
    dense_program,
    encode,
    encode_input,
    group,
    table_activation,
    weighted,
)
from tests.strategies import compositions, with_hostile_tables

RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
ACTIVATIONS = [
    ActivationTable("relu"),
    ActivationTable("identity"),
    ActivationTable("relu6", cap=np.array([3], np.int32)),
    table_activation(8),
]


def edges_of(program, x):
    edges = {}
    run_reference(program, x, edges.__setitem__)
    return edges


def assert_equal_to_reference(done, edges, place, sample):
    for name, value in done.results.items():
        assert value == edges[name][(sample, *place)], name
    assert done.accumulator == edges[done.neuron.step.name][(sample, *place)]


def assert_equal_to_macro(done, edges, hardware, sample):
    """Cycles of every phase, bits of every component, writes in all and to the hottest cell: exactly equal."""
    model = macro_of(done.neuron, edges, hardware, sample)
    cost = model.cost()
    cycles = {name: float(values[0]) for name, values in model.phase_cycles.items()}
    assert cycles == {name: done.phases.get(name, 0) for name in cycles}
    assert set(done.phases) <= set(cycles)
    bits = cost.energy.bits()
    assert set(done.bits) <= set(bits)
    assert bits == {name: done.bits.get(name, 0) for name in bits}
    assert bits["nor_outputs"] == done.counts.nor_outputs
    assert bits["initialisation"] == done.counts.init_writes
    if done.neuron.layer.counted:
        assert (cost.cell_writes, cost.hottest_writes) == (done.cell_writes, done.hottest_writes)
        assert cost.stream_bits == done.stream_bits
        assert model.profile.addends.tolist() == [len(done.addends)]
        assert model.profile.occupied == done.occupied
    assert done.slot_rows <= done.setup.slots


@RELAXED
@given(
    st.integers(1, 600),
    st.sampled_from([1, 2, 4, 16, 64]),
    st.sampled_from([1, 2, 4, 16, 64]),
    st.sampled_from([1, 5, 500, 30000]),
    st.sampled_from(ACTIVATIONS),
    st.sampled_from([1, 2, 5, 16]),
    MACHINES,
    st.integers(0, 2**32 - 1),
)
def test_micro_equals_reference_and_macro(inputs, w, u, limit, activation, size, overrides, seed):
    rng = np.random.default_rng(seed)
    products = rng.integers(-limit, limit + 1, (1, w, u))
    products[rng.random(products.shape) < 0.2] = 0
    step = weighted(
        "fc",
        "x",
        rng.integers(0, w, (2, inputs)),
        products,
        bias=[0, int(rng.integers(-9, 9))],
        bound=(limit + 9) * inputs,
    )
    last = encode("code", "fc", size, activation=activation, book="h")
    program = Program((group(u), group(size, "h")), (encode_input((inputs,), u), step, last), "code")
    edges = edges_of(program, rng.normal(size=(2, inputs)).astype(np.float32))
    hardware = machine(overrides)
    noise = [int(word) ** 20 % (1 << 1024) for word in rng.integers(0, 2**62, 1500)]
    for place, sample in ((0,), 0), ((1,), 1):
        done = run_neuron(program, "fc", place, edges, hardware, sample=sample, cells=noise)
        assert_equal_to_reference(done, edges, place, sample)
        assert_equal_to_macro(done, edges, hardware, sample)


@RELAXED
@given(compositions(), MACHINES, st.integers(0, 2**32 - 1))
def test_any_neuron_of_any_network(made, overrides, seed):
    _, composed, x = made
    rng = np.random.default_rng(seed)
    program = with_hostile_tables(composed.program, rng)
    edges = edges_of(program, x)
    hardware = machine(overrides)
    layers = {layer.name: layer for layer in plan_layers(program)}
    for step in program.steps:
        if isinstance(step, Summing):
            shape = program.shapes[step.name]
            place = np.unravel_index(int(rng.integers(math.prod(shape))), shape)
            place, sample = tuple(int(i) for i in place), int(rng.integers(len(x)))
            done = run_neuron(
                program, step.name, place, edges, hardware, sample=sample, layer=layers[step.name]
            )
            assert_equal_to_reference(done, edges, place, sample)
            assert_equal_to_macro(done, edges, hardware, sample)


def test_every_neuron_of_a_network_with_windows_pools_and_residuals():
    program = conv_program()
    x = np.random.default_rng(1).normal(size=(1, *program.input_shape)).astype(np.float32)
    edges, hardware = edges_of(program, x), machine({"rna.max_lanes": 3})
    for layer in plan_layers(program)[1:]:
        for flat in range(0, math.prod(program.shapes[layer.name]), 7):
            place = tuple(int(i) for i in np.unravel_index(flat, program.shapes[layer.name]))
            done = run_neuron(program, layer.name, place, edges, hardware, layer=layer)
            assert_equal_to_reference(done, edges, place, 0)
            assert_equal_to_macro(done, edges, hardware, 0)


def test_nothing_to_add_reads_the_row_of_zeros():
    step = weighted("fc", "x", [[0] * 5], [[0, 0]], bound=8)
    program = Program((group(2),), (encode_input((5,), 2), step), "fc")
    edges = edges_of(program, np.zeros((1, 5), np.float32))
    done = run_neuron(program, "fc", (0,), edges, machine({}), cells=[(1 << 900) - 1] * 60)
    assert (done.accumulator, len(done.addends), done.phases.get("add")) == (0, 0, None)
    assert_equal_to_macro(done, edges, machine({}), 0)


def test_counters_that_overflow_are_named():
    program = dense_program(40, 1, w=1, u=1)
    edges = edges_of(program, np.zeros((1, 40), np.float32))
    with pytest.raises(HardwareError, match=r"counter \(0, 0\) counts above 31; raise counters.width_bits"):
        run_neuron(program, "fc", (0,), edges, machine({"counters.width_bits": 5}))
    assert run_neuron(program, "fc", (0,), edges, machine({"counters.width_bits": 6})).cycles > 0


def test_a_neuron_that_is_not_there_is_named():
    program = dense_program()
    edges = edges_of(program, np.zeros((1, 8), np.float32))
    with pytest.raises(DataError, match="layer 'x' does not accumulate; the layers with neurons are: fc"):
        run_neuron(program, "x", (0,), edges, machine({}))
    with pytest.raises(DataError, match=r"layer 'fc' has neurons of shape \(4,\); \(4,\) is none of them"):
        run_neuron(program, "fc", (4,), edges, machine({}))
    with pytest.raises(HardwareError, match="raise rna"):
        run_neuron(program, "fc", (0,), edges, machine({"rna.columns": 8}))


def test_better_programmes_take_fewer_cycles():
    program = dense_program(300, 1, w=16, u=16)
    edges = edges_of(program, np.random.default_rng(0).normal(size=(1, 300)).astype(np.float32))
    paper = run_neuron(program, "fc", (0,), edges, machine({}))
    better = run_neuron(program, "fc", (0,), edges, machine({"compressor": "nor-10", "adder": "nor-9n1"}))
    best = run_neuron(program, "fc", (0,), edges, machine({"compressor": "nor3-9", "adder": "nor3-8n1"}))
    assert paper.accumulator == better.accumulator == best.accumulator
    assert paper.phases["reduce"] == 13 * paper.rounds
    assert better.phases["reduce"] == 10 * paper.rounds
    assert best.phases["reduce"] == 9 * paper.rounds
    assert best.counts.nor_outputs < better.counts.nor_outputs < paper.counts.nor_outputs
