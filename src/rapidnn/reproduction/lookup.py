"""A machine that looks sums up instead of counting: the design studied in docs/headline.md.

For ``group`` inputs at a time, a small SRAM holds the sums of their products for every combination of weight codes
(w**group entries). A column of ``neurons`` channels takes one entry each in turn, at the address its weight codes give,
and adds it to its accumulator: one look-up and one addition for ``group`` multiply-accumulates, no counting, no copies.
``shared`` lanes work on as many positions (of one input, or of several of a stream) around one store of weight codes:
either together, each code read once for all, or each at its own pace, which leaves out every group of zero codes of its
own; the store's word is then theirs in turn, so they are as many as its width feeds. The sums are exact integers, in
another order than the RNA block's: SPEC section 1 makes the results the same.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from rapidnn.machine.edges import code_bits
from rapidnn.machine.records import Constant, NonNegative, Positive
from rapidnn.rivals.description import Rival

_SRAM_BYTES = (64, 512, 4096, 8192)
_WORD_BITS = 32


class Lookup(Rival):
    """The machine's constants, ``rapidnn/hardware/rivals/lookup.yaml``."""

    cycle_ns: Constant[Positive]
    adder_pj_32b: Constant[NonNegative]
    adder_um2_32b: Constant[NonNegative]
    register_pj_bit: Constant[NonNegative]
    register_um2_bit: Constant[NonNegative]
    comparator_pj: Constant[NonNegative]
    comparator_um2: Constant[NonNegative]
    sram_64_read_pj: Constant[Positive]
    sram_64_write_pj: Constant[Positive]
    sram_64_um2: Constant[Positive]
    sram_512_read_pj: Constant[Positive]
    sram_512_write_pj: Constant[Positive]
    sram_512_um2: Constant[Positive]
    sram_4096_read_pj: Constant[Positive]
    sram_4096_write_pj: Constant[Positive]
    sram_4096_um2: Constant[Positive]
    sram_8192_read_pj: Constant[Positive]
    sram_8192_write_pj: Constant[Positive]
    sram_8192_um2: Constant[Positive]
    reram_kib: Constant[Positive]
    reram_read_pj_16b: Constant[NonNegative]
    reram_read_ns: Constant[Positive]
    reram_um2: Constant[Positive]
    reram128_kib: Constant[Positive]
    reram128_read_pj_16b: Constant[NonNegative]
    reram128_read_ns: Constant[Positive]
    reram128_um2: Constant[Positive]
    wire_pj_bit_mm: Constant[NonNegative]
    tree_factor: Constant[Positive]
    link_w: Constant[NonNegative]
    link_mm2: Constant[NonNegative]
    core_mm2: Constant[Positive]

    def reram(self, memory: str, kind: str) -> float:
        """A figure of one of the two ReRAM arrays, ``reram`` (8 KB) and ``reram128`` (128 KB)."""
        return float(getattr(self, f"{memory}_{kind}").value)

    def sram(self, kind: str, size_bytes: float) -> float:
        """``read_pj``, ``write_pj`` of a word of up to 32 bits, or ``um2`` of an SRAM: NVSim's sizes, log-log between.

        Smaller than 64 bytes costs as much as 64; larger than 8 KB is built of banks of 8 KB, one of which is accessed.
        """
        wanted = min(max(size_bytes, _SRAM_BYTES[0]), _SRAM_BYTES[-1])
        points = [(size, float(getattr(self, f"sram_{size}_{kind}").value)) for size in _SRAM_BYTES]
        found = points[-1][1]
        for (low, below), (high, above) in pairwise(points):
            if wanted <= high:
                share = math.log(wanted / low) / math.log(high / low)
                found = below * (above / below) ** share
                break
        banks = math.ceil(size_bytes / _SRAM_BYTES[-1]) if kind == "um2" else 1
        return found * max(1, banks)


