"""From a program, its statistics and a hardware description to a cost: pure arithmetic, no data needed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidnn.errors import DataError
from rapidnn.machine.allocation import allocate
from rapidnn.machine.area import buffer_area_um2
from rapidnn.machine.chip import Floor, chips_needed, edge_buffers, link_bits
from rapidnn.machine.comparison import compared
from rapidnn.machine.confidence import confidence_counts
from rapidnn.machine.cost import HOST, MACHINE, Cost, LayerCost, PeakPoint
from rapidnn.machine.edges import FLOAT_BITS, code_bits
from rapidnn.machine.host import HostLayer, host_ledger, host_ns, link_ns
from rapidnn.machine.layers import Layer
from rapidnn.machine.ledger import COMPONENTS, ZEROS, Ledger
from rapidnn.machine.macro import NeuronCost, NeuronModel, Profile
from rapidnn.machine.notes import floor_notes, hardware_notes, host_notes
from rapidnn.machine.peak import peak_points
from rapidnn.machine.pipeline import plan_stages
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
    pipeline = plan_stages(program)
    stages = tuple(_stage(layer, statistics, hardware) for layer in pipeline if isinstance(layer, Layer))
    blocks = chips_needed(stages, hardware) * hardware.chip.blocks
    floor = Floor(hardware, stages, tuple(allocate(stages, blocks)))
    return _Estimate(program, statistics, hardware, pipeline, floor).cost()


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
    pipeline: tuple[Layer | HostLayer, ...]
    floor: Floor

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The stages that run in blocks, in the floor's order."""
        return tuple(stage.cost.layer for stage in self.floor.stages)

    @cached_property
    def hosted(self) -> tuple[HostLayer, ...]:
        """The stages that run on the host."""
        return tuple(stage for stage in self.pipeline if isinstance(stage, HostLayer))

    def cost(self) -> Cost:
        """The whole result."""
        buffers = self._buffers_um2()
        by_layer = self._by_layer(buffers)
        bottleneck, stage_ns = self._bottleneck(by_layer)
        handover = self.hardware.chip.handover_cycles.value * self.hardware.rna.cycle_ns.value
        period = stage_ns + handover
        latency = sum(layer.stage_ns + handover for layer in by_layer)
        energy, macs = sum(layer.energy_pj for layer in by_layer), sum(layer.macs for layer in by_layer)
        areas = self._areas_um2(buffers)
        area = sum(areas.values())
        peak = peak_points(self.hardware)
        return Cost(
            hardware=self.hardware.name,
            latency_ns=latency,
            bottleneck_ns=period,
            bottleneck_layer=bottleneck,
            throughput_per_s=1e9 / period,
            energy_pj=energy,
            power_w=energy / period / 1000,
            edp_pj_ns=energy * latency,
            macs=macs,
            host_macs=sum(stage.work.macs for stage in self.hosted),
            gops_per_s=2 * macs / period,
            gops_per_s_mm2=2 * macs / period / (area / 1e6),
            gops_per_s_w=2000 * macs / energy if energy > 0 else 0.0,
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
            by_component=_totals([layer.by_component for layer in by_layer]),
            bits_by_component=_totals([layer.bits_by_component for layer in by_layer]),
            area_by_component_um2=areas,
            by_layer=by_layer,
            peak=peak,
            comparison=compared(self.hardware, self._achieved(peak, area)),
            zeros=dict(ZEROS),
            confidence=confidence_counts(self.hardware, hosted=bool(self.hosted), linked=self._linked),
            notes=(*hardware_notes(self.hardware), *floor_notes(self.floor), *host_notes(by_layer)),
        )

    @property
    def _linked(self) -> bool:
        """Whether bits leave the chip: to another one, or to the host in the middle of the network."""
        to_host = sum(stage.link_bits for stage in self.hosted)
        from_host = sum(layer.float_elements for layer in self.layers)
        return self.floor.chips > 1 or to_host + from_host > 0

    def _by_layer(self, buffers: Mapping[str, float]) -> tuple[LayerCost, ...]:
        index = {layer.name: i for i, layer in enumerate(self.layers)}
        return tuple(
            self._host_layer(stage)
            if isinstance(stage, HostLayer)
            else self._layer(index[stage.name], self._ledger(index[stage.name]), buffers[stage.name])
            for stage in self.pipeline
        )

    def _bottleneck(self, by_layer: Sequence[LayerCost]) -> tuple[str, float]:
        """What sets the pace: the slowest stage in blocks, or the host, which runs its stages one after another."""
        slowest = max((y for y in by_layer if y.runs_on == MACHINE), key=lambda y: y.stage_ns)
        on_host = sum(y.stage_ns for y in by_layer if y.runs_on == HOST)
        return (HOST, on_host) if on_host > slowest.stage_ns else (slowest.name, slowest.stage_ns)

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
        direct_bits: float = sum(code_bits(size) for size in layer.residual_sizes)
        direct_bits += layer.lookup.code_bits if layer.lookup else 0.0
        ledger.charge("broadcast", direct_bits * layer.neurons, wire * half)
        for readout in layer.readouts:
            ledger.charge("code_output", readout.out_bits * layer.neurons, write + wire * half)
        for pool in layer.pools:
            found = pool_search(hw, pool)
            ledger.charge("max_pool", found.bits * pool.windows, pj=found.energy_pj * pool.windows)
        cell_read, cell_write = hw.crossbar.read_pj_32b.value / 32, hw.crossbar.write_pj_32b.value / 32
        ledger.charge("reload", stage.placement.reload_bits * layer.neurons, read + cell_write + wire * half)
        loaded = stage.placement.am_loads * stage.placement.am_load_bits * self.floor.blocks(index)
        ledger.charge("reload", loaded, cell_read + hw.am.sram_write_pj_16b.value / 16)
        ledger.charge("host_link", layer.float_elements * FLOAT_BITS, hw.link.pj_per_bit.value)
        return ledger.charge("link", self._link_bits(index), hw.link.pj_per_bit.value)

    def _link_bits(self, index: int) -> float:
        if self.floor.chips == 1:
            return 0.0
        home = {step: i for i, layer in enumerate(self.layers) for step in layer.steps}
        return link_bits(self.program, self.floor, home, index)

    def _stage_ns(self, index: int) -> float:
        arriving = self._link_bits(index) + self.layers[index].float_elements * FLOAT_BITS
        cycles = self.floor.stages[index].cycles(self.floor.replicas[index])
        return cycles * self.hardware.rna.cycle_ns.value + link_ns(arriving, self.hardware)

    def _layer(self, index: int, ledger: Ledger, buffer_um2: float) -> LayerCost:
        stage, layer = self.floor.stages[index], self.layers[index]
        counted = self.statistics.steps.get(layer.name) if layer.counted else None
        mean, hottest = self._writes(stage.cost, index)
        return LayerCost(
            name=layer.name,
            kind=layer.kind,
            runs_on=MACHINE,
            steps=layer.steps,
            neurons=layer.neurons,
            macs=layer.macs,
            host_macs=0,
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

    def _host_layer(self, stage: HostLayer) -> LayerCost:
        ledger = host_ledger(stage, self.hardware)
        return LayerCost(
            name=stage.name,
            kind=stage.kind,
            runs_on=HOST,
            steps=stage.steps,
            neurons=stage.neurons,
            macs=0,
            host_macs=stage.work.macs,
            channels=0,
            blocks=0,
            replicas=0,
            word_bits=FLOAT_BITS,
            lanes=0,
            addends_mean=0.0,
            addends_standard_error=0.0,
            cycles={},
            stage_ns=host_ns(stage, self.hardware),
            energy_pj=ledger.energy_pj,
            by_component=ledger.energies_pj(),
            bits_by_component=ledger.bits(),
            area_um2=0.0,
            writes_mean=0.0,
            writes_hottest=0.0,
        )

    def _writes(self, cost: NeuronCost, index: int) -> tuple[float, float]:
        """Writes per working cell of the layer's busiest block for one input: mean over the cells, and hottest."""
        stage = self.floor.stages[index]
        neurons = stage.busiest_neurons(self.floor.replicas[index])
        cells = stage.placement.working_rows * self.hardware.rna.columns.value
        return (neurons * cost.cell_writes / cells if cells else 0.0), neurons * cost.hottest_writes

    def _lifetime_s(self, writes: float, period_ns: float) -> float:
        return self.hardware.cell.endurance_writes.value / writes * period_ns * 1e-9 if writes else math.inf

    def _buffers_um2(self) -> dict[str, float]:
        """Area of the buffers each layer's codes lie in, by the layer that makes them."""
        areas = dict.fromkeys((layer.name for layer in self.layers), 0.0)
        for buffer in edge_buffers(self.program, self.pipeline).values():
            areas[buffer.producer] += buffer_area_um2(self.hardware, buffer.bits * buffer.copies)
        return areas

    def _areas_um2(self, buffers: Mapping[str, float]) -> dict[str, float]:
        used = self.floor.blocks_used
        parts = self.floor.block_parts_um2
        areas = {part: used * area for part, area in parts.items()}
        areas["buffers"] = sum(buffers.values())
        areas["idle_blocks"] = (self._blocks_total() - used) * sum(parts.values())
        areas["link"] = self.hardware.link.area_mm2.value * 1e6 * self.floor.chips * self._linked
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

    def _achieved(self, peak: tuple[PeakPoint, ...], area_um2: float) -> dict[str, float]:
        """The figures that a description may state too, under its names."""
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
        return achieved


def _totals(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sums by component."""
    return {name: sum(part[name] for part in parts) for name in COMPONENTS}
