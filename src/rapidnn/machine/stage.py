"""How long a layer's busiest block works for one input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rapidnn.machine.layers import Layer
from rapidnn.machine.macro import NeuronCost, NeuronModel, Profile
from rapidnn.machine.overlap import interval
from rapidnn.machine.placement import Placement, fold, place
from rapidnn.machine.readout import pool_search
from rapidnn.machine.records import Hardware

Float64 = NDArray[np.float64]


def stage_time(layer: Layer, profile: Profile, hardware: Hardware) -> StageTime:
    """A layer's stage: its neuron's cost, its placement, and its time.

    Raises
    ------
    HardwareError
        If the layer cannot run on the hardware.
    """
    placement = place(layer, hardware)
    if hardware.chip.chips.value:
        placement = fold(placement, layer, hardware.chip.chips.value * hardware.chip.blocks)
    model = NeuronModel(layer, profile, hardware)
    cost = model.cost()
    if hardware.rna.overlap.value == "none":
        return StageTime(cost, placement, hardware, cost.cycles_by_addends)
    return StageTime(cost, placement, hardware, interval(model.phase_cycles, hardware))


@dataclass(frozen=True, eq=False)
class StageTime:
    """Time of a layer on ``replicas`` copies of its placement: the busiest block decides.

    A broadcast serves all blocks of a stream at once, so each round lasts as long as its slowest neuron (the expected
    largest of the counted distribution). Gathering blocks run on their own; the busiest one's n neurons take n means
    and sqrt(n) times the largest excess. ``interval_by_addends`` float64 ``(V,)`` are the cycles from a neuron to the
    next in one block for each value of A in the profile; with overlap they are fewer than the neuron takes.
    """

    cost: NeuronCost
    placement: Placement
    hardware: Hardware
    interval_by_addends: Float64

    @cached_property
    def mean_interval(self) -> float:
        """Mean cycles from a neuron to the next in one block."""
        return self.cost.profile.mean(self.interval_by_addends)

    def neuron_cycles(self) -> float:
        """Mean cycles that a neuron occupies its block, with its reloads."""
        return self.mean_interval + self.reload_cycles()

    def reload_cycles(self) -> float:
        """Cycles to write the overflowing tables of one neuron, a row at a time."""
        rows = math.ceil(self.placement.reload_bits / self.hardware.rna.columns.value)
        return rows * math.ceil(self.hardware.crossbar.write_ns.value / self.hardware.rna.cycle_ns.value)

    def busiest_neurons(self, replicas: int) -> int:
        """Neurons the busiest block evaluates for one input."""
        return -(-self.cost.layer.places // replicas) * self._rounds

    def fewest_replicas(self, cycles: float) -> int:
        """Replicas below which blocks that do not wait for gathering take more cycles, whatever is pooled."""
        if not self.round_cycles:
            return 1
        neurons = (cycles * (1 + 1e-9) - self._fixed_cycles) // self.round_cycles
        places = neurons // self._rounds
        return self.most_replicas if places < 1 else max(1, math.ceil(self.cost.layer.places / places))

    @cached_property
    def _rounds(self) -> int:
        return self.placement.rounds(self.cost.layer)

    @cached_property
    def most_replicas(self) -> int:
        """Replicas beyond which the stage gets no faster: one for each place, and for each window of its pools."""
        return max(self.cost.layer.places, *(windows for windows, _ in self._pools), 1)

    @cached_property
    def round_cycles(self) -> float:
        """Cycles from one round of neurons to the next: the mean of the slowest where blocks wait for each other."""
        if self.hardware.delivery.mode.value == "broadcast":
            slowest = self.cost.profile.mean_of_largest(
                self.interval_by_addends, self.placement.blocks_per_stream
            )
            return slowest + self.reload_cycles()
        return self.neuron_cycles()

    def cycles(self, replicas: int) -> float:
        """Cycles of the busiest block for one input: its rounds, and what the last neuron takes beyond its interval."""
        blocks = self.placement.blocks * replicas
        n = self.busiest_neurons(replicas)
        total = n * self.round_cycles + self._fixed_cycles
        if self.hardware.delivery.mode.value != "broadcast":
            slowest = self.cost.profile.mean_of_largest(self.interval_by_addends, blocks)
            total += math.sqrt(n) * (slowest - self.mean_interval)
        for windows, cycles in self._pools:
            total += -(-windows // blocks) * cycles
        return total

    @cached_property
    def _fixed_cycles(self) -> float:
        """What does not depend on the replicas: the last neuron beyond its interval, and the loads of the AM."""
        loaded = self.placement.am_loads * self.placement.am_load_rows * self.hardware.rna.read_cycles.value
        return self.cost.mean_cycles - self.mean_interval + loaded

    @cached_property
    def _pools(self) -> list[tuple[int, float]]:
        """Windows of each max pool, and the cycles of one."""
        return [(pool.windows, pool_search(self.hardware, pool).cycles) for pool in self.cost.layer.pools]

    def next_useful(self, replicas: int) -> int:
        """The least larger number of replicas that shortens the stage; the same if there is none.

        Only these change the busiest block's places or its share of the pools' windows.
        """
        larger = _next(self.cost.layer.places, replicas)
        blocks = self.placement.blocks
        for windows, _ in self._pools:
            fewer = -(-windows // (blocks * replicas)) - 1
            if fewer > 0:
                sooner = -(-windows // (blocks * fewer))
                larger = sooner if larger == replicas else min(larger, sooner)
        return larger


def _next(items: int, shares: int) -> int:
    """The least larger number of shares whose largest has fewer items; the same if there is none."""
    busiest = -(-items // shares)
    return shares if busiest <= 1 else -(-items // (busiest - 1))
