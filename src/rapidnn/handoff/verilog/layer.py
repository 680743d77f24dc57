"""A layer's block: the parameters of ``rna_block`` and the content of its memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import HardwareError
from rapidnn.handoff.image.memories import hex_words
from rapidnn.handoff.verilog.neurons import Vector
from rapidnn.handoff.verilog.programme import microcode
from rapidnn.machine.layers import Layer
from rapidnn.machine.micro.block import BlockSetup, block_setup
from rapidnn.machine.micro.neuron import Neuron
from rapidnn.machine.records import Hardware
from rapidnn.tables.program import CodeProduct, CodeSum, Encode, WeightedSum, word_width


@dataclass(frozen=True)
class Block:
    """``parameters`` by name, ``files`` by name, and the block channel of each vector."""

    parameters: dict[str, int]
    files: dict[str, str]
    channels: tuple[int, ...]


def check_machine(hardware: Hardware) -> None:
    """Raise HardwareError for a machine whose blocks are not those of the Verilog."""
    wanted = {
        "delivery.mode": (hardware.delivery.mode.value, "broadcast"),
        "delivery.width": (hardware.delivery.width.value, 1),
        "rna.copy_parallel": (hardware.rna.copy_parallel.value, 1),
        "am.search": (hardware.am.search.value, "digital"),
    }
    for field, (given, needed) in wanted.items():
        if given != needed:
            raise HardwareError(
                f"--to verilog has blocks with {field}={needed}, not {given}; set {field}={needed}"
            )


def block_of(layer: Layer, vectors: Sequence[Vector], hardware: Hardware) -> Block:
    """The block that holds the tables of the vectors' channels."""
    setup = block_setup(hardware, layer)
    first: dict[int, Vector] = {}
    for vector in vectors:
        first.setdefault(vector.key, vector)
    order = {key: number for number, key in enumerate(first)}
    neurons = [vector.neuron for vector in first.values()]
    made = _Made(layer, setup, neurons)
    made.tables(hardware)
    made.readout(hardware)
    return Block(made.parameters, made.files, tuple(order[vector.key] for vector in vectors))


