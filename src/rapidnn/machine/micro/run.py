"""One neuron in one RNA block, executed from its codes to the next code: the truth of SPEC section 3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.edges import code_bits
from rapidnn.machine.layers import Layer
from rapidnn.machine.micro.addends import Addend, product_addends, row_addends, to_signed
from rapidnn.machine.micro.block import BlockSetup, block_setup
from rapidnn.machine.micro.counting import Counted, count
from rapidnn.machine.micro.crossbar import Counts, Crossbar
from rapidnn.machine.micro.events import Event, Recorder
from rapidnn.machine.micro.ndcam import search
from rapidnn.machine.micro.neuron import Codes, Neuron, neuron_of
from rapidnn.machine.micro.programmes import ZERO
from rapidnn.machine.micro.reduction import Reduction, Rows
from rapidnn.machine.records import Hardware
from rapidnn.tables.activation import G_BITS
from rapidnn.tables.program import Activate, ActivationTable, Encode, Program, word_width


@dataclass(frozen=True, eq=False)
class NeuronRun:
    """What a neuron did.

    ``accumulator`` is its sum, ``results`` the integer or code on each edge behind it. ``phases`` are cycles by phase,
    ``bits`` those read, moved or written by component of the energy account, ``stream_bits`` of the delivery.
    ``counts`` are the crossbar's; ``cell_writes`` of all its cells, ``hottest_writes`` of the cell written most,
    ``slot_rows`` the rows that addends took. ``events`` is empty unless they were asked for.
    """

    neuron: Neuron
    setup: BlockSetup
    accumulator: int
    results: dict[str, int]
    counted: Counted
    occupied: int
    addends: tuple[Addend, ...]
    stages: int
    rounds: int
    steps: int
    moves: int
    phases: dict[str, int]
    bits: dict[str, int]
    stream_bits: int
    counts: Counts
    cell_writes: int
    hottest_writes: int
    slot_rows: int
    events: tuple[Event, ...]

    @property
    def cycles(self) -> int:
        """Cycles from the first code to the last search."""
        return sum(self.phases.values())


def run_neuron(
    program: Program,
    name: str,
    index: Sequence[int],
    codes: Codes,
    hardware: Hardware,
    *,
    sample: int = 0,
    layer: Layer | None = None,
    events: bool = False,
    cells: Sequence[int] = (),
    setup: BlockSetup | None = None,
) -> NeuronRun:
    """Execute one neuron.

    Parameters
    ----------
    program, name, index
        The composed network, an accumulation step of it, and the neuron's place in one sample of its edge.
    codes
        Batches ``(N, *shape)`` of the code edges the step reads, by name, as executors show them to an observer.
    sample
        Which sample of the batch.
    layer
        The step's layer, where it is at hand (:func:`rapidnn.machine.pipeline.plan_layers`).
    events
        Whether to keep every cycle for a trace.
    cells
        Rows the crossbar holds beforehand, one integer each (all zeros if empty): they must not matter.
    setup
        The block's geometry and programmes, where they are not the hardware's.

    Raises
    ------
    DataError
        If the step or the neuron does not exist.
    HardwareError
        If the hardware cannot run it: no programme of that name, a counter that overflows, a word too wide.
    """
    neuron = neuron_of(program, name, index, codes, sample, layer)
    setup = setup or block_setup(hardware, neuron.layer)
    return _Execution(neuron, hardware, setup, Recorder(events), list(cells)).run()


class _Execution:
    """One neuron's run, phase by phase."""

    def __init__(
        self, neuron: Neuron, hardware: Hardware, setup: BlockSetup, recorder: Recorder, cells: list[int]
    ) -> None:
        self.neuron, self.hw, self.setup, self.recorder = neuron, hardware, setup, recorder
        self.bits: dict[str, int] = {}
        rows = setup.rows
        if cells:
            cells = [0, *cells[1:rows], *[0] * (rows - len(cells))]
        self.crossbar = Crossbar(rows, setup.lanes, setup.word_bits, recorder.watcher(), cells)
        recorder.crossbar_cycles = lambda: self.crossbar.counts.cycles
        self.reduction = Reduction(
            self.crossbar, Rows(setup.bind, setup.first_slot), setup.compressor, recorder.mark
        )

    def run(self) -> NeuronRun:
        """Everything in order."""
        neuron = self.neuron
        counted = count(neuron.taps, self.hw, self.recorder.mark)
        self._deliver_rows()
        self._charge_counting(counted)
        addends, occupied = product_addends(counted.counts, neuron.products, self.setup.word_bits)
        addends += row_addends(neuron.rows, self.setup.word_bits)
        row = self._add(addends)
        accumulator = self._read_result(row)
        results = self._read_out(accumulator)
        self._charge_addition(addends)
        writes = self.crossbar.writes()
        reduction = self.reduction
        self.recorder.close()
        return NeuronRun(
            neuron=neuron,
            setup=self.setup,
            accumulator=accumulator,
            results=results,
            counted=counted,
            occupied=occupied,
            addends=tuple(addends),
            stages=reduction.stages,
            rounds=reduction.rounds,
            steps=reduction.steps,
            moves=reduction.moves,
            phases=self.recorder.phases,
            bits=self.bits,
            stream_bits=counted.delivered * neuron.layer.input_bits,
            counts=self.crossbar.counts,
            cell_writes=int(writes.sum()),
            hottest_writes=int(writes.max(initial=0)),
            slot_rows=reduction.rows.used,
            events=tuple(self.recorder.events),
        )

    def _charge(self, component: str, bits: int) -> None:
        self.bits[component] = self.bits.get(component, 0) + bits

    def _deliver_rows(self) -> None:
        """Codes that address a row directly: residual rows, and both sides of a product of codes."""
        buffer_bits = [code_bits(size) for size in self.neuron.layer.residual_sizes]
        for name, _ in self.neuron.rows[len(self.neuron.rows) - self.neuron.residuals :]:
            self.recorder.mark("deliver", name, 1)
        lookup = self.neuron.layer.lookup
        if lookup is not None:
            for side in ("left", "right")[: lookup.codes]:
                self.recorder.mark("deliver", f"the {side} code", 1)
            buffer_bits.append(int(lookup.code_bits))
        self._charge("input_codes", sum(buffer_bits))

    def _charge_counting(self, counted: Counted) -> None:
        layer = self.neuron.layer
        gather = self.hw.delivery.mode.value == "gather"
        address = code_bits(max(1, layer.taps)) if gather else layer.weight_bits
        self._charge("weight_codes", counted.weight_reads * address)
        self._charge("input_codes", (counted.local_writes + counted.local_reads) * layer.input_bits)
        width = self.hw.counters.width_bits.value
        self._charge("counters", counted.increments * width)
        self._charge("counter_readout", counted.counters_read * width)

    def _add(self, addends: Sequence[Addend]) -> int:
        """Copies, reduction and the final addition; the row of lane 0 that holds the sum."""
        rna, reduction = self.hw.rna, self.reduction
        waiting = [(addend.word, addend.label) for addend in addends]
        while waiting or not reduction.held:
            room = self.setup.at_once - (reduction.held[0] if reduction.held else 0)
            reduction.place(waiting[:room], rna.copy_parallel.value, rna.copy_cycles.value)
            waiting = waiting[room:]
            reduction.reduce(rna.copy_cycles.value)
        left = reduction.result()
        if len(left) == 2:
            bind = self.setup.bind | {"a": left[0], "b": left[1], "sum": self.setup.sum_row}
            self.recorder.mark("add", "final addition in lane 0", 0)
            self.crossbar.run(self.setup.adder, bind, self.crossbar.lanes_mask([0]))
            left = [self.setup.sum_row]
        return left[0] if left else self.setup.bind[ZERO]

    def _read_result(self, row: int) -> int:
        """The accumulator, or the row that a product of two codes addresses."""
        layer, product = self.neuron.layer, self.neuron.product
        if layer.lookup is not None and product is not None:
            self._charge(layer.lookup.component, layer.lookup.row_bits)
            self.recorder.mark("result_read", "the addressed row", self.hw.rna.read_cycles.value)
            return product
        self._charge("result_read", self.setup.word_bits)
        self.recorder.mark("result_read", f"row {row} of lane 0", self.hw.rna.read_cycles.value)
        return to_signed(self.crossbar.read(row, 0), self.setup.word_bits)

    def _charge_addition(self, addends: Sequence[Addend]) -> None:
        n, layer = self.setup.word_bits, self.neuron.layer
        self._charge("product_rows", layer.product_bits * sum(a.kind == "product" for a in addends))
        self._charge("table_rows", n * sum(a.kind == "row" for a in addends))
        self._charge("addend_copies", n * len(addends))
        self._charge("lane_moves", 2 * n * self.reduction.moves)
        self._charge("nor_outputs", self.crossbar.counts.nor_outputs)
        self._charge("initialisation", self.crossbar.counts.init_writes)

    def _read_out(self, accumulator: int) -> dict[str, int]:
        """Activations and encodings of the edges behind the step: all activations first, then the searches."""
        step = self.neuron.step
        values = {step.name: accumulator}
        activated: dict[str, int] = {}
        for follower in self.neuron.followers:
            activated[follower.name] = self._activate(follower, values[follower.source])
            if isinstance(follower, Activate):
                values[follower.name] = activated[follower.name]
        for follower in self.neuron.followers:
            if isinstance(follower, Encode):
                values[follower.name] = self._encode(follower, activated[follower.name])
        return values

    def _activate(self, follower: Encode | Activate, key: int) -> int:
        table, unit = follower.activation, self.neuron.unit
        if table.z is not None and table.g is not None:
            rows = _rows_of(table.z, unit)
            found = search(self.hw, rows, key, self.setup.word_bits)
            self._searched("activation", found.stages, found.cycles)
            self._charge("activation_am", found.bits)
            self.recorder.mark("activation", f"row {found.row} read", self.hw.rna.read_cycles.value)
            self._charge("activation_rows", G_BITS)
            return int(table.g[found.row])
        return self._compare(table, unit, key)

    def _compare(self, table: ActivationTable, unit: int, key: int) -> int:
        """ReLU and ReLU6: one comparison a bound."""
        if table.kind == "identity":
            return key
        bounds = [("max", 0)] if table.cap is None else [("max", 0), ("min", int(table.cap[unit]))]
        for kind, bound in bounds:
            self.recorder.mark("activation", f"{kind}({key}, {bound})", 1)
            self._charge("comparisons", self.setup.word_bits)
            key = max(key, bound) if kind == "max" else min(key, bound)
        return key

    def _encode(self, follower: Encode, key: int) -> int:
        unit = self.neuron.unit if len(follower.encoding) > 1 else 0
        table = follower.activation.z is not None
        key_bits = G_BITS if table else word_width(self.neuron.step.bound)
        found = search(self.hw, _rows_of(follower.encoding, unit), key, key_bits)
        self._searched("encoding", found.stages, found.cycles)
        self._charge("encoding_am", found.bits)
        return found.row

    def _searched(self, phase: str, stages: Sequence[str], cycles: int) -> None:
        """A search's stages as events that share its cycles."""
        shown = stages or ("one row",)
        for position, stage in enumerate(shown):
            share = cycles * (position + 1) // len(shown) - cycles * position // len(shown)
            self.recorder.mark(phase, stage, share)


def _rows_of(table: NDArray[np.integer[Any]], unit: int) -> list[int]:
    return [int(value) for value in table[unit]]
