"""The chip around the blocks: where layers lie, the buffers between them, and what their wires and links carry."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidnn.machine.area import block_area_um2
from rapidnn.machine.edges import edge_bits, stored_edges
from rapidnn.machine.host import HostLayer
from rapidnn.machine.layers import Layer
from rapidnn.machine.records import Hardware
from rapidnn.machine.stage import StageTime
from rapidnn.tables.program import Program, sources_of


@dataclass(frozen=True)
class EdgeBuffer:
    """A code edge, or an integer edge that the host reads, kept between stages.

    ``bits`` of one input's tensor, in ``copies`` (2 for double buffering).
    """

    producer: str
    bits: int
    copies: int


def edge_buffers(
    program: Program,
    stages: Sequence[Layer | HostLayer],
    turn: Mapping[str, int] | None = None,
    batch: int = 1,
) -> dict[str, EdgeBuffer]:
    """Buffers by edge.

    Every stage works on whole tensors and on another input than its neighbours, so an edge from stage i to stage j
    is kept ``j - i + 1`` times, and the input of a max pool, which its own layer reads, once. Shape operators, zero
    padding and joins within a codebook are read from their sources' buffers. What the host makes, it keeps. Where
    layers take turns (``turn`` by stage name), an edge into another turn is kept for the whole ``batch``.
    """
    order = {step: index for index, stage in enumerate(stages) for step in stage.steps}
    home = {step: stage.name for stage in stages for step in stage.steps}
    copies: dict[str, int] = {}
    for index, stage in enumerate(stages):
        for edge in _reads(program, stage):
            crosses = turn is not None and turn.get(home[edge], 0) != turn.get(stage.name, 0)
            kept = batch if crosses else index - order[edge] + 1
            copies[edge] = max(copies.get(edge, 1), kept)
    return {edge: EdgeBuffer(home[edge], edge_bits(program, edge), kept) for edge, kept in copies.items()}


def _reads(program: Program, stage: Layer | HostLayer) -> list[str]:
    """The stored edges that a stage reads, its own where it pools them."""
    read = stage.reads if isinstance(stage, HostLayer) else stage.sources
    pooled = () if isinstance(stage, HostLayer) else tuple(pool.edge for pool in stage.pools)
    edges = [*read, *(source for edge in pooled for source in sources_of(program.step[edge]))]
    return [stored for edge in edges for stored in stored_edges(program, edge)]


@dataclass(frozen=True)
class Floor:
    """Layers in blocks, in pipeline order: replicas, chips, and distances on the die.

    ``turns`` are the stages that lie in the blocks together; there is more than one where the chips do not hold all.
    """

    hardware: Hardware
    stages: tuple[StageTime, ...]
    replicas: tuple[int, ...]
    turns: tuple[range, ...]

    @cached_property
    def block_parts_um2(self) -> dict[str, float]:
        """Area of one block by part."""
        return block_area_um2(self.hardware, [stage.cost.layer for stage in self.stages])

    @cached_property
    def pitch_mm(self) -> float:
        """Side of one block, taken as a square."""
        return math.sqrt(sum(self.block_parts_um2.values())) / 1000

    def blocks(self, index: int) -> int:
        """Blocks of a layer, all replicas."""
        return self.stages[index].placement.blocks * self.replicas[index]

    @cached_property
    def blocks_used(self) -> int:
        """Blocks in use at once, at most."""
        return max(sum(self.blocks(i) for i in turn) for turn in self.turns)

    @cached_property
    def chips(self) -> int:
        """Chips there are: as many as given, or as hold one replica of every layer."""
        return chips_there(self.stages, self.hardware)

    @cached_property
    def reloaded(self) -> bool:
        """Whether the tables of layers are written again for every batch."""
        return len(self.turns) > 1 or any(stage.placement.turns > 1 for stage in self.stages)

    @cached_property
    def turn_of(self) -> dict[str, int]:
        """The turn each layer works in, by name."""
        return {self.stages[i].cost.layer.name: t for t, turn in enumerate(self.turns) for i in turn}

    def half_side_mm(self, index: int) -> float:
        """Half the side of a layer's blocks: from their edge, where its buffer lies, to their middle."""
        return math.sqrt(self.blocks(index)) * self.pitch_mm / 2

    def stream_mm(self, index: int) -> float:
        """Wire that one stream charges: to the layer's middle, and the tree over the blocks that listen."""
        listeners = self.stages[index].placement.blocks_per_stream
        tree = self.hardware.wire.tree_factor.value * listeners * self.pitch_mm if listeners > 1 else 0.0
        return self.half_side_mm(index) + tree

    def streams(self, index: int) -> int:
        """Deliveries of a set of codes for one input: one per place, group and channel of the busiest block."""
        layer, placement = self.stages[index].cost.layer, self.stages[index].placement
        channels = -(-layer.channels // layer.groups)
        return layer.places * layer.groups * -(-channels // placement.blocks_per_stream)

    def chip_shares(self, index: int) -> dict[int, float]:
        """Share of a layer's blocks on each chip: layers fill the chips one after another."""
        size = self.hardware.chip.blocks
        turn = next(turn for turn in self.turns if index in turn)
        first = sum(self.blocks(i) for i in range(turn.start, index))
        end = first + self.blocks(index)
        chips = range(first // size, (end - 1) // size + 1)
        return {c: (min(end, (c + 1) * size) - max(first, c * size)) / (end - first) for c in chips}


def chips_there(stages: Sequence[StageTime], hardware: Hardware) -> int:
    """The number of chips given, or the least with a block for every channel set of every layer."""
    needed = math.ceil(sum(stage.placement.blocks for stage in stages) / hardware.chip.blocks)
    return hardware.chip.chips.value or needed


def link_bits(program: Program, floor: Floor, home: Mapping[str, int], index: int) -> float:
    """Bits that cross between chips to reach a layer for one input.

    A code goes to every chip that holds blocks of its reader, but for the chip it was made on; where the producer
    spreads over several chips its codes are taken to be spread like its blocks.
    """
    total = 0.0
    readers = floor.chip_shares(index)
    sources = floor.stages[index].cost.layer.sources
    for edge in dict.fromkeys(stored for source in sources for stored in stored_edges(program, source)):
        made = floor.chip_shares(home[edge])
        crossings = sum(1 - made.get(chip, 0.0) for chip in readers)
        total += edge_bits(program, edge) * crossings
    return total
