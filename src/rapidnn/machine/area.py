"""Area of one RNA block and of buffers, bottom-up from the description's records."""

from __future__ import annotations

from collections.abc import Sequence

from rapidnn.machine.layers import Layer
from rapidnn.machine.records import Hardware

BITS_PER_8KIB = 8 * 1024 * 8

BLOCK_PARTS = (
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


def block_area_um2(hardware: Hardware, layers: Sequence[Layer] = ()) -> dict[str, float]:
    """Area of one block by part, in um2; the local buffer of gather mode is sized to the largest of ``layers``.

    The cell array is ``rows x columns x area_f2 x F**2``; the periphery is linear in rows + columns and in the bits of
    a word, in F**2; partitions take an isolation transistor a column and boundary (FACTS 8.3); counters, AM and buffers
    are linear in bits. Figures of 40 and 45 nm stand side by side, unscaled.
    """
    rna, cell, wires = hardware.rna, hardware.cell, hardware.interconnect
    square = (cell.feature_nm.value / 1000) ** 2
    counter = hardware.counters.width_bits.value / 32 * hardware.counters.area_um2_32b.value
    return {
        "crossbar_array": rna.rows.value * rna.columns.value * cell.area_f2.value * square,
        "crossbar_periphery": periphery_um2(hardware),
        "counters": hardware.counters.resident.value * counter * counter_sets(hardware),
        "activation_am": _am(hardware),
        "encoding_am": _am(hardware),
        "shift_interconnect": rna.columns.value
        * wires.switch_f2.value
        * square
        * rna.shift_interconnect.value,
        "partition_switches": rna.columns.value * (rna.partitions.value - 1) * wires.switch_f2.value * square,
        "copy_shifter": rna.copy_parallel.value * wires.shifter_um2.value,
        "local_buffer": _local_buffer(hardware, layers) if hardware.delivery.mode.value == "gather" else 0.0,
    }


def periphery_um2(hardware: Hardware) -> float:
    """Decoders, drivers and sense amplifiers of a crossbar, fitted to NVSim's arrays (FACTS 5)."""
    rna, crossbar = hardware.rna, hardware.crossbar
    lines = (rna.rows.value + rna.columns.value) * crossbar.line_f2.value
    sensed = crossbar.word_bits.value * crossbar.sense_f2.value
    return (lines + sensed) * (hardware.cell.feature_nm.value / 1000) ** 2


def counter_sets(hardware: Hardware) -> int:
    """Sets of counters: two where the next neuron's codes are counted during the addition."""
    return 1 if hardware.rna.overlap.value == "none" else 2


def _am(hardware: Hardware) -> float:
    am = hardware.am
    bits = am.rows.value * am.word_bits.value
    if am.search.value == "cam":
        return bits / (64 * 32) * am.cam_um2.value
    return bits / 1024 * am.sram_um2_128b.value + am.comparator_um2.value


def _local_buffer(hardware: Hardware, layers: Sequence[Layer]) -> float:
    """Two sets of a neuron's codes, with one read port per weight group that counts at once."""
    largest = max((layer.taps * layer.input_bits for layer in layers), default=0)
    resident = hardware.counters.resident.value
    ports = max((min(y.weights, resident // max(1, y.inputs)) for y in layers if y.taps), default=1)
    factor: float = max(1, ports) ** hardware.buffer.port_area_exponent.value
    return buffer_area_um2(hardware, 2 * largest) * factor


def buffer_area_um2(hardware: Hardware, bits: float) -> float:
    """Area of an SRAM buffer in banks of 8 KiB, linear in bits."""
    return bits / BITS_PER_8KIB * hardware.buffer.area_um2_8kib.value
