"""The audit's list is complete: whatever cell the execution touches, cycle by cycle, belongs to a row of it."""

import math
from collections import Counter

import numpy as np
import pytest

from rapidnn.machine.ledger import COMPONENTS
from rapidnn.machine.micro.run import run_neuron
from rapidnn.machine.pipeline import plan_layers
from tests.machine.micro.setups import machine
from tests.machine.micro.test_neuron import edges_of
from tests.machine.programs import conv_program

_GATES = {"nor", "nor+1", "across"}
_INITIALISES = {"set", "reset"}
_TOUCHES = _GATES | _INITIALISES | {"read", "write"}


@pytest.mark.parametrize(
    "overrides", [{}, {"rna.max_lanes": 3}, {"rna.addend_rows": 7}, {"delivery.mode": "gather"}]
)
def test_every_cell_the_trace_touches_has_an_owner(overrides):
    program = conv_program()
    x = np.random.default_rng(5).normal(size=(1, *program.input_shape)).astype(np.float32)
    edges, hardware = edges_of(program, x), machine(overrides)
    seen: Counter[str] = Counter()
    for layer in plan_layers(program)[1:]:
        for flat in range(0, math.prod(program.shapes[layer.name]), 11):
            place = tuple(int(i) for i in np.unravel_index(flat, program.shapes[layer.name]))
            done = run_neuron(program, layer.name, place, edges, hardware, layer=layer, events=True)
            cells = Counter()
            for event in done.events:
                if event.rows_read or event.rows_written:
                    assert event.operation in _TOUCHES, event
                cells[event.operation, "read"] += len(event.rows_read) * event.columns
                cells[event.operation, "written"] += len(event.rows_written) * event.columns
            assert set(done.bits) <= set(COMPONENTS)
            bits = Counter(done.bits)
            moved = bits["lane_moves"] // 2  # each bit is read and written once
            assert sum(cells[gate, "written"] for gate in _GATES) == bits["nor_outputs"]
            assert sum(cells[name, "written"] for name in _INITIALISES) == bits["initialisation"]
            assert cells["write", "written"] == bits["addend_copies"] + moved
            assert cells["read", "read"] == bits["result_read"] + moved
            seen += +cells
    assert seen["nor", "written"] > 0 < seen["set", "written"]
    assert seen["write", "written"] > 0 < seen["read", "read"]
