"""Every programme, executed on all inputs or random ones; its cycles are those of the list."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapidnn.errors import HardwareError
from rapidnn.machine import load_hardware
from rapidnn.machine.micro.block import programmes
from rapidnn.machine.micro.crossbar import Crossbar
from rapidnn.machine.micro.full_adders import MAGIC_12, NOR3_8, NOR_9
from rapidnn.machine.micro.instructions import Nor, Reset, Set
from rapidnn.machine.micro.programmes import ADDERS, COMPRESSORS, ZERO, Programme, adder, compressor

QUICK = settings(max_examples=60, deadline=None)
NAMES = {"magic-13": 13, "nor-10": 10, "nor3-9": 9}
FINAL = {
    "magic-12n1": lambda n: 12 * n + 1,
    "magic-13n": lambda n: 13 * n,
    "aritpim-18n1": lambda n: 18 * n + 1,
    "nor-9n1": lambda n: 9 * n + 1,
    "nor3-8n1": lambda n: 8 * n + 1,
}


def laid_out(programme, operands, lanes, rng, gap=3):
    """A crossbar full of noise with operands ``{row name: words by lane}``, and the rows of all names."""
    names = [*operands, *programme.scratch, "sum", "carry"]
    rows = {name: 1 + gap * i for i, name in enumerate(dict.fromkeys(names))}
    width = lanes * programme.word_bits
    noise = [int(rng.integers(0, 2**62)) ** 20 % (1 << width) for _ in range(gap * len(names) + 2)]
    crossbar = Crossbar(len(noise), lanes, programme.word_bits, cells=[0, *noise[1:]])
    for name, words in operands.items():
        for lane, word in enumerate(words):
            crossbar.write(rows[name], lane, word)
    return crossbar, rows | {ZERO: 0}


def words_of(crossbar):
    return [[crossbar.read(row, lane) for lane in range(crossbar.lanes)] for row in range(crossbar.rows)]


@pytest.mark.parametrize("cell", [MAGIC_12, NOR_9, NOR3_8])
def test_full_adders_on_all_inputs(cell):
    for bits in itertools.product((0, 1), repeat=3):
        values = dict(zip("abc", bits, strict=True))
        for out, inputs in cell.gates:
            values[out] = int(not any(values[name] for name in inputs))
        assert 2 * values["carry"] + values["sum"] == sum(bits)
    results = [inputs for out, inputs in cell.gates if out in ("sum", "carry")]
    assert not {"a", "b", "c", "sum", "carry"} & set(itertools.chain(*results))


def test_sizes_of_the_full_adders():
    assert [len(cell.gates) for cell in (MAGIC_12, NOR_9, NOR3_8)] == [12, 9, 8]
    widest = [max(len(inputs) for _, inputs in cell.gates) for cell in (MAGIC_12, NOR_9, NOR3_8)]
    assert widest == [2, 2, 3]


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("name", sorted(COMPRESSORS))
def test_a_carry_save_step_on_all_three_bit_words(name, shift):
    step = compressor(name, 3, shift)
    triples = list(itertools.product(range(8), repeat=3))
    operands = dict(zip("abc", zip(*triples, strict=True), strict=True))
    crossbar, rows = laid_out(step, operands, len(triples), np.random.default_rng(0))
    crossbar.run(step, rows, crossbar.lanes_mask(range(len(triples))))
    for lane, triple in enumerate(triples):
        left = crossbar.read(rows["sum"], lane) + crossbar.read(rows["carry"], lane)
        assert left % 8 == sum(triple) % 8
    assert crossbar.counts.cycles == step.cycles + len(triples) * step.cycles_per_lane
    assert crossbar.counts.nor_outputs == len(triples) * step.nor_outputs
    assert crossbar.counts.init_writes == len(triples) * step.init_writes


@QUICK
@given(
    st.sampled_from(sorted(COMPRESSORS)),
    st.booleans(),
    st.integers(1, 32),
    st.lists(st.booleans(), min_size=1, max_size=6).filter(any),
    st.integers(0, 2**32 - 1),
)
def test_a_carry_save_step_in_some_lanes_leaves_the_others_alone(name, shift, bits, active, seed):
    step, rng, lanes = compressor(name, bits, shift), np.random.default_rng(seed), len(active)
    operands = {row: rng.integers(0, 1 << bits, lanes).tolist() for row in "abc"}
    crossbar, rows = laid_out(step, operands, lanes, rng)
    before = words_of(crossbar)
    crossbar.run(step, rows, crossbar.lanes_mask(lane for lane in range(lanes) if active[lane]))
    after = words_of(crossbar)
    for lane in range(lanes):
        if active[lane]:
            left = after[rows["sum"]][lane] + after[rows["carry"]][lane]
            assert (left - sum(operands[row][lane] for row in "abc")) % (1 << bits) == 0
            assert [after[rows[row]][lane] for row in "abc"] == [operands[row][lane] for row in "abc"]
        else:
            assert [row[lane] for row in before] == [row[lane] for row in after]


@pytest.mark.parametrize("shift", [True, False])
@pytest.mark.parametrize("name", sorted(ADDERS))
def test_a_final_addition_on_all_four_bit_words(name, shift):
    final = adder(name, 4, shift)
    for a, b in itertools.product(range(16), repeat=2):
        crossbar, rows = laid_out(final, {"a": [0, a], "b": [7, b]}, 2, np.random.default_rng(a + 16 * b))
        before = [row[0] for row in words_of(crossbar)]
        crossbar.run(final, rows, crossbar.lanes_mask([1]))
        assert crossbar.read(rows["sum"], 1) == (a + b) % 16
        assert [row[0] for row in words_of(crossbar)] == before
    counts = crossbar.counts
    assert (counts.cycles, counts.nor_outputs) == (final.cycles, final.nor_outputs)
    assert counts.init_writes == final.init_writes


@QUICK
@given(st.sampled_from(sorted(ADDERS)), st.booleans(), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_a_final_addition_of_any_width(name, shift, bits, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 1 << bits, 2).tolist()
    final = adder(name, bits, shift)
    crossbar, rows = laid_out(final, {"a": [a], "b": [b]}, 1, rng)
    crossbar.run(final, rows, 1)
    assert crossbar.read(rows["sum"], 0) == (a + b) % (1 << bits)


@pytest.mark.parametrize("bits", [2, 11, 27])
def test_cycles_are_the_lengths_the_names_promise(bits):
    for name, cycles in NAMES.items():
        step = compressor(name, bits)
        assert step.cycles == len(step.together) == cycles
        assert step.nor_outputs == step.init_writes == (cycles - 1) * bits
    for name, formula in FINAL.items():
        assert adder(name, bits).cycles == formula(bits)
    assert NAMES.keys() == COMPRESSORS.keys()
    assert FINAL.keys() == ADDERS.keys()


def test_the_records_of_the_description_state_what_the_programmes_do():
    hardware = load_hardware("rapidnn-hpca20")
    assert set(hardware.adders) == set(ADDERS)
    assert set(hardware.compressors) == set(COMPRESSORS)
    for name, record in hardware.compressors.items():
        step = compressor(name, 8)
        assert (step.cycles, len(step.scratch)) == (record.cycles.value, record.scratch_rows.value)
        assert step.nor_outputs == 8 * record.nor_outputs_per_bit.value
        assert step.init_writes == 8 * record.init_writes_per_bit.value
        assert set(step.gates) == set(record.gates.value)
    for name, record in hardware.adders.items():
        for bits in (8, 27):
            final = adder(name, bits)
            assert final.cycles == record.cycles_per_bit.value * bits + record.cycles_fixed.value
            assert final.nor_outputs == record.nor_outputs_per_bit.value * bits
            # whole rows of a bulk initialisation, or the first carry, come on top of one write per NOR output
            assert 0 <= final.init_writes - record.init_writes_per_bit.value * bits <= bits
            assert set(final.gates) == set(record.gates.value)


def test_a_gate_needs_its_cell_initialised():
    step = compressor("nor-10", 4)
    bare = Programme("bare", 4, step.together[1:], scratch=step.scratch)
    wrong = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        operands = {row: rng.integers(0, 16, 1).tolist() for row in "abc"}
        crossbar, rows = laid_out(bare, operands, 1, rng)
        crossbar.run(bare, rows, 1)
        total = crossbar.read(rows["sum"], 0) + crossbar.read(rows["carry"], 0)
        wrong += (total - sum(word for (word,) in operands.values())) % 16 != 0
    assert wrong > 10


def test_switches_and_writes_are_counted_cell_by_cell():
    crossbar = Crossbar(4, 2, 3, cells=[0, 0b000_101, 0b111_001, 0])
    rows = {"x": 1, "y": 2, "out": 3}
    lane0 = crossbar.lanes_mask([0])
    crossbar.step(Set(("out",)), rows, lane0)
    crossbar.step(Nor("out", ("x", "y")), rows, lane0)
    assert crossbar.cells[3] == 0b000_010
    counts = crossbar.counts
    assert (counts.cycles, counts.init_writes, counts.nor_outputs) == (2, 3, 3)
    assert (counts.switched_on, counts.switched_off) == (3, 2)
    crossbar.write(1, 1, 0b110)
    crossbar.step(Reset("y", bit=0), rows, lane0)
    assert crossbar.cells[1:3] == [0b110_101, 0b111_000]
    assert (counts.switched_on, counts.switched_off, counts.word_writes) == (5, 3, 3)
    expected = np.zeros((4, 6), np.int64)
    expected[3, :3], expected[1, 3:], expected[2, 0] = 2, 1, 1
    assert (crossbar.writes() == expected).all()


def test_a_programme_is_refused_where_it_is_unknown_or_its_gate_is_missing():
    with pytest.raises(HardwareError, match=r"no programme is written for compressor 'magic-7'.*nor-10"):
        compressor("magic-7", 8)
    with pytest.raises(HardwareError, match=r"no programme is written for adder 'fast'.*nor-9n1"):
        adder("fast", 8)
    hardware = load_hardware("rapidnn-hpca20")
    rna = hardware.rna.model_copy(
        update={"adder": hardware.rna.adder.model_copy(update={"value": "nor3-8n1"})}
    )
    with pytest.raises(HardwareError, match=r"'nor3-8n1' needs the gate NOR3.*cell.gates: NOR"):
        programmes(hardware.model_copy(update={"rna": rna}), 8)
