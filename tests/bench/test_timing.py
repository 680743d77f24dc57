"""Interleaving and repetition, with a clock that only the engines move."""

import pytest

from rapidnn.bench.timing import SAMPLE_S, Timed, interleaved


class Machine:
    def __init__(self):
        self.now = 0.0
        self.order = []

    def engine(self, name, seconds, first=None):
        def call():
            fresh = name not in self.order
            self.order.append(name)
            self.now += first if fresh and first is not None else seconds
            return name.upper()

        return call

    def clock(self):
        return self.now


def run(machine, engines, rounds):
    return interleaved(engines, rounds, clock=machine.clock)


def test_every_round_runs_every_engine_and_starts_with_another():
    machine = Machine()
    found = run(machine, {n: Timed(machine.engine(n, 1.0)) for n in "abc"}, 3)
    assert "".join(machine.order) == "abc" + "abc" + "bca" + "cab"
    assert {name: samples.seconds for name, samples in found.items()} == {n: [1.0] * 3 for n in "abc"}


def test_short_calls_fill_a_sample():
    machine = Machine()
    found = run(machine, {"a": Timed(machine.engine("a", SAMPLE_S / 3.5, first=SAMPLE_S / 2))}, 2)
    # The first call, one that measures, and in each round one to warm up and four in the sample.
    assert len(machine.order) == 2 + 2 * (1 + 4)
    assert found["a"].seconds == pytest.approx([SAMPLE_S / 3.5] * 2)
    assert found["a"].median_s == pytest.approx(SAMPLE_S / 3.5)


def test_an_engine_over_its_limit_is_called_once():
    machine = Machine()
    engines = {"slow": Timed(machine.engine("slow", 2.0), limit_s=1.0), "b": Timed(machine.engine("b", 0.5))}
    found = run(machine, engines, 4)
    assert machine.order.count("slow") == 1
    assert found["slow"].seconds == [2.0]
    assert found["b"].seconds == [0.5] * 4


def test_results_and_their_order_are_those_of_the_engines():
    machine = Machine()
    engines = {"slow": Timed(machine.engine("slow", 2.0), limit_s=1.0), "b": Timed(machine.engine("b", 0.5))}
    assert [(n, s.result) for n, s in run(machine, engines, 1).items()] == [("slow", "SLOW"), ("b", "B")]


def test_progress_is_told_of_every_round():
    machine, told = Machine(), []
    interleaved(
        {"a": Timed(machine.engine("a", 1.0))},
        3,
        clock=machine.clock,
        progress=lambda: told.append(machine.now),
    )
    assert len(told) == 3
