"""What each block of a layer holds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.handoff.image.memories import Memories, Reference
from rapidnn.machine.edges import code_bits
from rapidnn.machine.layers import Layer
from rapidnn.tables.activation import G_BITS
from rapidnn.tables.program import (
    Activate,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    Join,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    word_width,
)

Tables = dict[str, Reference]


def tables_of(
    program: Program, layer: Layer, prefix: str, memories: Memories, first: int, last: int
) -> Tables:
    """References to all tables of the block with channels ``first`` to ``last`` - 1, in the order they are loaded."""
    made = _Block(program, layer, prefix, memories, first, last)
    step = program.step[layer.steps[0]]
    made.step(step)
    for name in layer.steps[1:]:
        follower = program.step[name]
        if isinstance(follower, Encode | Activate):
            made.follower(follower)
    return made.tables


class _Block:
    def __init__(
        self, program: Program, layer: Layer, prefix: str, memories: Memories, first: int, last: int
    ) -> None:
        self._program, self._layer, self._prefix, self._memories = program, layer, prefix, memories
        self._channels = slice(first, last)
        self.tables: Tables = {}

    def step(self, step: Step) -> None:
        """Tables of the step that the layer is built around."""
        match step:
            case EncodeInput():
                self._put("thresholds", step.thresholds.view(np.uint32), 32, signed=False)
            case WeightedSum():
                self._put("products", self._own(step.products), step.product_bits)
                codes = step.weight_codes.reshape(step.channels, -1)[self._channels]
                self._put("weights", codes, code_bits(step.values.shape[1]), signed=False)
                self._put("bias", step.bias[self._channels], self._layer.word_bits)
                for i, term in enumerate(step.residuals):
                    self._put(f"residual{i}", self._own(term.rows), self._layer.word_bits)
            case PooledSum():
                self._put("products", step.row, word_width(int(np.abs(step.row).max(initial=0))))
            case CodeSum():
                for i, term in enumerate(step.terms):
                    self._put(f"residual{i}", term.rows, self._layer.word_bits)
                if step.offset is not None:
                    whole = np.broadcast_to(step.offset, self._program.shapes[step.name])
                    self._put("constants", whole, self._layer.word_bits)
            case CodeProduct():
                self._put("products", step.products, step.product_bits)
            case Join():
                bits = code_bits(self._program.group[step.group].size)
                for i, table in enumerate(step.recode):
                    self._put(f"recode{i}", table, bits, signed=False)
            case _:
                raise AssertionError(step)

    def follower(self, step: Encode | Activate) -> None:
        """Rows of the activation's and the encoding's associative memories."""
        table, word = step.activation, self._layer.word_bits
        if table.cap is not None:
            self._put(f"{step.name}/cap", self._sets(table.cap), word)
        if table.z is not None and table.g is not None:
            self._put(f"{step.name}/activation", self._sets(table.z), word)
            self._put(f"{step.name}/values", table.g, G_BITS)
        if isinstance(step, Encode):
            bits = word if table.z is None else G_BITS
            self._put(f"{step.name}/encoding", self._sets(step.encoding), bits)

    def _own(self, table: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """A block's share of a table that may have a set per channel."""
        return table[self._channels] if len(table) > 1 else table

    def _sets(self, table: NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        """Table sets are per channel only behind weighted sums; every other layer is one block's."""
        return self._own(table) if self._layer.kind == "WeightedSum" else table

    def _put(self, name: str, values: NDArray[Any], bits: int, *, signed: bool = True) -> None:
        # An AM row may exceed the reach of what it is searched with.
        if signed and values.size:
            bits = max(bits, word_width(int(np.abs(values.astype(np.int64)).max())))
        file = f"{self._prefix}.{name.replace('/', '.').split('.')[-1]}.w{bits}.hex"
        self.tables[name] = self._memories.store(file, values, bits, signed=signed)