class _Made:
    def __init__(self, layer: Layer, setup: BlockSetup, neurons: list[Neuron]) -> None:
        self._layer, self._setup, self._neurons = layer, setup, neurons
        self._step = neurons[0].step
        self.parameters: dict[str, int] = {}
        self.files: dict[str, str] = {}

    def tables(self, hardware: Hardware) -> None:
        """Geometry, programmes, products, weights, biases and residual rows."""
        setup, step, layer = self._setup, self._step, self._layer
        slots = max(4, setup.slots)
        rows = setup.first_slot + slots
        code = microcode(setup, (rows - 1).bit_length())
        products = [self._products(neuron) for neuron in self._neurons]
        shared = all(np.array_equal(table, products[0]) for table in products)
        w, u = products[0].shape
        if layer.counted and hardware.counters.resident.value < w * u:
            raise HardwareError(
                f"layer {layer.name!r} counts {w} x {u} pairs, a block has {hardware.counters.resident.value} "
                f"counters; set counters.resident={w * u} or more"
            )
        terms = self._terms()
        width = max((rows.shape[-1] for rows in terms), default=1)
        self.parameters |= {
            "N": setup.word_bits,
            "LANES": setup.lanes,
            "ROWS": rows,
            "FIRST": setup.first_slot,
            "SUM_ROW": setup.sum_row,
            "SLOTS": slots,
            "AT_ONCE": max(3, setup.at_once),
            "W": w,
            "U": u,
            "CW": hardware.counters.width_bits.value,
            "TAPS": step.taps if isinstance(step, WeightedSum) else 1,
            "CHANNELS": len(self._neurons),
            "PRODUCT_SETS": 1 if shared else len(products),
            "RESIDUALS": len(terms),
            "RESIDUAL_U": width,
            "LOOKUP": int(isinstance(step, CodeProduct)),
            "COPY": hardware.rna.copy_cycles.value,
            "READ": hardware.rna.read_cycles.value,
            **dict(zip(("C1", "C2", "C3", "C4"), code.ends, strict=True)),
        }
        digits = -(-code.bits // 4)
        self.files["programme.hex"] = "".join(f"{word:0{digits}x}\n" for word in code.words)
        self._put("weights", [self._weights(neuron) for neuron in self._neurons], 8)
        self._put("products", products[:1] if shared else products, setup.word_bits)
        self._put("bias", [self._constant(neuron) for neuron in self._neurons], setup.word_bits)
        padded = [np.pad(row, [(0, 0), (0, width - row.shape[-1])]) for row in terms]
        self._put("residual", padded or [0], setup.word_bits)

    def readout(self, hardware: Hardware) -> None:
        """Activation and encoding."""
        neuron = self._neurons[0]
        follower = neuron.followers[0] if neuron.followers else None
        table = None if follower is None else follower.activation
        kinds = {"identity": 0, "relu": 1, "relu6": 2}
        kind = 0 if table is None else 3 if table.z is not None else kinds[table.kind]
        units = [n.unit for n in self._neurons]
        caps = np.zeros(len(units), np.int64)
        if table is not None and table.cap is not None:
            caps = table.cap[units].astype(np.int64)
        activation = _Search([], [])
        if table is not None and table.z is not None and table.g is not None:
            activation = _Search([table.z[unit] for unit in units], [table.g] * len(units))
        encoding = _Search([], [])
        if isinstance(follower, Encode):
            rows = [follower.encoding[u if len(follower.encoding) > 1 else 0] for u in units]
            encoding = _Search(rows, [np.arange(len(row)) >> follower.drop for row in rows])
        reach = max(int(np.abs(caps).max(initial=0)), activation.reach, encoding.reach)
        key_bits = max(self._setup.word_bits, word_width(reach)) + 1
        self.parameters |= {
            "ACTIVATION": kind,
            "ACTIVATION_LEVELS": activation.levels,
            "ACTIVATION_SETS": activation.sets,
            "ENCODES": int(isinstance(follower, Encode)),
            "ENCODING_LEVELS": encoding.levels,
            "ENCODING_SETS": encoding.sets,
            "CPL": hardware.am.cycles_per_level.value,
            "KW": key_bits,
        }
        self._put("caps", caps, key_bits)
        largest = (1 << key_bits - 1) - 1
        self._put("z", activation.midpoints(largest), key_bits)
        self._put("g", activation.values(), key_bits)
        self._put("midpoints", encoding.midpoints(largest), key_bits)
        self._put("codes", encoding.values(), 8)

    def _put(self, name: str, values: Any, bits: int) -> None:
        self.files[f"{name}.hex"] = hex_words(np.asarray(values, np.int64), bits)

    def _products(self, neuron: Neuron) -> NDArray[np.int64]:
        step = neuron.step
        return step.products.astype(np.int64) if isinstance(step, CodeProduct) else neuron.products

    def _weights(self, neuron: Neuron) -> NDArray[np.integer[Any]]:
        step = neuron.step
        if not isinstance(step, WeightedSum):
            return np.zeros(1, np.int64)
        channel = neuron.index[-1] if step.window is None else neuron.index[0]
        return np.asarray(step.weight_codes[channel]).reshape(-1)

    def _constant(self, neuron: Neuron) -> int:
        """What is added beside products and residuals: a bias, or the constant of a place."""
        return next((value for name, value in neuron.rows if name in ("bias", "constant")), 0)

    def _terms(self) -> list[NDArray[np.int64]]:
        """Rows ``(channels, u)`` of each residual."""
        step = self._step
        terms = (
            step.residuals
            if isinstance(step, WeightedSum)
            else step.terms
            if isinstance(step, CodeSum)
            else ()
        )
        units = [n.unit for n in self._neurons]
        found = []
        for term in terms:
            rows = term.rows.astype(np.int64)
            if len(rows) == 1:
                found.append(np.repeat(rows, len(units), axis=0))
            else:
                found.append(rows[units])
        return found


class _Search:
    """Sorted rows per set as midpoints, and what each place stands for; equal sets are one."""

    def __init__(self, rows: Sequence[NDArray[Any]], meant: Sequence[NDArray[Any]]) -> None:
        pairs = list(zip(rows, meant, strict=True))
        if pairs and all(np.array_equal(r, pairs[0][0]) and np.array_equal(m, pairs[0][1]) for r, m in pairs):
            pairs = pairs[:1]
        self.sets = max(1, len(pairs))
        self.levels = (len(pairs[0][0]) - 1).bit_length() if pairs else 0
        self.reach = max((int(np.abs(a.astype(np.int64)).max()) for pair in pairs for a in pair), default=0)
        self._pairs = pairs

    def midpoints(self, largest: int) -> NDArray[np.int64]:
        """``(sets, 2**levels)``; nothing is above the last ones."""
        found = np.full((self.sets, 1 << self.levels), largest, np.int64)
        for t, (rows, _) in enumerate(self._pairs):
            values = sorted({int(row) for row in rows})
            found[t, : len(values) - 1] = [(a + b) >> 1 for a, b in pairwise(values)]
        return found

    def values(self) -> NDArray[np.int64]:
        """``(sets, 2**levels)``: of rows that are equal the first is meant."""
        found = np.zeros((self.sets, 1 << self.levels), np.int64)
        for t, (rows, meant) in enumerate(self._pairs):
            distinct, first = np.unique(rows.astype(np.int64), return_index=True)
            found[t, : len(distinct)] = np.asarray(meant)[first]
        return found
