"""The typed form of a hardware description: every number is a record of value, unit, node, source and confidence."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rapidnn.machine.units import first_wrong_unit

T = TypeVar("T")

Confidence = Literal["seen", "computed", "recalled-high", "recalled-medium", "recalled-low", "assumption"]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(strict=True, ge=1)]
Natural = Annotated[int, Field(strict=True, ge=0)]
Flag = Annotated[bool, Field(strict=True)]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Constant(Strict, Generic[T]):
    """One constant and how well it is known.

    ``device`` names the device record an energy or a time belongs to, ``at_ns`` the cycle time an energy was stated
    at; ``range`` is the low and high end of what sources give.
    """

    value: T
    unit: str
    node_nm: float | None
    source: str
    confidence: Confidence
    device: str | None = None
    at_ns: float | None = None
    range: tuple[float, float] | None = None


class Choice(Strict, Generic[T]):
    """One architectural choice: what it means, its unit, and where its default comes from."""

    value: T
    unit: str
    description: str
    source: str
    confidence: Confidence
    node_nm: float | None = None


class Rna(Strict):
    """One RNA block: its crossbar and how it copies and adds."""

    cycle_ns: Constant[Positive]
    rows: Choice[Count]
    columns: Choice[Count]
    max_lanes: Choice[Count]
    partitions: Choice[Count]
    addend_rows: Choice[Natural]
    overlap: Choice[Literal["none", "count", "full"]]
    neurons_per_block: Choice[Count]
    copy_cycles: Choice[Count]
    copy_parallel: Choice[Count]
    read_cycles: Choice[Count]
    shift_interconnect: Choice[Flag]
    compressor: Choice[str]
    adder: Choice[str]


class Delivery(Strict):
    """How input codes reach a block's counters."""

    mode: Choice[Literal["broadcast", "gather"]]
    width: Choice[Count]
    fill_width: Choice[Count]


class Counters(Strict):
    """The counters of one block."""

    resident: Choice[Count]
    width_bits: Choice[Count]
    increment_pj_32b: Constant[NonNegative]
    area_um2_32b: Constant[NonNegative]
    readout_pj_per_bit: Constant[NonNegative]
    recode_pj: Constant[NonNegative]


class Logic(Strict):
    """Energy of the stateful gates."""

    nor_fj: Constant[NonNegative]
    init_fj: Constant[NonNegative]


class Cell(Strict):
    """The memory cell. ``rotation_rows`` is how many rows the working rows of a block take turns over."""

    technology: Choice[str]
    feature_nm: Constant[Positive]
    area_f2: Constant[Positive]
    endurance_writes: Constant[Positive]
    rotation_rows: Choice[Count]
    gates: Choice[list[str]]


class Crossbar(Strict):
    """Conventional reads and writes of the crossbar, and its periphery."""

    read_pj_32b: Constant[NonNegative]
    read_ns: Constant[Positive]
    write_pj_32b: Constant[NonNegative]
    write_ns: Constant[Positive]
    word_bits: Choice[Count]
    line_f2: Constant[NonNegative]
    sense_f2: Constant[NonNegative]


class Compressor(Strict):
    """A programme for the 3:2 carry-save step."""

    cycles: Constant[Count]
    nor_outputs_per_bit: Constant[Natural]
    init_writes_per_bit: Constant[Natural]
    scratch_rows: Choice[Count]
    gates: Choice[list[str]]


class Adder(Strict):
    """A programme for the final addition of two N-bit rows."""

    cycles_per_bit: Constant[Count]
    cycles_fixed: Constant[Natural]
    nor_outputs_per_bit: Constant[Natural]
    init_writes_per_bit: Constant[Natural]
    gates: Choice[list[str]]


class Am(Strict):
    """The two associative memories of a block."""

    search: Choice[Literal["digital", "cam"]]
    rows: Choice[Count]
    word_bits: Choice[Count]
    cycles_per_level: Choice[Count]
    comparator_pj: Constant[NonNegative]
    comparator_um2: Constant[NonNegative]
    sram_read_pj_16b: Constant[NonNegative]
    sram_write_pj_16b: Constant[NonNegative]
    sram_um2_128b: Constant[NonNegative]
    cam_pj: Constant[NonNegative]
    cam_ns: Constant[Positive]
    cam_um2: Constant[NonNegative]
    cam_stage_bits: Choice[Count]


class Buffer(Strict):
    """SRAM between the stages, and a block's local buffer in gather mode."""

    read_pj_32b: Constant[NonNegative]
    write_pj_32b: Constant[NonNegative]
    area_um2_8kib: Constant[NonNegative]
    port_area_exponent: Constant[NonNegative]
    port_energy_exponent: Constant[NonNegative]


class Wire(Strict):
    """On-chip wires."""

    pj_per_bit_mm: Constant[NonNegative]
    tree_factor: Constant[Positive]


