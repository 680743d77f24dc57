"""Counted statistics against literal counting, and against the accumulators themselves."""

import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rapidnn.errors import DataError
from rapidnn.execute.reference import run_reference
from rapidnn.machine import ProgramStatistics, StatisticsCollector
from rapidnn.machine.digits import signed_digits
from rapidnn.machine.sampling import NeuronSample, sample_pairs, source_edges
from rapidnn.tables.program import CodeSum, PooledSum, Program, WeightedSum
from tests.machine.programs import conv_program, dense_program, encode_input, group, weighted
from tests.strategies import compositions, with_hostile_tables

RELAXED = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def collect(program, x, neurons=10**9, seed=0):
    collector = StatisticsCollector(program, np.random.default_rng(seed), neurons)
    run_reference(program, x, collector.observe)
    return collector.result()


def literal_addends(products, counts, bias, rows):
    """SPEC section 3, step 2, written out for one neuron."""
    addends, negative = 0, False
    for i, j in itertools.product(*map(range, counts.shape)):
        if products[i, j] != 0:
            digits = signed_digits(int(counts[i, j]))
            addends += len(digits)
            negative |= any(sign < 0 for sign, _ in digits)
    return addends + negative + (bias != 0) + sum(row != 0 for row in rows)


def test_dense_layer_counted_by_hand():
    products = [[0, 5], [7, -2]]
    # Neuron 0: pairs (0,1) x3 and (1,0) x1 -> 3 = 0b11 has two binary digits, not more than 4 - 1: A = 2 + 1 = 3.
    # Neuron 1: pairs (1,1) x3 and (1,0) x1, a bias: A = 2 + 1 + 1 = 4.
    fc = weighted("fc", "x", [[0, 0, 0, 1], [1, 1, 1, 1]], products, bias=[0, 9])
    program = Program((group(2),), (encode_input((4,), 2), fc), "fc")
    x = np.array([[1, 1, 1, -1]], np.float32)
    step = collect(program, x).steps["fc"]
    assert step.addends == ((3, 1), (4, 1))
    assert (step.digits_sum, step.table_rows_sum, step.corrections_sum) == (6, 1, 0)
    assert (step.occupied_sum, step.taps_sum, step.sampled, step.observed) == (4, 8, 2, 2)
    assert step.group_taps_sum == (3 + 4, 1 + 0)
    assert step.mean_addends == 3.5
    assert step.addends_standard_error == 0


def test_a_zero_product_makes_no_addend_and_a_negative_digit_one_more():
    fc = weighted("fc", "x", [[0] * 7 + [1] * 3], [[5], [0]])
    program = Program((group(1),), (encode_input((10,), 1), fc), "fc")
    step = collect(program, np.zeros((1, 10), np.float32)).steps["fc"]
    assert step.addends == ((3, 1),)  # 7 = 8 - 1, and the +1; the three zero products are not added
    assert (step.digits_sum, step.corrections_sum, step.occupied_sum) == (2, 1, 1)


@RELAXED
@given(compositions(), st.integers(0, 2**32 - 1))
def test_counts_rebuild_every_accumulator(made, seed):
    _, composed, x = made
    program = with_hostile_tables(composed.program, np.random.default_rng(seed))
    edges = {}
    run_reference(program, x, edges.__setitem__)
    for step, sources in source_edges(program):
        if isinstance(step, CodeSum):
            continue
        shape = program.shapes[step.name]
        picked = np.arange(min(40, len(x) * math.prod(shape)))
        neurons = NeuronSample.of(picked, (len(x), *shape))
        counts, nonzero = sample_pairs(program, step, neurons, {name: edges[name] for name in sources})
        if isinstance(step, PooledSum):
            sums = (counts[:, 0] * step.row.astype(np.int64)).sum(axis=1)
        else:
            channel = (neurons.channel_last() if step.window is None else neurons.channel_first())[0]
            products = step.products.astype(np.int64)[channel if len(step.products) > 1 else channel * 0]
            sums = (counts * products).sum(axis=(1, 2)) + step.bias[channel]
            assert (np.broadcast_to(nonzero, counts.shape) == (products != 0)).all()
            for term in step.residuals:
                unit = channel if len(term.rows) > 1 else channel * 0
                codes = edges[term.source].reshape(len(x), -1)[neurons.row, neurons.flat]
                sums = sums + term.rows[unit, codes]
        assert (sums == edges[step.name].reshape(-1)[picked]).all(), step.name


