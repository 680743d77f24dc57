"""One map of faults drawn for a network, and the program that its damaged blocks execute."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.reliability.cells import (
    BIAS_SLOTS,
    STRUCTURES,
    Cells,
    StoredLayer,
    draw_cells,
    rebuilt,
    stored_layers,
)
from rapidnn.reliability.layout import Layout, choose_layout, wrong_biases, wrong_codes, wrong_products
from rapidnn.reliability.models import FaultKind
from rapidnn.reliability.remedy import Remedy
from rapidnn.reliability.search import misplaced
from rapidnn.reliability.words import Int64
from rapidnn.tables.program import Encode, Program, Step, WeightedSum


@dataclass(frozen=True)
class Scope:
    """Where faults are: layers, parts of a block, and bits of a product word (None: all)."""

    layers: frozenset[str]
    structures: tuple[str, ...] = STRUCTURES
    bit: int | None = None


@dataclass(frozen=True, eq=False)
class Damage:
    """A damaged program; ``faults`` that were drawn, ``wrong`` words (or boundaries) that differ for them."""

    program: Program
    faults: int
    wrong: int


class Maps:
    """Draws fault maps for one program, kind and remedy.

    Parameters
    ----------
    columns, blocks_per_tile
        Of the machine: cells in a crossbar row, blocks in a tile.
    """

    def __init__(
        self,
        program: Program,
        kind: FaultKind,
        remedy: Remedy,
        scope: Scope,
        *,
        columns: int,
        blocks_per_tile: int,
    ) -> None:
        self.program = program
        self.kind = kind
        self.remedy = remedy
        self.scope = scope
        self.columns = columns
        self.blocks_per_tile = blocks_per_tile
        self.layers = stored_layers(program, remedy.word_code)

    def draw(self, rate: float, rng: np.random.Generator) -> Damage:
        """One map at a rate."""
        rate = self.remedy.residual_rate(rate)
        match self.kind.name:
            case "counter":
                return self._each(lambda layer: self._counters(layer, rate, rng))
            case "block" | "tile":
                return self._dead(rate, rng)
            case "search":
                return self._misread(rate, rng)
            case _:
                return self._each(lambda layer: self._cells(layer, rate, rng))

    def _each(self, damaged: Callable[[StoredLayer], tuple[WeightedSum | None, int, int]]) -> Damage:
        made: dict[str, Step] = {}
        faults = wrong = 0
        for name, layer in self.layers.items():
            if name not in self.scope.layers:
                continue
            step, drawn, differ = damaged(layer)
            faults, wrong = faults + drawn, wrong + differ
            if step is not None:
                made[name] = step
        return Damage(_with_steps(self.program, made), faults, wrong)

    def _cells(
        self, layer: StoredLayer, rate: float, rng: np.random.Generator
    ) -> tuple[WeightedSum | None, int, int]:
        """Stuck, unwritten or decayed cells."""
        permuted = self.remedy.name == "permute"
        parts: dict[str, Cells] = {}
        for part in self.scope.structures:
            words, bits = layer.cells(part, slots=BIAS_SLOTS if permuted else 1)
            cells = draw_cells(layer.blocks, words, bits, rate, rng, ones=0.5 if self.kind.known else 0.0)
            if self.scope.bit is not None:
                cells = cells.where(cells.bit == self.scope.bit)
            parts[part] = cells
        drawn = sum(len(cells) for cells in parts.values())
        if self.remedy.name == "spare-rows":
            parts = self._spared(layer, parts, rate, rng)
        layout = choose_layout(layer, parts) if permuted else Layout.plain(layer.blocks)
        return self._read(layer, parts, layout, drawn)

    def _read(
        self, layer: StoredLayer, parts: dict[str, Cells], layout: Layout, drawn: int
    ) -> tuple[WeightedSum | None, int, int]:
        """The step as its blocks read it."""
        products: Int64 | None = None
        codes: Int64 | None = None
        bias: NDArray[np.int32] | None = None
        wrong = 0
        if "products" in parts:
            block, address, value = wrong_products(layer, parts["products"], layout)
            if len(block):
                products = _own_tables(layer)
                products.reshape(layer.blocks, -1)[block, address] = value
                wrong += len(block)
        if "weight_codes" in parts:
            block, tap, value = wrong_codes(layer, parts["weight_codes"], layout)
            if len(block):
                codes = layer.codes.copy()
                codes[block, tap] = value
                wrong += len(block)
        if "bias" in parts:
            block, value = wrong_biases(layer, parts["bias"], layout)
            if len(block):
                bias = layer.step.bias.copy()
                bias[block] = value
                wrong += len(block)
        return (None if wrong == 0 else rebuilt(layer, products, codes, bias)), drawn, wrong

    def _spared(
        self, layer: StoredLayer, parts: dict[str, Cells], rate: float, rng: np.random.Generator
    ) -> dict[str, Cells]:
        """Without the cells of the rows that spare ones replace: the worst rows of a block first."""
        good = rng.binomial(int(self.remedy.value), (1 - rate) ** self.columns, layer.blocks)
        plain = Layout.plain(layer.blocks)
        rows, blocks, errors = [], [], []
        for number, (part, cells) in enumerate(parts.items()):
            _, bits = layer.cells(part)
            row = (cells.word * bits + cells.bit) // self.columns
            rows.append((number << 40) | row)
            blocks.append(cells.block)
            errors.append(np.where(_disagree(layer, part, cells, plain), _weight(layer, part, cells), 0.0))
        row, block, error = np.concatenate(rows), np.concatenate(blocks), np.concatenate(errors)
        kept = _after_sparing(block, row, error, good)
        split = np.split(kept, np.cumsum([len(cells) for cells in parts.values()])[:-1])
        return {part: cells.where(k) for (part, cells), k in zip(parts.items(), split, strict=True)}

    def _counters(
        self, layer: StoredLayer, rate: float, rng: np.random.Generator
    ) -> tuple[WeightedSum | None, int, int]:
        """Counters that never count: their products add nothing."""
        dead = draw_cells(layer.blocks, layer.table.shape[1], 1, rate, rng, ones=0.0)
        products = _own_tables(layer)
        flat = products.reshape(layer.blocks, -1)
        wrong = int(np.count_nonzero(flat[dead.block, dead.word]))
        flat[dead.block, dead.word] = 0
        return (rebuilt(layer, products, None, None) if wrong else None), len(dead), wrong

    def _dead(self, rate: float, rng: np.random.Generator) -> Damage:
        """Dead blocks, or tiles of them, after the spare ones have taken over."""
        names = [name for name in self.layers if name in self.scope.layers]
        counts = [self.layers[name].blocks for name in names]
        total = sum(counts)
        if self.kind.name == "tile":
            tiles = rng.random(-(-total // self.blocks_per_tile)) < rate
            dead = np.flatnonzero(np.repeat(tiles, self.blocks_per_tile)[:total])
        else:
            dead = np.flatnonzero(rng.random(total) < rate)
        drawn = len(dead)
        if self.remedy.name == "spare-blocks":
            # Spare blocks die too.
            spares = int(rng.binomial(int(np.ceil(self.remedy.value * total)), 1 - rate))
            dead = rng.permutation(dead)[spares:]
        made: dict[str, Step] = {}
        for name, first, count in zip(names, np.cumsum([0, *counts]), counts, strict=False):
            here = dead[(dead >= first) & (dead < first + count)] - first
            if len(here):
                made[name] = silent(self.layers[name], here)
        return Damage(_with_steps(self.program, made), drawn, len(dead))

    def _misread(self, sigma: float, rng: np.random.Generator) -> Damage:
        """Boundaries of the searches moved, for every block by itself."""
        made: dict[str, Step] = {}
        moved = 0
        for step in self.program.steps:
            if not isinstance(step, Encode) or step.source not in self.scope.layers:
                continue
            source = self.program.step[step.source]
            assert isinstance(source, WeightedSum)
            made |= {s.name: s for s in misplaced(source, step, sigma, rng)}
            moved += step.thresholds.shape[1] * source.channels
        return Damage(_with_steps(self.program, made), moved, moved if sigma > 0 else 0)


def _with_steps(program: Program, made: dict[str, Step]) -> Program:
    if not made:
        return program
    return replace(program, steps=tuple(made.get(step.name, step) for step in program.steps))


def _own_tables(layer: StoredLayer) -> Int64:
    """A table for every block: ``(O, 2**, 2**)``."""
    full = layer.pad(layer.step.products)
    return np.broadcast_to(full, (layer.blocks, *full.shape[1:])).copy()


def silent(layer: StoredLayer, dead: Int64) -> WeightedSum:
    """The step with blocks that add no product and no bias; a residual row still enters their accumulator."""
    products = _own_tables(layer)
    products[dead] = 0
    bias = layer.step.bias.copy()
    bias[dead] = 0
    return rebuilt(layer, products, None, bias)


def _disagree(layer: StoredLayer, part: str, cells: Cells, layout: Layout) -> NDArray[np.bool_]:
    """Which cells read another bit than they should hold."""
    match part:
        case "products":
            held = layer.stored[layer.row_of(cells.block), cells.word ^ layout.mask[cells.block]]
        case "weight_codes":
            held = layer.codes[cells.block, cells.word]
        case _:
            held = layer.step.bias.astype(np.int64)[cells.block] & ((1 << layer.bias_bits) - 1)
    return np.asarray((held >> cells.bit & 1) != cells.value)


def _weight(layer: StoredLayer, part: str, cells: Cells) -> NDArray[np.float64]:
    """How much a wrong bit matters beside others of its block: its worth, times the taps that use a product."""
    if part == "weight_codes":
        return np.full(len(cells), float(np.abs(layer.table).mean()))
    worth = np.exp2(cells.bit.astype(np.float64))
    return worth if part == "bias" else worth * layer.codes.shape[1] / layer.table.shape[1]


def _after_sparing(
    block: Int64, row: Int64, error: NDArray[np.float64], good: NDArray[np.integer]
) -> NDArray[np.bool_]:
    """Which cells are left when each block's worst rows have been replaced by its ``good`` spare ones."""
    keys = np.stack([block, row])
    pairs, at = np.unique(keys, axis=1, return_inverse=True)
    at = at.reshape(-1)
    total = np.bincount(at, error, minlength=pairs.shape[1])
    order = np.lexsort((-total, pairs[0]))
    owner = pairs[0][order]
    place = np.arange(len(order)) - np.searchsorted(owner, owner)
    replaced = np.zeros(len(order), bool)
    replaced[order] = (place < good[owner]) & (total[order] > 0)
    return np.asarray(~replaced[at])


def scope_of(
    program: Program,
    layers: Collection[str] | None,
    structures: Collection[str] | None,
    bit: int | None = None,
) -> Scope:
    """A checked scope; by default all layers and parts.

    Raises
    ------
    DataError
        If a layer or part is unknown.
    """
    known = [step.name for step in program.steps if isinstance(step, WeightedSum)]
    for name in layers or ():
        if name not in known:
            raise DataError(f"layer {name!r} has no product tables; there are {', '.join(known)}")
    for part in structures or ():
        if part not in STRUCTURES:
            raise DataError(f"{part!r} is no part of a block; known: {', '.join(STRUCTURES)}")
    if not known:
        raise DataError("the network has no weighted accumulation, so there is nothing to damage")
    return Scope(frozenset(layers or known), tuple(structures or STRUCTURES), bit)
