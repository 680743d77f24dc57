"""The neuron that docs/machine.md works gate by gate: every number of the page is executed."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from rapidnn.execute.reference import run_reference
from rapidnn.machine import load_hardware
from rapidnn.machine.micro.crossbar import Crossbar
from rapidnn.machine.micro.full_adders import MAGIC_12
from rapidnn.machine.micro.programmes import ZERO, compressor
from rapidnn.machine.micro.run import run_neuron
from rapidnn.machine.micro.trace import cycle_lines, journey, trace_of
from rapidnn.tables.program import Program
from tests.machine.programs import encode, encode_input, group, weighted

SECTION = (
    (Path(__file__).parents[3] / "docs" / "machine.md")
    .read_text("utf-8")
    .split("## One neuron gate by gate")[1]
    .split("\n## ")[0]
)


def example(**more):
    fc = weighted("fc", "x", [[0] + [1] * 7], [[4, 3], [-2, 5]], bias=[-4], bound=44)
    last = replace(encode("code", "fc", 4, book="h"), encoding=np.array([[0, 12, 24, 36]], np.int32))
    program = Program((group(2), group(4, "h")), (encode_input((8,), 2), fc, last), "code")
    edges = {}
    run_reference(program, np.ones((1, 8), np.float32), edges.__setitem__)
    hardware = load_hardware("rapidnn-hpca20")
    done = run_neuron(program, "fc", (0,), edges, hardware, **more)
    expected = {name: int(edges[name][0, 0]) for name in done.results}
    return done, trace_of(done, hardware.name, hardware.rna.cycle_ns.value, 0, expected)


def table(columns):
    rows = re.findall(r"^\|" + r"([^|\n]*)\|" * columns + "$", SECTION, re.MULTILINE)
    return [[cell.strip() for cell in row] for row in rows]


def words(cells):
    return [int(cell.strip("`"), 2) for cell in cells]


def test_the_journey_is_what_the_page_shows():
    _, trace = example()
    assert trace.exact
    assert SECTION.split("```")[1].removeprefix("text").strip("\n").split("\n") == journey(trace)


def test_the_addends_of_the_page():
    done, _ = example()
    shown = [row for row in table(3) if re.fullmatch("`[01]{7}`", row[1])]
    assert [(a.label, a.word) for a in done.addends] == [
        (row[0].strip("`"), *words(row[1:2])) for row in shown
    ]
    assert sum(int(row[2]) for row in shown) == done.accumulator == 34


def test_the_steps_of_the_page():
    steps = [words(row[1:]) for row in table(6) if row[0].isdigit()]
    assert len(steps) == example()[0].steps == 3
    for a, b, c, total, carry in steps:
        step = compressor("magic-13", 7)
        rows = {name: 1 + i for i, name in enumerate(("a", "b", "c", *step.scratch, "sum", "carry"))}
        crossbar = Crossbar(1 + len(rows), 1, 7)
        for name, word in (("a", a), ("b", b), ("c", c)):
            crossbar.write(rows[name], 0, word)
        crossbar.run(step, rows | {ZERO: 0}, 1)
        assert [crossbar.cells[rows[name]] for name in ("sum", "carry")] == [total, carry]


def test_the_gates_of_the_page():
    gates = [row for row in table(3) if "NOR(" in row[1]]
    step = compressor("magic-13", 7)
    rows = {name: 1 + i for i, name in enumerate(("a", "b", "c", *step.scratch, "sum", "carry"))}
    crossbar = Crossbar(1 + len(rows), 1, 7)
    for name, word in (("a", 3), ("b", 0b1111010), ("c", 40)):
        crossbar.write(rows[name], 0, word)
    crossbar.step(step.together[0], rows, 1)
    assert len(gates) == len(step.together) - 1 == len(MAGIC_12.gates)
    for gate, (cycle, text, shown) in zip(step.together[1:], gates, strict=True):
        crossbar.step(gate, rows, 1)
        assert text.startswith(f"`{gate.out} = NOR({', '.join(gate.inputs)})`")
        assert ("one column to the left" in text) == gate.shift
        assert [crossbar.cells[rows[gate.out]]] == words([shown])
        assert crossbar.counts.cycles == int(cycle) + 1


def test_events_cover_every_cycle_once():
    done, trace = example(events=True)
    covered = [cycle for event in trace.events for cycle in range(event.start, event.start + event.cycles)]
    assert sorted(covered) == list(range(done.cycles))
    lines = cycle_lines(trace.events)
    assert len(lines) == len(trace.events)
    assert lines[0].split() == ["0", "deliver", "(0,1):", "1", "counted"]
    gates = [event for event in trace.events if event.operation in ("nor", "nor+1")]
    assert sum(event.columns for event in gates) == done.counts.nor_outputs
    sets = [event for event in trace.events if event.operation == "set"]
    assert sum(event.columns * len(event.rows_written) for event in sets) == done.counts.init_writes
    switched = sum(event.switched for event in trace.events)
    assert switched == done.counts.switched_on + done.counts.switched_off
