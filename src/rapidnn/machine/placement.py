"""How a layer lies in blocks: what they must hold, and how many are needed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from rapidnn.errors import HardwareError
from rapidnn.machine.edges import code_bits
from rapidnn.machine.layers import Layer
from rapidnn.machine.passes import other_rows, rows_per_lane, working_rows
from rapidnn.machine.records import Hardware
from rapidnn.machine.reduction import addends_in


@dataclass(frozen=True)
class Placement:
    """One copy (replica) of a layer in blocks.

    ``blocks`` hold all channels, at most ``channels_per_block`` each. ``stored_bits`` is what they hold together.
    ``reload_bits`` must be written again for every neuron because a channel's tables, or the constants that its places
    add, do not fit beside the working rows; ``am_loads`` sets of ``am_load_bits`` and ``am_load_rows`` are loaded into
    a block's AM for every input. ``turns`` is how many lots of channels the blocks hold one after another, each with a
    reload of their tables.
    """

    channels_per_block: int
    blocks: int
    blocks_per_stream: int
    working_rows: int
    stored_bits: int
    reload_bits: int
    am_loads: int
    am_load_rows: int
    am_load_bits: int
    turns: int = 1

    def rounds(self, layer: Layer) -> int:
        """Channels the busiest block evaluates in turn at each place."""
        return -(-layer.channels // self.blocks)


def place(layer: Layer, hardware: Hardware) -> Placement:
    """Lay one replica of a layer into blocks.

    Raises
    ------
    HardwareError
        If the word, the counters, the AM or the working rows are too small for the layer; the message names the
        layer and the field to change.
    """
    _check(layer, hardware)
    working = working_rows(layer, hardware) if layer.counted else 0
    capacity = (hardware.rna.rows.value - working) * hardware.rna.columns.value
    wanted = min(hardware.rna.neurons_per_block.value, layer.channels)
    shared, own = _table_bits(layer, hardware, wanted)
    fitting = (capacity - shared) // own if own else wanted
    channels = max(1, min(wanted, fitting))
    overflow = max(0, shared + own - capacity)
    constants = layer.constant_words * layer.word_bits
    if constants and shared + own + constants > capacity:
        # Each constant is then written just before the neuron that adds it.
        overflow, constants = overflow + layer.word_bits, 0
    loads, rows, bits = _am_loads(layer, hardware, channels)
    blocks = -(-layer.channels // channels)
    return Placement(
        channels_per_block=channels,
        blocks=blocks,
        blocks_per_stream=math.ceil(math.ceil(layer.channels / layer.groups) / channels),
        working_rows=working,
        stored_bits=blocks * (shared + constants) + layer.channels * own + _am_bits(layer),
        reload_bits=overflow,
        am_loads=loads,
        am_load_rows=rows,
        am_load_bits=bits,
    )


def _check(layer: Layer, hardware: Hardware) -> None:
    rna, counters, am = hardware.rna, hardware.counters, hardware.am
    if layer.counted and hardware.lanes(layer.word_bits) < 1:
        raise HardwareError(
            f"layer {layer.name!r} adds words of {layer.word_bits} bits, the crossbar has {rna.columns.value} columns; "
            f"raise rna.columns"
        )
    if layer.taps >= 2**counters.width_bits.value:
        raise HardwareError(
            f"layer {layer.name!r} counts up to {layer.taps} inputs, a counter of {counters.width_bits.value} bits "
            f"cannot; raise counters.width_bits"
        )
    rows = max((max(r.activation_rows, r.encoding_rows) for r in layer.readouts), default=0)
    if rows > am.rows.value:
        raise HardwareError(
            f"layer {layer.name!r} searches {rows} rows, an AM has {am.rows.value}; set am.rows={rows} or more"
        )
    if not layer.counted:
        return
    rows = rows_per_lane(layer, hardware)
    at_once = addends_in(rows, hardware.lanes(layer.word_bits))
    if rows < 1 and layer.most_addends:
        raise HardwareError(
            f"layer {layer.name!r}: the {other_rows(layer, hardware)} scratch rows of the adders leave no "
            f"working rows for addends in a partition of {rna.rows.value // rna.partitions.value} rows; raise rna.rows "
            f"or lower rna.partitions"
        )
    if at_once < min(3, layer.most_addends):
        raise HardwareError(
            f"layer {layer.name!r}: a block holds {at_once} addends at once, a 3:2 step takes "
            f"three; raise rna.addend_rows, rna.rows or rna.columns"
        )


def fold(placement: Placement, layer: Layer, blocks: int) -> Placement:
    """The placement of a layer that has only ``blocks`` blocks: they hold its channels lot by lot."""
    turns = -(-placement.blocks // blocks)
    if turns == 1:
        return placement
    fewer = math.ceil(layer.channels / (placement.channels_per_block * turns))
    return replace(
        placement,
        blocks=fewer,
        blocks_per_stream=min(placement.blocks_per_stream, fewer),
        turns=turns,
    )


def _table_bits(layer: Layer, hardware: Hardware, channels: int) -> tuple[int, int]:
    """Crossbar bits that a block's channels share, and those of each channel."""
    if layer.lookup is not None:
        table = layer.lookup.table_bits
    else:
        table = (
            layer.weights * layer.inputs * layer.product_bits + sum(layer.residual_sizes) * layer.word_bits
        )
    tap_bits = layer.weight_bits
    if hardware.delivery.mode.value == "gather" and layer.weights > 1:
        tap_bits = code_bits(layer.taps)
    own = layer.taps * tap_bits + layer.word_bits * layer.has_bias if layer.kind == "WeightedSum" else 0
    shared = sum(readout.activation_rows * readout.row_bits for readout in layer.readouts)
    loads, _, bits = _am_loads(layer, hardware, channels)
    if layer.table_sets > 1:
        return shared, own + table + (bits if loads else 0)
    return shared + table + (loads * bits), own


def _am_sets(layer: Layer, channels: int) -> int:
    """Table sets a block's AM serve: one a channel, or one a divisor of average pooling."""
    sets = max((readout.sets for readout in layer.readouts), default=1)
    return min(sets, channels) if layer.kind == "WeightedSum" else sets


def _am_loads(layer: Layer, hardware: Hardware, channels: int) -> tuple[int, int, int]:
    """Sets a block loads into its AM per input, with the rows and bits of one; none where all stand side by side."""
    rows = sum(r.activation_rows + r.encoding_rows for r in layer.readouts)
    widest = max((max(r.activation_rows, r.encoding_rows) for r in layer.readouts), default=0)
    sets = _am_sets(layer, channels)
    if len(layer.readouts) * widest * sets <= hardware.am.rows.value or rows == 0:
        return 0, 0, 0
    bits = sum(r.activation_rows * layer.word_bits + r.encoding_rows * r.key_bits for r in layer.readouts)
    return sets, rows, bits


def _am_bits(layer: Layer) -> int:
    """Bits in the AM of a layer's channels, each distinct set once per channel that uses it."""
    bits = sum(r.activation_rows * layer.word_bits + r.encoding_rows * r.key_bits for r in layer.readouts)
    return bits * (layer.channels if layer.kind == "WeightedSum" else 1)
