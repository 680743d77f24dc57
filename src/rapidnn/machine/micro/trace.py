"""One neuron's journey as a record: what arrived, what was counted, added, searched, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rapidnn.frames import frame
from rapidnn.machine.digits import signed_digits
from rapidnn.machine.ledger import COMPONENTS
from rapidnn.machine.micro.addends import to_signed
from rapidnn.machine.micro.events import Event
from rapidnn.machine.micro.run import NeuronRun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class CountedPair:
    """One occupied counter: its product is needed ``count`` times, which is the sum of ``digits`` (sign, exponent)."""

    weight_code: int
    input_code: int
    product: int
    count: int
    digits: list[tuple[int, int]]


@dataclass(frozen=True)
class TracedAddend:
    """One copied word: ``bits`` as they stand in the crossbar, the highest first, worth ``value``."""

    kind: str
    label: str
    bits: str
    value: int


@dataclass(frozen=True)
class NeuronTrace:
    """A neuron's run, for people and as JSON.

    ``results`` are the accumulator, activations and codes on each edge; ``expected`` those of the executor that gave
    the codes. ``cycles_by_phase`` sum to ``cycles``; ``bits_by_component`` are bits read, moved or written. Writes are
    those of the crossbar's working cells, ``writes_hottest_cell`` of the cell written most. ``events`` are there only
    if asked for.
    """

    layer: str
    neuron: list[int]
    sample: int
    hardware: str
    word_bits: int
    lanes: int
    compressor: str
    adder: str
    taps: int
    weight_codes: list[int]
    input_codes: list[int]
    pairs: list[CountedPair]
    addends: list[TracedAddend]
    stages: int
    rounds: int
    steps: int
    moves: int
    accumulator: int
    results: dict[str, int]
    expected: dict[str, int]
    cycles: int
    latency_ns: float
    cycles_by_phase: dict[str, int]
    bits_by_component: dict[str, int]
    nor_outputs: int
    init_writes: int
    word_write_bits: int
    switched_on: int
    switched_off: int
    writes: int
    writes_hottest_cell: int
    events: list[Event]

    def to_frame(self) -> pd.DataFrame:
        """One row a copied word."""
        return frame(self.addends)

    @property
    def exact(self) -> bool:
        """Whether the block's integers are the executor's."""
        return all(self.results[name] == value for name, value in self.expected.items())


def trace_of(
    run: NeuronRun, hardware: str, cycle_ns: float, sample: int, expected: dict[str, int]
) -> NeuronTrace:
    """The record of a run."""
    neuron, setup, counts = run.neuron, run.setup, run.counts
    return NeuronTrace(
        layer=neuron.step.name,
        neuron=list(neuron.index),
        sample=sample,
        hardware=hardware,
        word_bits=setup.word_bits,
        lanes=setup.lanes,
        compressor=setup.compressor.name,
        adder=setup.adder.name,
        taps=len(neuron.taps.code),
        weight_codes=neuron.taps.weight.tolist(),
        input_codes=neuron.taps.code.tolist(),
        pairs=_pairs(run),
        addends=[
            TracedAddend(a.kind, a.label, f"{a.word:0{setup.word_bits}b}", to_signed(a.word, setup.word_bits))
            for a in run.addends
        ],
        stages=run.stages,
        rounds=run.rounds,
        steps=run.steps,
        moves=run.moves,
        accumulator=run.accumulator,
        results=run.results,
        expected=expected,
        cycles=run.cycles,
        latency_ns=run.cycles * cycle_ns,
        cycles_by_phase=run.phases,
        bits_by_component={name: run.bits[name] for name in COMPONENTS if run.bits.get(name)},
        nor_outputs=counts.nor_outputs,
        init_writes=counts.init_writes,
        word_write_bits=counts.word_writes,
        switched_on=counts.switched_on,
        switched_off=counts.switched_off,
        writes=run.cell_writes,
        writes_hottest_cell=run.hottest_writes,
        events=list(run.events),
    )


def _pairs(run: NeuronRun) -> list[CountedPair]:
    counts, products = run.counted.counts, run.neuron.products
    return [
        CountedPair(i, j, int(products[i, j]), int(counts[i, j]), signed_digits(int(counts[i, j])))
        for i, j in np.argwhere(counts > 0).tolist()
    ]


def digits_shown(digits: Sequence[tuple[int, int]]) -> str:
    """``8 - 1`` for the digits of 7, the largest first."""
    terms = [f"{'-' if sign < 0 else '+'} {1 << exponent}" for sign, exponent in reversed(digits)]
    return " ".join(terms).removeprefix("+ ")


def journey(trace: NeuronTrace, limit: int = 40) -> list[str]:
    """The trace as lines of text; lists are cut after ``limit`` entries."""
    lines = [
        f"neuron {tuple(trace.neuron)} of {trace.layer}, sample {trace.sample}: {trace.taps} inputs, words of "
        f"{trace.word_bits} bits in {trace.lanes} lanes"
    ]
    if trace.pairs:
        lines += ["", "codes (weight, input), in the order they arrive"]
        lines.append(
            "  "
            + _cut(
                [f"({i},{j})" for i, j in zip(trace.weight_codes, trace.input_codes, strict=True)], limit, " "
            )
        )
        lines += ["", "counters: count x product, the count in signed digits"]
        lines += _rows(
            [
                f"  n[{p.weight_code},{p.input_code}] = {p.count} x {p.product}"
                + (f": {digits_shown(p.digits)}" if p.product else ": a zero product, not added")
                for p in trace.pairs
            ],
            limit,
        )
    if trace.addends:
        lines += ["", f"{len(trace.addends)} addends"]
        wide = max(len(a.label) for a in trace.addends)
        lines += _rows([f"  {a.bits}  {a.label:<{wide}}  {a.value}" for a in trace.addends], limit)
    lines += _work(trace)
    return lines


def _work(trace: NeuronTrace) -> list[str]:
    lines = [""]
    if trace.steps:
        lines.append(
            f"{trace.steps} carry-save steps ({trace.compressor}) in {trace.stages} stages and {trace.rounds} rounds, "
            f"{trace.moves} moves between lanes"
        )
    if trace.cycles_by_phase.get("add"):
        lines.append(f"final addition ({trace.adder}): accumulator {trace.accumulator}")
    else:
        lines.append(f"nothing left to add: accumulator {trace.accumulator}")
    after = {name: value for name, value in trace.results.items() if name != trace.layer}
    lines += [f"{name}: {value}" for name, value in after.items()]
    verdict = "the executor's" if trace.exact else f"NOT the executor's {trace.expected}"
    phases = ", ".join(f"{name} {n}" for name, n in trace.cycles_by_phase.items() if n)
    lines += [
        f"these integers are {verdict}",
        "",
        f"{trace.cycles} cycles ({trace.latency_ns:.1f} ns): {phases}",
        f"{trace.nor_outputs} NOR outputs, {trace.init_writes} initialised cells, {trace.word_write_bits} bits copied "
        f"or moved; cells switched {trace.switched_on} on, {trace.switched_off} off",
        f"{trace.writes} cell writes, {trace.writes_hottest_cell} to the cell written most",
    ]
    return lines


def cycle_lines(events: Sequence[Event]) -> list[str]:
    """Every event on a line: cycle, phase, operation, rows and what changed."""
    lines = []
    for e in events:
        span = f"{e.start}" if e.cycles <= 1 else f"{e.start}-{e.start + e.cycles - 1}"
        if e.operation == e.phase:
            lines.append(f"{span:>9}  {e.phase:<11} {e.text}")
            continue
        rows = f"{','.join(map(str, e.rows_read))} -> {','.join(map(str, e.rows_written))}".strip(" ->")
        lines.append(
            f"{span:>9}  {'':<11} {e.operation:<7} rows {rows}: {e.columns} columns, {e.switched} switched"
        )
    return lines


def _cut(items: list[str], limit: int, joint: str) -> str:
    more = f"{joint}... {len(items) - limit} more" if len(items) > limit else ""
    return joint.join(items[:limit]) + more


def _rows(items: list[str], limit: int) -> list[str]:
    return items[:limit] + ([f"  ... {len(items) - limit} more"] if len(items) > limit else [])