@dataclass(frozen=True)
class LookupLayer:
    """A weighted layer as this machine sees it. ``zero`` is the share of its input codes that stand for 0, measured."""

    name: str
    taps: int
    channels: int
    groups: int
    positions: int
    input_elements: int
    weights: int
    inputs: int
    product_bits: int
    word_bits: int
    encoded: int
    pool_codes: int
    zero: float

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input."""
        return self.taps * self.channels * self.positions


@dataclass(frozen=True)
class Design:
    """What may be chosen, for all layers of a machine.

    ``group`` inputs are looked up together where w**group stays within ``most_entries``; ``neurons`` channels take
    turns in a column; ``shared`` lanes use the same weight codes, which lie in ``memory`` (``sram``, ``reram``
    or ``reram128``, an array of 8 or of 128 KB); ``own_pace``
    lets each skip its own zeros.
    """

    group: int = 2
    neurons: int = 64
    shared: int = 32
    memory: str = "sram"
    own_pace: bool = True
    most_entries: int = 1024

    def grouped(self, weights: int) -> int:
        """Inputs that are looked up together with a codebook of so many weights."""
        most = int(math.log(self.most_entries) / math.log(max(2, weights)) + 1e-9)
        return max(1, min(self.group, most))


@dataclass(frozen=True)
class Unit:
    """One copy of a layer: ``shared`` lanes of all its channels around one store of its weight codes."""

    machine: Lookup
    layer: LookupLayer
    design: Design

    @cached_property
    def grouped(self) -> int:
        """Inputs that are looked up together."""
        return self.design.grouped(self.layer.weights)

    @cached_property
    def entries(self) -> int:
        """Sums in a table."""
        return int(self.layer.weights**self.grouped)

    @cached_property
    def columns(self) -> int:
        """Columns that hold all channels of one group of a convolution."""
        return math.ceil(self.layer.channels // self.layer.groups / self.design.neurons)

    @cached_property
    def in_column(self) -> int:
        """Channels of the fullest column."""
        return math.ceil(self.layer.channels // self.layer.groups / self.columns)

    @cached_property
    def steps(self) -> int:
        """Groups of inputs of one neuron."""
        return math.ceil(self.layer.taps / self.grouped)

    @cached_property
    def active(self) -> float:
        """Share of the groups with a code that is not zero, zeros taken as independent (they cluster: pessimistic)."""
        return 1 - float(self.layer.zero) ** self.grouped

    @cached_property
    def step_cycles(self) -> int:
        """Cycles of a group: its look-ups, or the building of the next group's table if that is longer."""
        return max(self.in_column, self.entries)

    @cached_property
    def address_bits(self) -> int:
        """Weight-code bits of one look-up."""
        return self.grouped * code_bits(self.layer.weights)

    @cached_property
    def store_bits_ns(self) -> float:
        """Bits that the store of weight codes gives a column in a ns."""
        if self.design.memory != "sram":
            return 16 / self.machine.reram(self.design.memory, "read_ns")
        return _WORD_BITS / self.machine.cycle_ns.value

    @cached_property
    def lanes(self) -> int:
        """Lanes around the store: at their own pace, no more than its word feeds with an address a cycle each."""
        if not self.design.own_pace:
            return self.design.shared
        feeds = int(self.store_bits_ns * self.machine.cycle_ns.value / max(1, self.address_bits) + 1e-9)
        return max(1, min(self.design.shared, feeds))

    @property
    def input_ns(self) -> float:
        """Time of one copy for one input: positions (of several inputs, where one has fewer) are spread over its lanes.

        Lanes that go together leave a group out only where all have zeros. To look for the next group takes a cycle.
        """
        share = self.active if self.design.own_pace else 1 - (1 - self.active) ** self.lanes
        rounds = self.layer.positions * self.layer.groups / self.lanes
        readers = self.lanes if self.design.own_pace else 1
        weights_ns = readers * self.address_bits * self.in_column / self.store_bits_ns
        step_ns = max(self.step_cycles * self.machine.cycle_ns.value, weights_ns)
        return rounds * self.steps * max(share * step_ns, self.machine.cycle_ns.value)

    @cached_property
    def um2(self) -> float:
        """Area of one copy."""
        m, y = self.machine, self.layer
        table = m.sram("um2", self.entries * self.table_bits / 8)
        adder = m.adder_um2_32b.value / 32
        lane = 2 * table + m.sram("um2", self.in_column * y.word_bits / 8) + adder * y.word_bits
        held = _WORD_BITS if self.design.own_pace else self.address_bits
        lane += m.register_um2_bit.value * (self.table_bits + y.word_bits + held)
        products = m.sram("um2", y.weights * y.inputs * y.product_bits / 8)
        builder = products + adder * self.table_bits * (self.grouped > 1)
        encoder = m.sram("um2", y.inputs * 4) + m.comparator_um2.value
        return self.lanes * (self.columns * lane + builder + encoder) + self._store_um2 + self._buffer_um2

    @cached_property
    def table_bits(self) -> int:
        """Bits of an entry: products of ``grouped`` inputs add up."""
        return self.layer.product_bits + math.ceil(math.log2(self.grouped))

    @cached_property
    def _store_um2(self) -> float:
        y, m = self.layer, self.machine
        column_bytes = y.groups * self.in_column * y.taps * code_bits(y.weights) / 8
        if self.design.memory == "sram":
            return self.columns * m.sram("um2", column_bytes)
        memory = self.design.memory
        arrays = math.ceil(column_bytes / 1024 / m.reram(memory, "kib"))
        return self.columns * arrays * m.reram(memory, "um2")

    @cached_property
    def _buffer_um2(self) -> float:
        """The layer's input codes twice, and once more for each further input whose positions fill the lanes."""
        y, m = self.layer, self.machine
        inputs = max(1.0, self.lanes / y.positions)
        return m.sram("um2", (1 + inputs) * y.input_elements * code_bits(y.inputs) / 8)

    @cached_property
    def by_component(self) -> dict[str, float]:
        """Energy of one input in pJ by component."""
        y, m = self.layer, self.machine
        steps = y.positions * y.groups * self.steps * self.active
        looked = y.positions * y.channels * self.steps * self.active
        table = self.entries * self.table_bits / 8
        adder = m.adder_pj_32b.value / 32
        sums = sum(y.weights**i for i in range(2, self.grouped + 1))
        rows = self.grouped * y.weights * m.sram("read_pj", y.weights * y.inputs * y.product_bits / 8)
        writes = self.entries * self.columns * m.sram("write_pj", table)
        accumulator = self.in_column * y.word_bits / 8
        bits = y.channels * y.taps * code_bits(y.weights) * y.positions
        reads = bits * self.active if self.design.own_pace else bits / self.lanes
        pitch_mm = math.sqrt(self.um2 / self.lanes / self.columns) / 1000
        codes = y.positions * y.groups * y.taps * code_bits(y.inputs)
        levels = code_bits(y.inputs)
        return {
            "tables_built": steps * (rows + sums * adder * self.table_bits + writes),
            "look_ups": looked * m.sram("read_pj", table),
            "additions": looked * adder * y.word_bits,
            "accumulators": looked * (m.sram("read_pj", accumulator) + m.sram("write_pj", accumulator)),
            "registers": looked
            * m.register_pj_bit.value
            * (self.table_bits + y.word_bits + self.address_bits),
            "weight_codes": reads * self._read_pj_bit,
            "weight_wires": bits * m.wire_pj_bit_mm.value * self._weight_mm(pitch_mm),
            "input_codes": codes * m.sram("read_pj", 8192) / _WORD_BITS,
            "input_wires": codes * m.wire_pj_bit_mm.value * math.sqrt(self.um2) / 2000,
            "table_wires": steps
            * self.entries
            * self.table_bits
            * m.wire_pj_bit_mm.value
            * m.tree_factor.value
            * self.columns
            * pitch_mm,
            "searches": y.encoded * levels * (m.comparator_pj.value + m.sram("read_pj", y.inputs * 4)),
            "code_output": y.encoded * levels * m.sram("write_pj", 8192) / _WORD_BITS,
            "max_pool": y.pool_codes
            * (m.comparator_pj.value + levels * m.sram("read_pj", 8192) / _WORD_BITS),
        }

    def _weight_mm(self, pitch_mm: float) -> float:
        """Wire for a bit at a lane: its share of a tree over all lanes, or half the column's side on its own."""
        if self.design.own_pace:
            return self.active * math.sqrt(self.lanes) * pitch_mm
        return self.machine.tree_factor.value * pitch_mm

    @property
    def _read_pj_bit(self) -> float:
        if self.design.memory != "sram":
            return self.machine.reram(self.design.memory, "read_pj_16b") / 16
        y = self.layer
        column_bytes = y.groups * self.in_column * y.taps * code_bits(y.weights) / 8
        return self.machine.sram("read_pj", column_bytes) / _WORD_BITS
