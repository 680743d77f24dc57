"""Remedies against faults: what each does, and its price in energy, area and time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapidnn.errors import DataError
from rapidnn.machine.cost import Cost, LayerCost
from rapidnn.machine.records import Hardware
from rapidnn.reliability.cells import BIAS_SLOTS, StoredLayer


@dataclass(frozen=True)
class RemedyKind:
    """``default`` is the parameter's, None where there is none; ``parameter`` says what it means."""

    name: str
    does: str
    parameter: str = ""
    default: float | None = None
    against: tuple[str, ...] = ()


_CELLS = ("stuck", "write", "retention")
REMEDIES: dict[str, RemedyKind] = {
    remedy.name: remedy
    for remedy in (
        RemedyKind("none", "nothing", against=("*",)),
        RemedyKind(
            "permute",
            "weight and input codes of a block are relabelled and its words inverted so that stuck cells agree with "
            "what they should hold",
            against=("stuck",),
        ),
        RemedyKind(
            "spare-rows",
            "crossbar rows with a cell that disagrees are replaced by rows without a stuck cell",
            "spare rows a block",
            4,
            ("stuck",),
        ),
        RemedyKind("parity", "a product word with a parity error reads as 0", against=_CELLS),
        RemedyKind(
            "secded",
            "one wrong bit of a product word is corrected, two read as 0 (extended Hamming code)",
            against=_CELLS,
        ),
        RemedyKind(
            "write-verify",
            "what was written is read, and written again where it differs",
            "attempts at most",
            3,
            ("write",),
        ),
        RemedyKind(
            "refresh",
            "tables are written again after a share of the time whose decay the rate states",
            "refreshes in that time",
            9,
            ("retention",),
        ),
        RemedyKind(
            "spare-blocks",
            "dead blocks are replaced by spare ones",
            "spare blocks, as a share of those in use",
            0.05,
            ("block", "tile"),
        ),
    )
}


@dataclass(frozen=True)
class Remedy:
    """A remedy with its parameter, as ``name`` or ``name=value``."""

    name: str
    value: float = 0.0

    @classmethod
    def parse(cls, text: str, kind: str) -> Remedy:
        """Read a remedy for a kind of fault.

        Raises
        ------
        DataError
            If it is unknown, does nothing for the kind, or its parameter is no positive number.
        """
        name, given, number = text.partition("=")
        if name not in REMEDIES:
            raise DataError(f"remedy {name!r} is unknown; known: {', '.join(REMEDIES)}")
        found = REMEDIES[name]
        if kind not in found.against and "*" not in found.against:
            fitting = [r.name for r in REMEDIES.values() if kind in r.against]
            hint = f"; against it: {', '.join(fitting)}" if fitting else "; there is none against it"
            raise DataError(f"remedy {name!r} does nothing against faults of kind {kind!r}{hint}")
        if given and found.default is None:
            raise DataError(f"remedy {name!r} takes no parameter, but {number!r} is given")
        try:
            value = float(number) if given else found.default or 0.0
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0) or (found.default is not None and value == 0):
            raise DataError(f"remedy {text!r}: expected {name}=NUMBER, {found.parameter}, above 0")
        if found.default is not None and found.default >= 1 and value != int(value):
            raise DataError(f"remedy {text!r}: {found.parameter} are a whole number")
        return cls(name, value)

    def __str__(self) -> str:
        return f"{self.name}={self.value:g}" if REMEDIES[self.name].default is not None else self.name

    @property
    def word_code(self) -> str:
        """The code product words are stored in."""
        return self.name if self.name in ("parity", "secded") else "none"

    def residual_rate(self, rate: float) -> float:
        """The rate left of faults that come anew at each write or with age, and strike independently."""
        if self.name == "write-verify":
            return float(rate**self.value)
        if self.name == "refresh":
            # Exponential decay: a (1 + value)-th of the time loses that share of the bits.
            return float(-math.expm1(math.log1p(-rate) / (1 + self.value))) if rate < 1 else 1.0
        return rate


@dataclass(frozen=True)
class RemedyCost:
    """What a remedy adds, as shares of one inference's energy and time and of the area in use, and once at programming.

    ``programming_pj`` and ``programming_ns`` are what it adds to the writing of all tables (blocks are written side by
    side, a word at a time). ``notes`` state what is charged and what is left out.
    """

    remedy: str
    energy_share: float
    area_share: float
    time_share: float
    programming_pj: float
    programming_ns: float
    notes: str


