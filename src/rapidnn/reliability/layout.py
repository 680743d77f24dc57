"""Where a block's words lie: codes permuted and words inverted so that stuck cells agree with what they should hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.reliability.cells import BIAS_SLOTS, Cells, StoredLayer
from rapidnn.reliability.words import Int64, from_bits, to_bits

_CELLS_AT_ONCE = 1 << 14


@dataclass(frozen=True, eq=False)
class Layout:
    """Per block: ``mask``, the exclusive-or of logical and physical product address; ``invert`` (0 or 1) of all bits
    of a product word; ``slot``, the word its bias lies in.

    The upper bits of ``mask`` relabel the neuron's weight codes, which are stored so relabelled: no gate is needed. Its
    lower bits are an exclusive-or on the arriving input codes, ``invert`` one on the word read: five bits of
    register for u = 16.
    """

    mask: Int64
    invert: Int64
    slot: Int64

    @classmethod
    def plain(cls, blocks: int) -> Layout:
        """Words where they are."""
        return cls(*(np.zeros(blocks, np.int64) for _ in range(3)))


def wrong_products(layer: StoredLayer, cells: Cells, layout: Layout) -> tuple[Int64, Int64, Int64]:
    """``(block, address, product)`` of the words that read otherwise than they should.

    ``address`` is logical: weight code << input bits | input code.
    """
    if len(cells) == 0:
        return (np.zeros(0, np.int64),) * 3
    address = cells.word ^ layout.mask[cells.block]
    full = (1 << layer.code.stored_bits) - 1
    flip = layout.invert[cells.block] * full
    row = layer.row_of(cells.block)
    read = cells.read(layer.stored[row, address] ^ flip) ^ flip
    products = from_bits(layer.code.decode(read), layer.step.product_bits)
    _, first = np.unique((cells.block << 32) | address, return_index=True)
    wrong = first[products[first] != layer.table[row, address][first]]
    return cells.block[wrong], address[wrong], products[wrong]


def wrong_codes(layer: StoredLayer, cells: Cells, layout: Layout) -> tuple[Int64, Int64, Int64]:
    """``(block, tap, weight code)`` of the weight codes that read otherwise than they should."""
    if len(cells) == 0:
        return (np.zeros(0, np.int64),) * 3
    relabel = layout.mask[cells.block] >> layer.input_bits
    meant = layer.codes[cells.block, cells.word]
    read = cells.read(meant ^ relabel) ^ relabel
    _, first = np.unique((cells.block << 32) | cells.word, return_index=True)
    wrong = first[read[first] != meant[first]]
    return cells.block[wrong], cells.word[wrong], read[wrong]


def choose_layout(layer: StoredLayer, parts: dict[str, Cells]) -> Layout:
    """For every block the layout with the least squared error of what its known faulty cells make it read.

    Every mask, with and without inversion, is tried for a block; the error of a product counts as often as the
    neuron uses its weight code, that of a weight code is the mean square between the two product rows.
    """
    blocks = layer.blocks
    layout = Layout.plain(blocks)
    found = [parts[p].block for p in ("products", "weight_codes") if p in parts]
    touched = np.unique(np.concatenate([*found, np.zeros(0, np.int64)]))
    masks = layer.table.shape[1]
    error = np.zeros((len(touched), masks, 2))
    if "products" in parts:
        _add_product_errors(layer, parts["products"], touched, error)
    if "weight_codes" in parts:
        _add_code_errors(layer, parts["weight_codes"], touched, error)
    best = error.reshape(len(touched), 2 * masks).argmin(axis=1)
    layout.mask[touched], layout.invert[touched] = best >> 1, best & 1
    if "bias" in parts:
        layout.slot[:] = _bias_slots(layer, parts["bias"])
    return layout


def _add_product_errors(layer: StoredLayer, cells: Cells, touched: Int64, error: NDArray[np.float64]) -> None:
    masks = np.arange(layer.table.shape[1])
    uses = _uses(layer)
    for start in range(0, len(cells), _CELLS_AT_ONCE):
        part = cells.where(np.arange(len(cells)) // _CELLS_AT_ONCE == start // _CELLS_AT_ONCE)
        block, bit = part.block[:, np.newaxis], part.bit[:, np.newaxis]
        address = part.word[:, np.newaxis] ^ masks
        row = layer.row_of(block)
        holds = layer.stored[row, address] >> bit & 1
        # A wrong check bit costs nothing by itself but takes the code's strength: a little more than nothing.
        size = np.where(bit < layer.code.data_bits, 4.0**bit, 0.25)
        weight = size * (uses[block, address >> layer.input_bits] + 1e-3)
        at = np.searchsorted(touched, part.block)
        for inverted in (0, 1):
            np.add.at(error[:, :, inverted], at, weight * (holds ^ inverted != part.value[:, np.newaxis]))


def _add_code_errors(layer: StoredLayer, cells: Cells, touched: Int64, error: NDArray[np.float64]) -> None:
    if len(cells) == 0:
        return
    relabel = np.arange(1 << layer.weight_bits)
    rows = layer.table.reshape(len(layer.table), len(relabel), -1).astype(np.float64)
    distance = ((rows[:, :, np.newaxis] - rows[:, np.newaxis]) ** 2).mean(axis=3)
    meant = layer.codes[cells.block, cells.word][:, np.newaxis]
    bit = cells.bit[:, np.newaxis]
    stored = meant ^ relabel
    read = np.where(cells.value[:, np.newaxis] == 1, stored | 1 << bit, stored & ~(1 << bit)) ^ relabel
    row = layer.row_of(cells.block[:, np.newaxis])
    cost = distance[row, meant, read]
    at = np.searchsorted(touched, cells.block)
    per_mask = np.repeat(cost, 1 << layer.input_bits, axis=1)
    for inverted in (0, 1):
        np.add.at(error[:, :, inverted], at, per_mask)


def _uses(layer: StoredLayer) -> Int64:
    """How many taps of each block have each weight code: ``(O, 2**bits)``."""
    size = 1 << layer.weight_bits
    keys = layer.codes + size * np.arange(layer.blocks)[:, np.newaxis]
    return np.bincount(keys.reshape(-1), minlength=size * layer.blocks).reshape(layer.blocks, size)


def _bias_slots(layer: StoredLayer, cells: Cells) -> Int64:
    """The slot whose faulty cells disagree least with the bias, in magnitude."""
    slots, bits = layer.cells("bias", slots=BIAS_SLOTS)
    error = np.zeros((layer.blocks, slots))
    held = (layer.step.bias.astype(np.int64) & ((1 << bits) - 1))[cells.block] >> cells.bit & 1
    np.add.at(error, (cells.block, cells.word), np.where(held != cells.value, 2.0**cells.bit, 0.0))
    return np.asarray(error.argmin(axis=1), np.int64)


def wrong_biases(layer: StoredLayer, cells: Cells, layout: Layout) -> tuple[Int64, Int64]:
    """``(block, bias)`` of the biases that read otherwise than they should."""
    used = cells.where(cells.word == layout.slot[cells.block])
    if len(used) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    meant = to_bits(layer.step.bias, layer.bias_bits)[used.block]
    read = used.read(meant)
    _, first = np.unique(used.block, return_index=True)
    wrong = first[read[first] != meant[first]]
    return used.block[wrong], from_bits(read[wrong], layer.bias_bits)