def test_addends_equal_literal_counting():
    program = conv_program()
    x = np.random.default_rng(1).normal(size=(2, *program.input_shape)).astype(np.float32)
    edges = {}
    run_reference(program, x, edges.__setitem__)
    statistics = collect(program, x)
    for name in ("conv1", "conv2"):
        step = program.step[name]
        assert isinstance(step, WeightedSum)
        shape = program.shapes[name]
        neurons = NeuronSample.of(np.arange(2 * math.prod(shape)), (2, *shape))
        sources = [step.source, *(term.source for term in step.residuals)]
        counts, _ = sample_pairs(program, step, neurons, {edge: edges[edge] for edge in sources})
        expected = []
        for s in range(len(neurons)):
            channel = int(neurons.channel_first()[0][s])
            unit = channel if len(step.products) > 1 else 0
            code = [edges[t.source].reshape(2, -1)[neurons.row[s], neurons.flat[s]] for t in step.residuals]
            rows = [t.rows[unit, c] for t, c in zip(step.residuals, code, strict=True)]
            expected.append(literal_addends(step.products[unit], counts[s], step.bias[channel], rows))
        assert statistics.steps[name].addends == tuple(
            zip(*(a.tolist() for a in np.unique(expected, return_counts=True)), strict=True)
        )


def test_sampling_estimates_the_whole():
    program = dense_program(64, 400)
    x = np.random.default_rng(0).normal(size=(8, 64)).astype(np.float32)
    whole, part = collect(program, x).steps["fc"], collect(program, x, 300, seed=1).steps["fc"]
    assert (part.sampled, part.observed) == (300, 3200)
    assert part.addends_standard_error > 0
    assert abs(part.mean_addends - whole.mean_addends) < 5 * part.addends_standard_error
    assert collect(program, x, 300, seed=1).steps["fc"] == part


def test_batches_add_up():
    program = conv_program()
    x = np.random.default_rng(1).normal(size=(4, *program.input_shape)).astype(np.float32)
    collector = StatisticsCollector(program, np.random.default_rng(0), 10**9)
    for part in (x[:1], x[1:]):
        run_reference(program, part, collector.observe)
    assert collector.result() == collect(program, x)


def test_statistics_survive_json():
    program = conv_program()
    x = np.random.default_rng(1).normal(size=(1, *program.input_shape)).astype(np.float32)
    statistics = collect(program, x, 16)
    assert ProgramStatistics.from_json(json.loads(json.dumps(statistics.to_json()))) == statistics
    with pytest.raises(DataError, match="format"):
        ProgramStatistics.from_json({"format": 99, "steps": []})
    with pytest.raises(DataError, match="damaged"):
        ProgramStatistics.from_json({"format": 1, "steps": [{"step": "fc"}]})


def test_misuse_is_named():
    program = dense_program()
    with pytest.raises(DataError, match="at least 1"):
        StatisticsCollector(program, np.random.default_rng(0), 0)
    collector = StatisticsCollector(program, np.random.default_rng(0))
    with pytest.raises(DataError, match="'fc' was observed"):
        collector.result()
    with pytest.raises(DataError, match="before its source 'x'"):
        collector.observe("fc", np.zeros((1, 4), np.int32))


def test_statistics_are_stored_and_read_back(tmp_path):
    program = dense_program(30, 4)
    counted = collect(program, np.ones((2, 30), np.float32))
    counted.save(tmp_path / "s.json")
    assert ProgramStatistics.load(tmp_path / "s.json") == counted
    (tmp_path / "bad.json").write_text("[1", "utf-8")
    (tmp_path / "other.json").write_text("[1]", "utf-8")
    for name, words in (
        ("none", "No such file"),
        ("bad", "cannot read"),
        ("other", "does not hold statistics"),
    ):
        with pytest.raises(DataError, match=words):
            ProgramStatistics.load(tmp_path / f"{name}.json")
    with pytest.raises(DataError, match="cannot write statistics"):
        counted.save(tmp_path / "s.json" / "x")


def test_a_sample_is_within_its_interval_of_all():
    rng = np.random.default_rng(3)
    program = dense_program(200, 60, w=16, u=16)
    codes = rng.integers(0, 16, (40, 200)).astype(np.uint8)
    whole = StatisticsCollector(program, rng, exact=True, threads=2)
    whole.observe_codes({"x": codes})
    exact = whole.result().steps["fc"]
    assert exact.sampled == exact.observed == 40 * 60
    assert exact.addends_standard_error == 0
    misses = 0
    for seed in range(40):
        sampled = StatisticsCollector(program, np.random.default_rng(seed), 100)
        sampled.observe_codes({"x": codes})
        found = sampled.result().steps["fc"]
        misses += abs(found.mean_addends - exact.mean_addends) > 1.96 * found.addends_standard_error
    assert misses <= 8  # two are expected