def remedy_cost(
    remedy: Remedy, cost: Cost, hardware: Hardware, layers: dict[str, StoredLayer], rate: float
) -> RemedyCost:
    """Price of a remedy on a machine that runs the network as ``cost`` says."""
    price = _Price(cost, hardware, layers)
    match remedy.name:
        case "permute":
            return price.permute(remedy)
        case "spare-rows":
            return price.spare_rows(remedy)
        case "parity" | "secded":
            return price.word_code(remedy)
        case "write-verify":
            return price.write_verify(remedy, rate)
        case "refresh":
            return price.refresh(remedy)
        case "spare-blocks":
            blocks = cost.used_area_um2 and sum(cost.area_by_component_um2[p] for p in _BLOCK_PARTS)
            area = remedy.value * blocks / cost.used_area_um2
            return RemedyCost(
                str(remedy),
                0.0,
                area,
                0.0,
                0.0,
                0.0,
                "area of the spare blocks; longer wires are not charged",
            )
        case _:
            return RemedyCost(str(remedy), 0.0, 0.0, 0.0, 0.0, 0.0, "")


_BLOCK_PARTS = (
    "crossbar_array",
    "crossbar_periphery",
    "counters",
    "activation_am",
    "encoding_am",
    "shift_interconnect",
    "partition_switches",
    "copy_shifter",
    "local_buffer",
)


