"""From a program, its statistics and a hardware description to a cost: pure arithmetic, no data needed."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapidnn.errors import DataError
from rapidnn.machine.allocation import allocate
from rapidnn.machine.area import buffer_area_um2
from rapidnn.machine.chip import Floor, chips_needed, edge_buffers, link_bits
from rapidnn.machine.cost import Comparison, Cost, LayerCost, PeakPoint
from rapidnn.machine.layers import Layer, plan_layers
from rapidnn.machine.ledger import ZEROS, Ledger
from rapidnn.machine.macro import NeuronCost, NeuronModel, Profile
from rapidnn.machine.notes import hardware_notes
from rapidnn.machine.peak import peak_points
from rapidnn.machine.placement import StageTime, place
from rapidnn.machine.readout import pool_search
from rapidnn.machine.records import Hardware
from rapidnn.machine.statistics import ProgramStatistics
from rapidnn.tables.program import Program


def estimate_program(program: Program, statistics: ProgramStatistics, hardware: Hardware) -> Cost:
    """Cost of one input of ``program`` on ``hardware``.

    Parameters
    ----------
    program
        The composed network.
    statistics
        What a ``StatisticsCollector`` counted while the program ran, perhaps read back from a file.
    hardware
        From :func:`~rapidnn.machine.description.load_hardware`.

    Raises
    ------
    DataError
        If the statistics lack a step of the program.
    HardwareError
        If a layer cannot run on the hardware; the message names the layer and the field to change.
    """
    layers = plan_layers(program)
    stages = tuple(_stage(layer, statistics, hardware) for layer in layers)
    blocks = chips_needed(stages, hardware) * hardware.chip.blocks
    floor = Floor(hardware, stages, tuple(allocate(stages, blocks)))
    return _Estimate(program, statistics, hardware, layers, floor).cost()


def _stage(layer: Layer, statistics: ProgramStatistics, hardware: Hardware) -> StageTime:
    if not layer.counted:
        profile = Profile.empty()
    elif layer.name in statistics.steps:
        profile = Profile.of(statistics.steps[layer.name])
    else:
        raise DataError(f"the statistics lack step {layer.name!r}; collect them from a run of this program")
    placement = place(layer, hardware)
    return StageTime(NeuronModel(layer, profile, hardware).cost(), placement, hardware)


@dataclass(frozen=True)
class _Estimate:
    """The pieces of one estimate; :meth:`cost` puts them together."""

    program: Program
    statistics: ProgramStatistics
    hardware: Hardware
    layers: tuple[Layer, ...]
    floor: Floor

    def cost(self) -> Cost:
        """The whole result."""
        ledgers = [self._ledger(i) for i in range(len(self.layers))]
        buffers = self._buffers_um2()
        by_layer = tuple(self._layer(i, ledgers[i], buffers[i]) for i in range(len(self.layers)))
        slowest = max(by_layer, key=lambda layer: layer.stage_ns)
        handover = self.hardware.chip.handover_cycles.value * self.hardware.rna.cycle_ns.value
        period = slowest.stage_ns + handover
        latency = sum(layer.stage_ns + handover for layer in by_layer)
        energy, macs = sum(layer.energy_pj for layer in by_layer), sum(layer.macs for layer in by_layer)
        areas = self._areas_um2(buffers)
        area = sum(areas.values())
        peak = peak_points(self.hardware)
        return Cost(
            hardware=self.hardware.name,
            latency_ns=latency,
            bottleneck_ns=period,
            bottleneck_layer=slowest.name,
            throughput_per_s=1e9 / period,
            energy_pj=energy,
            power_w=energy / period / 1000,
            edp_pj_ns=energy * latency,
            macs=macs,
            gops_per_s=2 * macs / period,
            gops_per_s_mm2=2 * macs / period / (area / 1e6),
            gops_per_s_w=2000 * macs / energy,
            area_um2=area,
            used_area_um2=area - areas["idle_blocks"] - areas["link"],
            block_area_um2=sum(self.floor.block_parts_um2.values()),
            chips=self.floor.chips,
            blocks_total=self._blocks_total(),
            blocks_used=self.floor.blocks_used,
            utilisation=self._work_ns() / (self._blocks_total() * period),
            kib_per_neuron=self._kib_per_neuron(),
            lifetime_s=self._lifetime_s(max(layer.writes_hottest for layer in by_layer), period),
            lifetime_levelled_s=self._lifetime_s(max(layer.writes_mean for layer in by_layer), period),
            by_component=sum(ledgers, Ledger()).energies_pj(),
            bits_by_component=sum(ledgers, Ledger()).bits(),
            area_by_component_um2=areas,
            by_layer=by_layer,
            peak=peak,
            comparison=self._comparison(peak, area),
            zeros=dict(ZEROS),
            notes=(*hardware_notes(self.hardware), *self._notes()),
        )

    def _blocks_total(self) -> int:
        return self.floor.chips * self.hardware.chip.blocks

    def _ledger(self, index: int) -> Ledger:
        """Energy of a layer for one input: its neurons, and what lies around the blocks."""
        stage, layer, hw = self.floor.stages[index], self.layers[index], self.hardware
        read, write = hw.buffer.read_pj_32b.value / 32, hw.buffer.write_pj_32b.value / 32
        wire, half = hw.wire.pj_per_bit_mm.value, self.floor.half_side_mm(index)
        ledger = stage.cost.energy * layer.neurons
        stream_bits = self.floor.streams(index) * stage.cost.stream_bits
        ledger.charge("input_codes", stream_bits, read)
        ledger.charge("broadcast", stream_bits, wire * self.floor.stream_mm(index))
        residual_bits = sum((size - 1).bit_length() for size in layer.residual_sizes) * layer.neurons
        ledger.charge("broadcast", residual_bits, wire * half)
        for readout in layer.readouts:
            ledger.charge("code_output", readout.out_bits * layer.neurons, write + wire * half)
        for pool in layer.pools:
            found = pool_search(hw, pool)
            ledger.charge("max_pool", found.bits * pool.windows, pj=found.energy_pj * pool.windows)
        cell_read, cell_write = hw.crossbar.read_pj_32b.value / 32, hw.crossbar.write_pj_32b.value / 32
        ledger.charge("reload", stage.placement.reload_bits * layer.neurons, read + cell_write + wire * half)
        loaded = stage.placement.am_loads * stage.placement.am_load_bits * self.floor.blocks(index)
        ledger.charge("reload", loaded, cell_read + hw.am.sram_write_pj_16b.value / 16)
        return ledger.charge("link", self._link_bits(index), hw.link.pj_per_bit.value)

    def _link_bits(self, index: int) -> float:
        if self.floor.chips == 1:
            return 0.0
        home = {step: i for i, layer in enumerate(self.layers) for step in layer.steps}
        return link_bits(self.program, self.floor, home, index)

    def _stage_ns(self, index: int) -> float:
        link_ns = self._link_bits(index) / 8 / self.hardware.link.gbyte_per_s.value
        cycles = self.floor.stages[index].cycles(self.floor.replicas[index])
        return cycles * self.hardware.rna.cycle_ns.value + link_ns

    def _layer(self, index: int, ledger: Ledger, buffer_um2: float) -> LayerCost:
        stage, layer = self.floor.stages[index], self.layers[index]
        counted = self.statistics.steps.get(layer.name) if layer.counted else None
        mean, hottest = self._writes(stage.cost, index)
        return LayerCost(
            name=layer.name,
            kind=layer.kind,
            steps=layer.steps,
            neurons=layer.neurons,
            macs=layer.macs,
            channels=layer.channels,
            blocks=self.floor.blocks(index),
            replicas=self.floor.replicas[index],
            word_bits=layer.word_bits,
            lanes=self.hardware.lanes(layer.word_bits) if layer.counted else 0,
            addends_mean=counted.mean_addends if counted else 0.0,
            addends_standard_error=counted.addends_standard_error if counted else 0.0,
            cycles=dict(stage.cost.phases),
            stage_ns=self._stage_ns(index),
            energy_pj=ledger.energy_pj,
            by_component=ledger.energies_pj(),
            bits_by_component=ledger.bits(),
            area_um2=self.floor.blocks(index) * sum(self.floor.block_parts_um2.values()) + buffer_um2,
            writes_mean=mean,
            writes_hottest=hottest,
        )

    def _writes(self, cost: NeuronCost, index: int) -> tuple[float, float]:
        """Writes per working cell of the layer's busiest block for one input: mean over the cells, and hottest."""
        stage = self.floor.stages[index]
        neurons = stage.busiest_neurons(self.floor.replicas[index])
        cells = stage.placement.working_rows * self.hardware.rna.columns.value
        return (neurons * cost.cell_writes / cells if cells else 0.0), neurons * cost.hottest_writes

    def _lifetime_s(self, writes: float, period_ns: float) -> float:
        return self.hardware.cell.endurance_writes.value / writes * period_ns * 1e-9 if writes else math.inf

    def _buffers_um2(self) -> list[float]:
        """Area of the buffers each layer's codes lie in, by the layer that makes them."""
        areas = dict.fromkeys((layer.name for layer in self.layers), 0.0)
        for buffer in edge_buffers(self.program, self.layers).values():
            areas[buffer.producer] += buffer_area_um2(self.hardware, buffer.bits * buffer.copies)
        return list(areas.values())

    def _areas_um2(self, buffers: list[float]) -> dict[str, float]:
        used = self.floor.blocks_used
        parts = self.floor.block_parts_um2
        areas = {part: used * area for part, area in parts.items()}
        areas["buffers"] = sum(buffers)
        areas["idle_blocks"] = (self._blocks_total() - used) * sum(parts.values())
        areas["link"] = (
            self.hardware.link.area_mm2.value * 1e6 * self.floor.chips if self.floor.chips > 1 else 0.0
        )
        return areas

    def _work_ns(self) -> float:
        """Block time the network's neurons need, whichever blocks they run in."""
        cycles = sum(stage.neuron_cycles() * stage.cost.layer.neurons for stage in self.floor.stages)
        return cycles * self.hardware.rna.cycle_ns.value

    def _kib_per_neuron(self) -> float:
        """Tables and codes in the blocks, per channel: a block's stored neuron."""
        counted = [stage for stage in self.floor.stages if stage.cost.layer.counted]
        bits = sum(stage.placement.stored_bits for stage in counted)
        return bits / 8 / 1024 / max(1, sum(stage.cost.layer.channels for stage in counted))

    def _comparison(self, peak: tuple[PeakPoint, ...], area_um2: float) -> tuple[Comparison, ...]:
        """Achieved figures beside the claimed and recalled ones of the description."""
        parts = self.floor.block_parts_um2
        achieved = {
            "crossbar_um2": parts["crossbar_array"] + parts["crossbar_periphery"],
            "counters_um2": parts["counters"],
            "activation_am_um2": parts["activation_am"],
            "encoding_am_um2": parts["encoding_am"],
            "block_um2": sum(parts.values()),
            "chip_mm2": area_um2 / 1e6 / self.floor.chips,
            "kib_per_neuron": self._kib_per_neuron(),
        }
        for point in peak[:1]:
            achieved["peak_gops_per_s_mm2"] = point.gops_per_s_mm2
            achieved["peak_gops_per_s_w"] = point.gops_per_s_w
            achieved["chip_w"] = point.gops_per_s / point.gops_per_s_w
        rows = []
        for name, stated in {**self.hardware.claims, **self.hardware.recalled}.items():
            if name in achieved:
                ratio = achieved[name] / stated.value
                row = Comparison(
                    name, stated.unit, achieved[name], stated.value, ratio, stated.confidence, stated.source
                )
                rows.append(row)
        return tuple(rows)

    def _notes(self) -> list[str]:
        notes = []
        pairs = zip(self.layers, self.floor.stages, strict=True)
        again = {y.name: NeuronModel(y, s.cost.profile, self.hardware).passes for y, s in pairs if y.taps}
        short = {name: passes for name, passes in again.items() if passes > 1}
        if short:
            most = max(short, key=lambda name: short[name])
            notes.append(
                f"too few counters: codes are delivered again in {len(short)} layers, "
                f"{short[most]} times in {most!r}; raise counters.resident"
            )
        for layer, stage in zip(self.layers, self.floor.stages, strict=True):
            if bits := stage.placement.reload_bits:
                notes.append(
                    f"layer {layer.name!r}: {bits} bits of its tables do not fit and are reloaded for every neuron"
                )
        if not peak_points(self.hardware, ()):
            notes.append("no peak is stated: the reference neuron does not fit this machine")
        if self.floor.chips > 1:
            notes.append(f"the network needs {self.floor.chips} chips; their links are charged")
        return notes
