"""The pipeline block by block: every neuron's time is drawn from the counted distribution, nothing is averaged."""

from __future__ import annotations

import numpy as np

from rapidnn.machine.readout import pool_search
from tests.machine.events import Event, Simulation


def simulate(stages, replicas, inputs, rng, *, handover=1, buffers=2):
    """Cycle at which each input's result is there, and at which each entered.

    ``stages`` in order, each reading its predecessor through ``buffers`` tensors. A stage takes an input when its
    codes are complete and its own last output but one has been read.
    """
    simulation = Simulation()
    ready = [[Event() for _ in range(inputs)] for _ in stages]
    entered, left = np.zeros(inputs), np.zeros(inputs)

    def work(index):
        for n in range(inputs):
            if index:
                yield ready[index - 1][n]
            else:
                entered[n] = simulation.now
            if index + 1 < len(stages) and n >= buffers:
                yield ready[index + 1][n - buffers]
            runs = stage_blocks(stages[index], replicas[index], rng)
            yield from [simulation.start(run) for run in runs]
            yield after_neurons(stages[index], replicas[index]) + handover
            simulation.fire(ready[index][n])
            if index + 1 == len(stages):
                left[n] = simulation.now

    for index in range(len(stages)):
        simulation.start(work(index))
    simulation.run()
    return entered, left


def stage_blocks(stage, replicas, rng):
    """One process for what runs by itself: a replica whose blocks share a stream, or a single block that gathers."""
    layer, placement = stage.cost.layer, stage.placement
    streams = placement.blocks // placement.blocks_per_stream
    for replica in range(replicas):
        places = len(range(replica, layer.places, replicas))
        neurons = places * placement.rounds(layer)
        broadcast = stage.hardware.delivery.mode.value == "broadcast"
        runs = streams if broadcast else placement.blocks
        for _ in range(runs):
            yield evaluate(stage, neurons, placement.blocks_per_stream if broadcast else 1, rng)


def evaluate(stage, neurons, together, rng):
    """Neurons one after another; the ``together`` blocks of a stream wait for their slowest."""
    cycles, share = stage.interval_by_addends, stage.cost.profile.share
    drawn = cycles[rng.choice(len(cycles), size=(neurons, together), p=share)].max(axis=1)
    for value in drawn:
        yield float(value) + stage.reload_cycles()
    yield stage.cost.mean_cycles - stage.mean_interval


def after_neurons(stage, replicas):
    """Max pooling over the blocks, and loads of the AM: the same for every input."""
    blocks = stage.placement.blocks * replicas
    pools = sum(
        -(-p.windows // blocks) * pool_search(stage.hardware, p).cycles for p in stage.cost.layer.pools
    )
    placement = stage.placement
    return pools + placement.am_loads * placement.am_load_rows * stage.hardware.rna.read_cycles.value