class Interconnect(Strict):
    """The shift-by-one switches of a block and the shifter of its write path."""

    switch_f2: Constant[NonNegative]
    shifter_um2: Constant[NonNegative]
    shifter_pj: Constant[NonNegative]


class Chip(Strict):
    """How many blocks a chip has, and the pipeline's hand-over."""

    blocks_per_tile: Choice[Count]
    tiles: Choice[Count]
    chips: Choice[Natural]
    batch: Choice[Count]
    idle_share: Choice[NonNegative]
    handover_cycles: Choice[Natural]

    @property
    def blocks(self) -> int:
        """RNA blocks of one chip."""
        return self.blocks_per_tile.value * self.tiles.value


class Link(Strict):
    """The link between chips."""

    pj_per_bit: Constant[NonNegative]
    gbyte_per_s: Constant[Positive]
    area_mm2: Constant[NonNegative]


class Memory(Strict):
    """The memory outside the chips that tables come from where they have to be reloaded."""

    read_pj_32b: Constant[NonNegative]


class Host(Strict):
    """The processor that runs the operators the machine does not: float32 arithmetic, one SRAM, and its rate."""

    add_pj: Constant[NonNegative]
    mul_pj: Constant[NonNegative]
    sram_pj_32b: Constant[NonNegative]
    gflop_per_s: Choice[Positive]
    divide_adds: Choice[Natural]
    divide_muls: Choice[Natural]
    exp_adds: Choice[Natural]
    exp_muls: Choice[Natural]
    log_adds: Choice[Natural]
    log_muls: Choice[Natural]
    root_adds: Choice[Natural]
    root_muls: Choice[Natural]


class Reference(Strict):
    """The neuron that peak figures are stated at."""

    inputs: Choice[Count]
    weights: Choice[Count]
    codes: Choice[Count]
    product_bits: Choice[Count]


class Hardware(Strict):
    """A whole machine; see ``docs/machine.md`` for what each field does."""

    name: str
    title: str
    notes: list[str]
    rna: Rna
    delivery: Delivery
    counters: Counters
    logic: Logic
    cell: Cell
    crossbar: Crossbar
    compressors: dict[str, Compressor]
    adders: dict[str, Adder]
    am: Am
    buffer: Buffer
    wire: Wire
    interconnect: Interconnect
    chip: Chip
    link: Link
    memory: Memory
    host: Host
    power: dict[str, Constant[Positive]]
    reference: Reference
    claims: dict[str, Constant[Positive]]
    recalled: dict[str, Constant[Positive]]

    @model_validator(mode="after")
    def _units(self) -> Hardware:
        wrong = first_wrong_unit((name, record.unit) for name, record in self.constants.items())
        if wrong:
            raise ValueError(wrong)
        return self

    @model_validator(mode="after")
    def _runnable(self) -> Hardware:
        for field, programmes in (("compressor", self.compressors), ("adder", self.adders)):
            name = getattr(self.rna, field).value
            if name not in programmes:
                raise ValueError(
                    f"rna.{field} is {name!r}, which is not under {field}s ({', '.join(programmes)})"
                )
            gates = self.cell.gates.value
            missing = [gate for gate in programmes[name].gates.value if gate not in gates]
            if missing:
                shown = ", ".join(gates) or "no stateful gate"
                raise ValueError(
                    f"{field} {name!r} needs the gate {missing[0]}; of the cell {self.cell.technology.value!r} "
                    f"{shown} is shown ({self.cell.gates.source}): choose another cell.technology or rna.{field}"
                )
        return self

    @property
    def adder(self) -> Adder:
        """The final addition programme in use."""
        return self.adders[self.rna.adder.value]

    @property
    def compressor(self) -> Compressor:
        """The 3:2 step's programme in use."""
        return self.compressors[self.rna.compressor.value]

    def lanes(self, word_bits: int) -> int:
        """Words of ``word_bits`` that add at once: ``floor(columns / N)`` in every partition, SPEC section 3."""
        return min(self.rna.columns.value // word_bits * self.rna.partitions.value, self.rna.max_lanes.value)

    @cached_property
    def memo(self) -> dict[str, Any]:
        """Results that depend on the description alone, kept by who computes them."""
        return {}

    @cached_property
    def constants(self) -> dict[str, Constant[Any] | Choice[Any]]:
        """Every constant and choice by its dotted name, as ``--set`` takes it, in the order of the description."""
        return dict(_records("", self))


def _records(prefix: str, found: object) -> Iterator[tuple[str, Constant[Any] | Choice[Any]]]:
    if isinstance(found, Constant | Choice):
        yield prefix, found
        return
    items: dict[str, object] = found if isinstance(found, dict) else {}
    if isinstance(found, BaseModel):
        items = {name: getattr(found, name) for name in type(found).model_fields}
    for name, value in items.items():
        yield from _records(f"{prefix}.{name}".lstrip("."), value)
