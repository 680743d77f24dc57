"""Cycles and energy of one neuron in one RNA block: the closed forms of SPEC section 3 on counted statistics.

``docs/machine.md`` derives each formula and works one neuron by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.edges import code_bits
from rapidnn.machine.layers import Layer, Lookup, Readout
from rapidnn.machine.ledger import Ledger
from rapidnn.machine.passes import addends_at_once, copies_in_passes, passes, schedule_in_passes
from rapidnn.machine.readout import Search, search
from rapidnn.machine.records import Hardware
from rapidnn.machine.reduction import Schedule, reduction_schedule
from rapidnn.machine.statistics import StepStatistics
from rapidnn.machine.work import Work, block_work
from rapidnn.tables.program import WeightedSum

Float64 = NDArray[np.float64]

PHASES = ("deliver", "copy", "reduce", "lane_moves", "add", "result_read", "activation", "encoding")
"""Phases of a neuron in order; ``lane_moves`` happen within ``reduce``."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Statistics of a layer's neurons as the macro model needs them: means per neuron and the distribution of A.

    ``addends`` int64 ``(V,)`` distinct values of A, ``share`` float64 ``(V,)`` their frequencies. ``group_taps`` the
    mean sizes of a neuron's weight groups, largest first.
    """

    addends: NDArray[np.int64]
    share: Float64
    digits: float
    table_rows: float
    corrections: float
    occupied: float
    taps: float
    group_taps: Float64

    @classmethod
    def of(cls, step: StepStatistics) -> Profile:
        """From counted statistics."""
        values, times = np.array(step.addends, np.int64).reshape(-1, 2).T
        n = step.sampled
        return cls(
            addends=values,
            share=times / n,
            digits=step.digits_sum / n,
            table_rows=step.table_rows_sum / n,
            corrections=step.corrections_sum / n,
            occupied=step.occupied_sum / n,
            taps=step.taps_sum / n,
            group_taps=np.array(step.group_taps_sum) / n,
        )

    @classmethod
    def empty(cls) -> Profile:
        """A neuron that accumulates nothing: the input layer's."""
        return cls(np.zeros(1, np.int64), np.ones(1), 0.0, 0.0, 0.0, 0.0, 0.0, np.zeros(0))

    def mean(self, per_value: NDArray[np.integer] | Float64) -> float:
        """Mean over the neurons of a quantity that depends on A."""
        return float(np.dot(self.share, per_value))

    def mean_of_largest(self, per_value: Float64, draws: int) -> float:
        """Expected largest of ``draws`` neurons drawn independently from the counted distribution."""
        order = np.argsort(per_value)
        below = np.concatenate([[0.0], np.minimum(np.cumsum(self.share[order]), 1.0)]) ** draws
        below[-1] = 1.0
        return float(np.dot(np.diff(below), per_value[order]))


@dataclass(frozen=True, eq=False)
class NeuronCost:
    """One neuron of a layer on one hardware.

    ``cycles_by_addends`` float64 ``(V,)`` cycles of a neuron for each value of A in the profile; ``phases`` mean
    cycles by phase. ``energy`` is charged per neuron, ``stream`` per delivery of one set of codes to a number of
    blocks (its wires' length is the placement's). ``cell_writes`` and ``hottest_writes`` count writes of one neuron
    to all its working cells and to the cell written most; ``most_passes`` is how often the block is filled at most.
    """

    layer: Layer
    profile: Profile
    schedule: Schedule
    phases: dict[str, float]
    cycles_by_addends: Float64
    energy: Ledger
    stream_bits: float
    cell_writes: float
    hottest_writes: float
    most_passes: int

    @cached_property
    def mean_cycles(self) -> float:
        """Mean cycles of a neuron."""
        return sum(self.phases.values())


