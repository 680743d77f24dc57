"""From a program, its statistics and a hardware description to a cost: pure arithmetic, no data needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rapidnn.errors import DataError
from rapidnn.machine.area import buffer_area_um2
from rapidnn.machine.audit import audit_rows, summed
from rapidnn.machine.charges import layer_ledger, layer_link_bits
from rapidnn.machine.chip import Floor, edge_buffers
from rapidnn.machine.comparison import compared
from rapidnn.machine.confidence import confidence_counts
from rapidnn.machine.cost import Cost, LayerCost, PeakPoint
from rapidnn.machine.edges import FLOAT_BITS
from rapidnn.machine.host import HostLayer, host_ledger, host_ns, link_ns
from rapidnn.machine.layer_costs import block_stage_cost, host_stage_cost
from rapidnn.machine.layers import Layer
from rapidnn.machine.ledger import BLOCK_COMPONENTS, ZEROS, Ledger
from rapidnn.machine.lifetime import Wear, busiest_writes, layer_wear, lifetime_s
from rapidnn.machine.macro import Profile
from rapidnn.machine.notes import floor_notes, hardware_notes, host_notes
from rapidnn.machine.peak import peak_points
from rapidnn.machine.pipeline import plan_stages
from rapidnn.machine.precision import energy_interval_95, time_interval_95
from rapidnn.machine.records import Hardware
from rapidnn.machine.residency import plan_floor
from rapidnn.machine.stage import StageTime, stage_time
from rapidnn.machine.statistics import ProgramStatistics
from rapidnn.machine.timing import Timing, pipeline_timing
from rapidnn.machine.topdown import TwoWays, two_ways
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
    return _Estimate(program, statistics, hardware, pipeline, plan_floor(stages, hardware)).cost()


def _stage(layer: Layer, statistics: ProgramStatistics, hardware: Hardware) -> StageTime:
    if not layer.counted:
        profile = Profile.empty()
    elif layer.name in statistics.steps:
        profile = Profile.of(statistics.steps[layer.name])
    else:
        raise DataError(f"the statistics lack step {layer.name!r}; collect them from a run of this program")
    return stage_time(layer, profile, hardware)


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

    @cached_property
    def ledgers(self) -> dict[str, Ledger]:
        """Energy of every stage by name, in pipeline order."""
        index = {layer.name: i for i, layer in enumerate(self.layers)}
        return {
            stage.name: host_ledger(stage, self.hardware)
            if isinstance(stage, HostLayer)
            else layer_ledger(self.program, self.floor, index[stage.name])
            for stage in self.pipeline
        }

    @cached_property
    def stage_ns(self) -> dict[str, float]:
        """Time of every stage in blocks by name, what comes to it over links included."""
        return {layer.name: self._stage_ns(index) for index, layer in enumerate(self.layers)}

    @cached_property
    def buffers_um2(self) -> dict[str, float]:
        """Area of the buffers each layer's codes lie in, by the layer that makes them."""
        areas = dict.fromkeys((layer.name for layer in self.layers), 0.0)
        turn = self.floor.turn_of
        batch = self.hardware.chip.batch.value
        for buffer in edge_buffers(self.program, self.pipeline, turn, batch).values():
            areas[buffer.producer] += buffer_area_um2(self.hardware, buffer.bits * buffer.copies)
        return areas

    @cached_property
    def wears(self) -> list[Wear]:
        """Writes of every layer in blocks."""
        return [layer_wear(self.floor, index) for index in range(len(self.layers))]

    def cost(self) -> Cost:
        """The whole result."""
        by_layer = self._by_layer()
        total = summed(list(self.ledgers.values()))
        host_times = {stage.name: host_ns(stage, self.hardware) for stage in self.hosted}
        timing = pipeline_timing(self.floor, self.stage_ns, host_times)
        energy, macs = total.energy_pj, sum(layer.macs for layer in by_layer)
        areas = self._areas_um2()
        area = sum(areas.values())
        peak = peak_points(self.hardware)
        ways = self._two_ways(total, timing)
        worn = busiest_writes(self.floor, self.wears)
        gops = 2 * macs / timing.period_ns
        return Cost(
            hardware=self.hardware.name,
            latency_ns=timing.latency_ns,
            bottleneck_ns=timing.period_ns,
            bottleneck_layer=timing.bottleneck,
            throughput_per_s=1e9 / timing.period_ns,
            energy_pj=energy,
            power_w=energy / timing.period_ns / 1000,
            edp_pj_ns=energy * timing.latency_ns,
            macs=macs,
            host_macs=sum(stage.work.macs for stage in self.hosted),
            gops_per_s=gops,
            gops_per_s_mm2=gops / (area / 1e6),
            gops_per_s_w=2000 * macs / energy if energy > 0 else 0.0,
            area_um2=area,
            used_area_um2=area - areas["idle_blocks"] - areas["link"],
            block_area_um2=sum(self.floor.block_parts_um2.values()),
            chips=self.floor.chips,
            turns=sum(max(self.floor.stages[i].placement.turns for i in t) for t in self.floor.turns),
            batch=self.hardware.chip.batch.value,
            reload_ns=timing.reload_ns,
            blocks_total=self._blocks_total(),
            blocks_used=self.floor.blocks_used,
            utilisation=self._work_ns() / (self._blocks_total() * timing.period_ns),
            kib_per_neuron=self._kib_per_neuron(),
            lifetime_s=lifetime_s(worn.hottest, timing.period_ns, self.hardware),
            lifetime_rotated_s=lifetime_s(worn.rotated, timing.period_ns, self.hardware),
            lifetime_levelled_s=lifetime_s(worn.mean, timing.period_ns, self.hardware),
            idle_power_w=ways[0].idle_pj / timing.period_ns / 1000 if ways else 0.0,
            energy_interval_95=energy_interval_95(by_layer),
            time_interval_95=time_interval_95(by_layer),
            by_component=total.energies_pj(),
            bits_by_component=total.bits(),
            area_by_component_um2=areas,
            by_layer=by_layer,
            audit=audit_rows(total, macs),
            two_ways=ways,
            peak=peak,
            comparison=compared(self.hardware, self._achieved(peak, area)),
            zeros=dict(ZEROS),
            confidence=confidence_counts(
                self.hardware,
                hosted=bool(self.hosted),
                linked=self._linked,
                reloaded=self.floor.reloaded,
            ),
            notes=(
                *hardware_notes(self.hardware),
                *floor_notes(self.floor, peak=bool(peak)),
                *host_notes(by_layer),
            ),
        )

    @property
    def _linked(self) -> bool:
        """Whether bits leave the chip: to another one, to the host in the middle of the network, or from memory."""
        to_host = sum(stage.link_bits for stage in self.hosted)
        from_host = sum(layer.float_elements for layer in self.layers)
        return self.floor.chips > 1 or self.floor.reloaded or to_host + from_host > 0

    def _by_layer(self) -> tuple[LayerCost, ...]:
        index = {layer.name: i for i, layer in enumerate(self.layers)}
        return tuple(
            host_stage_cost(stage, self.ledgers[stage.name], self.hardware)
            if isinstance(stage, HostLayer)
            else block_stage_cost(
                self.floor,
                index[stage.name],
                self.statistics.steps.get(stage.name) if stage.counted else None,
                self.ledgers[stage.name],
                self.stage_ns[stage.name],
                self.buffers_um2[stage.name],
                self.wears[index[stage.name]],
            )
            for stage in self.pipeline
        )

    def _two_ways(self, total: Ledger, timing: Timing) -> tuple[TwoWays, ...]:
        """Active time is that of all neurons; the blocks in use wait for the rest of the period."""
        inside = sum(total[name].energy_pj for name in BLOCK_COMPONENTS)
        active = self._work_ns()
        waiting = max(0.0, self.floor.blocks_used * timing.period_ns - active)
        return two_ways(self.hardware, inside, active, waiting)

    def _blocks_total(self) -> int:
        return self.floor.chips * self.hardware.chip.blocks

    def _stage_ns(self, index: int) -> float:
        arriving = layer_link_bits(self.program, self.floor, index)
        arriving += self.layers[index].float_elements * FLOAT_BITS
        cycles = self.floor.stages[index].cycles(self.floor.replicas[index])
        return cycles * self.hardware.rna.cycle_ns.value + link_ns(arriving, self.hardware)

    def _areas_um2(self) -> dict[str, float]:
        used = self.floor.blocks_used
        parts = self.floor.block_parts_um2
        areas = {part: used * area for part, area in parts.items()}
        areas["buffers"] = sum(self.buffers_um2.values())
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