class _Price:
    """Stand-ins, all from the description: a register bit costs what a counter's bit does (area) or what reading it
    does (energy); up to 32 exclusive-or gates, or a check of a word, cost what a comparator does.
    """

    def __init__(self, cost: Cost, hardware: Hardware, layers: dict[str, StoredLayer]) -> None:
        self.cost = cost
        self.hw = hardware
        self.layers = layers
        self.rows: dict[str, LayerCost] = {layer.name: layer for layer in cost.by_layer}
        self.read_pj = hardware.crossbar.read_pj_32b.value / 32
        self.write_pj = hardware.crossbar.write_pj_32b.value / 32
        self.register_um2 = hardware.counters.area_um2_32b.value / 32
        self.register_pj = hardware.counters.readout_pj_per_bit.value
        self.gates_um2 = hardware.am.comparator_um2.value
        self.gates_pj = hardware.am.comparator_pj.value
        self.cell_um2 = hardware.cell.area_f2.value * (hardware.cell.feature_nm.value / 1000) ** 2

    def blocks(self, name: str) -> int:
        """Blocks of a layer, its replicas included."""
        return self.rows[name].blocks * self.rows[name].replicas

    def product_reads(self, name: str) -> float:
        """Product words read for one input."""
        bits = self.rows[name].bits_by_component.get("product_rows", 0.0)
        return bits / self.layers[name].step.product_bits

    def stored_bits(self) -> float:
        """Bits of products, weight codes and biases in all blocks."""
        total = 0.0
        for name, layer in self.layers.items():
            words, bits = layer.cells("products")
            taps, code = layer.cells("weight_codes")
            total += self.blocks(name) * (words * bits + taps * code + layer.bias_bits)
        return total

    def programming_ns(self, passes: float) -> float:
        """Time to go over the fullest block's words ``passes`` times; blocks are gone over side by side."""
        words = max(
            layer.cells("products")[0] + layer.cells("weight_codes")[0] * layer.weight_bits / 16 + 1
            for layer in self.layers.values()
        )
        return passes * words * (self.hw.crossbar.write_ns.value + self.hw.crossbar.read_ns.value)

    def result(
        self, remedy: Remedy, energy_pj: float, area_um2: float, cycles: dict[str, float], notes: str,
        *, programming_pj: float = 0.0, programming_ns: float = 0.0,
    ) -> RemedyCost:  # fmt: skip
        """Shares of the network's own cost; ``cycles`` are added to a neuron of each layer."""
        time = max(
            (self.rows[n].stage_ns * (1 + c / max(1.0, self.rows[n].cycles_mean)) for n, c in cycles.items()),
            default=0.0,
        )
        return RemedyCost(
            str(remedy), energy_pj / self.cost.energy_pj, area_um2 / self.cost.used_area_um2,
            max(0.0, time / self.cost.bottleneck_ns - 1), programming_pj, programming_ns, notes,
        )  # fmt: skip

    def permute(self, remedy: Remedy) -> RemedyCost:
        """Registers and exclusive-or gates; weight codes are stored relabelled and need none."""
        energy = area = 0.0
        for name, layer in self.layers.items():
            row = self.rows[name]
            slots = int(math.log2(BIAS_SLOTS))
            register = layer.input_bits + 1 + slots
            words = self.blocks(name) * (register * self.register_um2 + 2 * self.gates_um2)
            area += words + self.blocks(name) * (BIAS_SLOTS - 1) * layer.bias_bits * self.cell_um2
            arriving = row.neurons * layer.step.taps
            energy += arriving * (layer.input_bits * self.register_pj + self.gates_pj)
            energy += self.product_reads(name) * (self.register_pj + self.gates_pj)
        test = 2 * self.stored_bits() * (self.write_pj + self.read_pj)
        return self.result(
            remedy, energy, area, {},
            "registers and exclusive-or gates in every block, the bias's spare words; the test writes and reads every "
            "cell as 0 and as 1 once",
            programming_pj=test, programming_ns=self.programming_ns(2),
        )  # fmt: skip

    def spare_rows(self, remedy: Remedy) -> RemedyCost:
        """Rows with their line's periphery, an address register and a comparator each."""
        hw, area, energy = self.hw, 0.0, 0.0
        square = (hw.cell.feature_nm.value / 1000) ** 2
        address = math.ceil(math.log2(hw.rna.rows.value))
        one = hw.rna.columns.value * self.cell_um2 + hw.crossbar.line_f2.value * square
        one += address * self.register_um2 + self.gates_um2
        for name, layer in self.layers.items():
            area += self.blocks(name) * remedy.value * one
            reads = self.product_reads(name) + self.rows[name].neurons * layer.step.taps
            energy += reads * remedy.value * (self.gates_pj + address * self.register_pj)
        test = 2 * self.stored_bits() * (self.write_pj + self.read_pj)
        return self.result(
            remedy, energy, area, {},
            "cells, line periphery, address register and comparator a spare row, compared at every read; the test as "
            "for permute",
            programming_pj=test, programming_ns=self.programming_ns(2),
        )  # fmt: skip

    def word_code(self, remedy: Remedy) -> RemedyCost:
        """Check bits read and stored, a decoder, and a cycle more for each product copied."""
        energy = area = programming = 0.0
        cycles: dict[str, float] = {}
        for name, layer in self.layers.items():
            words, _ = layer.cells("products")
            check, reads = layer.code.check_bits, self.product_reads(name)
            gates = check * math.ceil(layer.code.stored_bits / 32)
            energy += reads * (check * self.read_pj + gates * self.gates_pj)
            area += self.blocks(name) * (words * check * self.cell_um2 + gates * self.gates_um2)
            programming += self.blocks(name) * words * check * self.write_pj
            cycles[name] = self.rows[name].addends_mean if remedy.name == "secded" else 0.0
        return self.result(
            remedy, energy, area, cycles,
            "check bits read and stored, gates as comparators, and for secded a cycle more a copied product",
            programming_pj=programming,
        )  # fmt: skip

    def write_verify(self, remedy: Remedy, rate: float) -> RemedyCost:
        """Reads after every write, and the writes of words that failed."""
        bits = self.stored_bits()
        again = sum(rate**k for k in range(1, int(remedy.value)))
        pj = bits * self.read_pj * (1 + again) + bits * again * self.write_pj
        return self.result(
            remedy, 0.0, 0.0, {}, "programming only: every word read, failed cells written again",
            programming_pj=pj, programming_ns=self.programming_ns(1 + again),
        )  # fmt: skip

    def refresh(self, remedy: Remedy) -> RemedyCost:
        """Tables written again; how much that is per inference depends on how many there are between refreshes."""
        pj = remedy.value * self.stored_bits() * self.write_pj
        return self.result(
            remedy, 0.0, 0.0, {}, "energy and time of all refreshes together; the machine stands still for them",
            programming_pj=pj, programming_ns=self.programming_ns(remedy.value),
        )  # fmt: skip