class NeuronModel:
    """The macro model of one layer's neuron: ``cost()`` gives the result, the other members its parts."""

    def __init__(self, layer: Layer, profile: Profile, hardware: Hardware) -> None:
        self.layer = layer
        self.profile = profile
        self.hw = hardware
        self.word_bits = layer.word_bits
        self.lanes = hardware.lanes(layer.word_bits) if layer.counted else 1
        self.read_pj = hardware.crossbar.read_pj_32b.value / 32
        self.write_pj = hardware.crossbar.write_pj_32b.value / 32

    @cached_property
    def work(self) -> Work:
        """What its programmes take."""
        return block_work(self.hw, self.word_bits)

    @cached_property
    def schedule(self) -> Schedule:
        """The 3:2 steps for each value of A."""
        if not self.layer.counted:
            return reduction_schedule(self.profile.addends, self.lanes)
        return schedule_in_passes(self.profile.addends, self.lanes, self.at_once)

    @cached_property
    def at_once(self) -> int:
        """Addends that stand in the block at once."""
        return addends_at_once(self.layer, self.hw)

    @property
    def passes(self) -> int:
        """How often a neuron's codes are delivered: once per set of resident counters, SPEC section 3 step 1.

        Gathering takes the weight groups one after another, so a set only has to hold the u counters of one group.
        """
        resident = self.hw.counters.resident.value
        pairs = (
            self.layer.weights * self.layer.inputs
            if self.hw.delivery.mode.value == "broadcast"
            else self.layer.inputs
        )
        return -(-pairs // resident)

    @property
    def ports(self) -> int:
        """Weight groups that count at once in gather mode, each with a read port of the local buffer."""
        return max(1, min(self.layer.weights, self.hw.counters.resident.value // max(1, self.layer.inputs)))

    def deliver_cycles(self) -> float:
        """Mean cycles to bring a neuron's codes to its counters, one more per code that addresses a row directly."""
        lookup = self.layer.lookup
        residuals = len(self.layer.residual_sizes) + (lookup.codes if lookup else 0)
        if not self.layer.taps:
            return float(residuals)
        if self.hw.delivery.mode.value == "broadcast":
            width = self.hw.delivery.width.value
            beats = float((-(-self.layer.place_taps // width)).mean()) if width > 1 else self.layer.mean_taps
            return self.passes * beats + residuals
        gathered = self.passes * float(self.profile.group_taps[:: self.ports].sum())
        filled = float((-(-self.layer.place_taps // self.hw.delivery.fill_width.value)).mean())
        return max(gathered, filled) + residuals

    @cached_property
    def phase_cycles(self) -> dict[str, Float64]:
        """Cycles of each phase for each value of A, float64 ``(V,)``."""
        rna, work = self.hw.rna, self.work
        a = self.profile.addends.astype(np.float64)
        s = self.schedule
        copies = copies_in_passes(self.profile.addends, self.lanes, self.at_once, rna.copy_parallel.value)
        after = self._after()
        searches = [after[0].cycles, after[1].cycles]
        reads_row = self.layer.counted or self.layer.lookup is not None
        return {
            "deliver": np.full_like(a, self.deliver_cycles()),
            "copy": copies * float(rna.copy_cycles.value),
            "reduce": s.rounds * float(work.step_cycles) + s.steps * float(work.lane_cycles),
            "lane_moves": s.moves * float(rna.copy_cycles.value),
            "add": np.where(a > 1, float(work.add_cycles), 0.0),
            "result_read": np.full_like(a, rna.read_cycles.value * reads_row),
            "activation": np.full_like(a, searches[0]),
            "encoding": np.full_like(a, searches[1]),
        }

    def _after(self) -> tuple[Search, Search]:
        """Activation (comparisons, search, row read) and encoding of all readouts, in cycles and pJ."""
        activation, encoding = Search(0, 0.0, 0), Search(0, 0.0, 0)
        for readout in self.layer.readouts:
            activation += Search(readout.comparisons, 0.0, 0)
            if readout.activation_rows:
                found = search(self.hw, readout.activation_rows, self.word_bits)
                activation += Search(
                    found.cycles + self.hw.rna.read_cycles.value, found.energy_pj, found.bits
                )
            if readout.encoding_rows:
                encoding += search(self.hw, readout.encoding_rows, readout.key_bits)
        return activation, encoding

    def cost(self) -> NeuronCost:
        """Cycles, energy and writes of one neuron."""
        by_phase = self.phase_cycles
        energy = Ledger()
        if self.layer.counted:
            self._charge_counting(energy)
            self._charge_addition(energy)
        elif self.layer.lookup is not None:
            self._charge_lookup(energy, self.layer.lookup)
        self._charge_readout(energy)
        cells, hottest = self._writes()
        return NeuronCost(
            layer=self.layer,
            profile=self.profile,
            schedule=self.schedule,
            phases={name: self.profile.mean(values) for name, values in by_phase.items()},
            cycles_by_addends=np.sum(list(by_phase.values()), axis=0),
            energy=energy,
            stream_bits=self._stream_bits(),
            cell_writes=cells,
            hottest_writes=hottest,
            most_passes=self._most_passes(),
        )

    def _most_passes(self) -> int:
        """How often the block is filled for the neuron with the most addends."""
        most = int(self.profile.addends[-1])
        return (
            int(passes(np.array([most]), self.at_once)[0])
            if self.layer.counted and most > self.at_once
            else 1
        )

    def _stream_bits(self) -> float:
        """Bits of one delivery of a neuron's codes; gathering fills the local buffers once."""
        again = self.passes if self.hw.delivery.mode.value == "broadcast" else 1
        return again * self.layer.mean_taps * self.layer.input_bits

    def _charge_counting(self, energy: Ledger) -> None:
        """Delivery and counting; the stream itself is charged by the placement."""
        layer, p, counters = self.layer, self.profile, self.hw.counters
        taps = layer.mean_taps
        buffer = self.hw.buffer
        weighted = layer.kind == WeightedSum.__name__  # an average pool has no weight codes
        weights = self.passes * taps if weighted else 0.0
        if self.hw.delivery.mode.value == "broadcast":
            energy.charge("weight_codes", weights * layer.weight_bits, self.read_pj)
        else:
            energy.charge("weight_codes", weights * code_bits(max(1, layer.taps)), self.read_pj)
            ports = self.ports**buffer.port_energy_exponent.value
            energy.charge(
                "input_codes", taps * layer.input_bits, buffer.write_pj_32b.value / 32, action="written"
            )
            energy.charge(
                "input_codes", self.passes * taps * layer.input_bits, ports * buffer.read_pj_32b.value / 32
            )
        for size in layer.residual_sizes:
            energy.charge("input_codes", code_bits(size), buffer.read_pj_32b.value / 32)
        energy.charge("counters", taps * counters.width_bits.value, counters.increment_pj_32b.value / 32)
        pairs = layer.weights * layer.inputs if layer.taps else 0
        energy.charge("counter_readout", pairs * counters.width_bits.value, counters.readout_pj_per_bit.value)
        energy.charge("counter_readout", 0, pj=p.occupied * counters.recode_pj.value)

    def _charge_addition(self, energy: Ledger) -> None:
        """Copies, 3:2 steps, moves, final addition and the read of its result."""
        n, p, hw = self.word_bits, self.profile, self.hw
        steps, moves = p.mean(self.schedule.steps), p.mean(self.schedule.moves)
        added = p.mean((p.addends > 1).astype(np.float64))
        energy.charge("product_rows", p.digits * self.layer.product_bits, self.read_pj)
        energy.charge("table_rows", p.table_rows * n, self.read_pj)
        copies = p.mean(p.addends)
        shifter = hw.interconnect.shifter_pj.value
        energy.charge("addend_copies", copies * n, self.write_pj, pj=copies * shifter)
        energy.charge("lane_moves", 2 * moves * n, pj=moves * (n * (self.read_pj + self.write_pj) + shifter))
        gates = steps * self.work.step_nor + added * self.work.add_nor
        resets = steps * self.work.step_init + added * self.work.add_init
        energy.charge("nor_outputs", gates, hw.logic.nor_fj.value / 1000)
        energy.charge("initialisation", resets, hw.logic.init_fj.value / 1000)
        energy.charge("result_read", n, self.read_pj)

    def _charge_lookup(self, energy: Ledger, lookup: Lookup) -> None:
        """The codes out of the buffers, and the one row they address; it is the result, so nothing is added."""
        energy.charge("input_codes", lookup.code_bits, self.hw.buffer.read_pj_32b.value / 32)
        energy.charge(lookup.component, lookup.row_bits, self.read_pj)

    def _charge_readout(self, energy: Ledger) -> None:
        for readout in self.layer.readouts:
            self._charge_one(energy, readout)

    def _charge_one(self, energy: Ledger, readout: Readout) -> None:
        compared = readout.comparisons * self.word_bits
        energy.charge("comparisons", compared, pj=readout.comparisons * self.hw.am.comparator_pj.value)
        if readout.activation_rows:
            found = search(self.hw, readout.activation_rows, self.word_bits)
            energy.charge("activation_am", found.bits, pj=found.energy_pj)
            energy.charge("activation_rows", readout.row_bits, self.read_pj)
        if readout.encoding_rows:
            found = search(self.hw, readout.encoding_rows, readout.key_bits)
            energy.charge("encoding_am", found.bits, pj=found.energy_pj)

    def _writes(self) -> tuple[float, float]:
        """Writes of one neuron to its working cells: in all, and to the cell written most.

        Every copy, move, NOR output and initialisation is a write. Lane 0 takes part in every round and in the final
        addition, which initialise and write each of its scratch cells once: those are the hottest.
        """
        n, p, s, work = self.word_bits, self.profile, self.schedule, self.work
        if not self.layer.counted:
            return 0.0, 0.0
        added = (p.addends > 1).astype(np.float64)
        cells = (
            n * (p.mean(p.addends) + p.mean(s.moves))
            + p.mean(s.steps) * (work.step_nor + work.step_init)
            + p.mean(added) * (work.add_nor + work.add_init)
        )
        hottest = np.where(p.addends > 1, 2.0 * (s.rounds + added), p.addends)
        return cells, p.mean(hottest)
