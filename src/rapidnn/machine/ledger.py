"""Energy accounts: every bit that moves or is written is charged to exactly one component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

COMPONENTS: dict[str, str] = {
    "input_codes": "input codes read from the layer's buffer, and from a block's local buffer in gather mode",
    "weight_codes": "weight codes (gather: input addresses) read from the crossbar",
    "broadcast": "wires that carry the input codes to the blocks",
    "counters": "counter increments",
    "counter_readout": "counters read and recoded into signed digits",
    "product_rows": "product rows read: one per non-zero digit, one per product of two codes",
    "table_rows": "bias, constant, residual and code-to-code rows read",
    "addend_copies": "shifted writes of the addends, and the shifter",
    "lane_moves": "addends moved between lanes, read and written",
    "nor_outputs": "NOR gates of the 3:2 steps, the final addition and column copies",
    "initialisation": "initialisation writes of NOR output cells",
    "result_read": "the finished accumulator read out of the crossbar",
    "comparisons": "ReLU and ReLU6",
    "activation_am": "activation searches",
    "activation_rows": "activation rows read from the crossbar",
    "encoding_am": "encoding searches",
    "max_pool": "max pooling of codes",
    "code_output": "wires and buffer writes of the produced codes or results",
    "reload": "tables that do not fit beside the working rows, written again",
    "link": "bits between chips",
    "host": "float32 arithmetic and SRAM accesses of the operators that run on the host",
    "host_link": "bits to and from the host in the middle of the network",
}

"""The components of the energy account, in order, and what each holds."""

HOST_COMPONENTS = ("host", "host_link")
"""The components that the operators on the host bring."""

BLOCK_COMPONENTS = (
    "weight_codes",
    "counters",
    "counter_readout",
    "product_rows",
    "table_rows",
    "addend_copies",
    "lane_moves",
    "nor_outputs",
    "initialisation",
    "result_read",
    "comparisons",
    "activation_am",
    "activation_rows",
    "encoding_am",
)
"""The components that lie wholly within RNA blocks: crossbar, counters and the two AM."""

ZEROS: dict[str, str] = {
    "leakage": "no sourced figure for leakage or clock power of a block; idle blocks are taken as switched off",
    "controller": "no sourced figure for a block's or tile's control logic, in energy or in area",
    "reshape, transpose, slice, take, zero padding and stuffing": "the reader addresses the buffer accordingly; no "
    "bit moves (a stuffed zero is delivered and counted as a tap, and its zero product gives no addend)",
    "join within one codebook": "the reader addresses several buffers; no bit moves",
    "carry shift": "with the shift interconnect a carry is written one column to the left by the gate that makes it",
    "addend cells": "an addend copy is a conventional write, so its cells need no initialisation before it",
    "input and result": "the input's arrival and the result's departure are the host's, as for the machines compared "
    "with",
    "host instructions, idle power and area": "no sourced figure; its float operations and SRAM accesses are charged",
    "shape operators on the host": "the host reads its memory accordingly",
    "bus area": "wires run above the crossbars; only their energy is charged",
}
"""What is charged nothing, and why."""


Action = Literal["read", "moved", "written"]

_SHARES: dict[str, tuple[float, float, float]] = {
    "broadcast": (0, 1, 0),
    "counters": (0, 0, 1),
    "addend_copies": (0, 0, 1),
    "lane_moves": (0.5, 0, 0.5),
    "nor_outputs": (0, 0, 1),
    "initialisation": (0, 0, 1),
    "link": (0, 1, 0),
    "host_link": (0, 1, 0),
}
"""Which part of a component's bits is read, moved and written where a charge does not say; all read if not here.

A move between lanes reads a word and writes it; an increment writes its counter.
"""

ABSENT: dict[str, str] = {
    "input_codes": "no layer reads codes",
    "weight_codes": "no layer has weights",
    "broadcast": "no code is brought to a block",
    "counters": "no layer counts pairs of codes",
    "counter_readout": "no layer counts pairs of codes",
    "product_rows": "no neuron adds or looks up a product that is not zero",
    "table_rows": "no layer has a bias, constant, residual or code-to-code table",
    "addend_copies": "no neuron has an addend",
    "lane_moves": "no lane takes an addend from another",
    "nor_outputs": "no neuron has more than one addend",
    "initialisation": "no NOR gate is used",
    "result_read": "no layer accumulates",
    "comparisons": "no layer has ReLU or ReLU6",
    "activation_am": "no layer has an activation table",
    "activation_rows": "no layer has an activation table",
    "encoding_am": "no layer encodes by a search",
    "max_pool": "the network has no max pooling",
    "code_output": "no layer makes codes or results",
    "reload": "all tables fit beside the working rows, and all layers into the blocks",
    "link": "the network fits one chip and no table comes from outside",
    "host": "nothing runs on the host",
    "host_link": "nothing goes to or from the host in the middle of the network",
}
"""Why a component is zero where no bit of it is read, moved or written."""


@dataclass(frozen=True)
class Charge:
    """Bits read, moved and written, and their energy."""

    read_bits: float = 0.0
    moved_bits: float = 0.0
    written_bits: float = 0.0
    energy_pj: float = 0.0

    @property
    def bits(self) -> float:
        """All bits, each as often as it is read, moved or written."""
        return self.read_bits + self.moved_bits + self.written_bits


class Ledger:
    """Charges by component; adding up ledgers adds up components, so totals close by construction."""

    def __init__(self) -> None:
        # Four sums by component: bits read, moved and written, and pJ. They are added to in place.
        self._sums = {name: [0.0, 0.0, 0.0, 0.0] for name in COMPONENTS}

    def charge(
        self,
        component: str,
        bits: float,
        pj_per_bit: float = 0.0,
        *,
        pj: float = 0.0,
        action: Action | None = None,
    ) -> Self:
        """Add ``bits`` at ``pj_per_bit``, and ``pj`` that does not depend on them.

        ``action`` says what happens to the bits; by default what the component always does.
        """
        shares = _ACTIONS[action] if action else _SHARES.get(component, _ACTIONS["read"])
        sums = self._sums[component]
        for place, share in enumerate(shares):
            if share:
                sums[place] += bits * share
        sums[3] += bits * pj_per_bit + pj
        return self

    def __add__(self, other: Ledger) -> Ledger:
        total = Ledger()
        for name, sums in total._sums.items():
            a, b = self._sums[name], other._sums[name]
            sums[:] = (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3])
        return total

    def __mul__(self, factor: float) -> Ledger:
        scaled = Ledger()
        for name, sums in scaled._sums.items():
            a = self._sums[name]
            sums[:] = (a[0] * factor, a[1] * factor, a[2] * factor, a[3] * factor)
        return scaled

    def __getitem__(self, component: str) -> Charge:
        """The charge of one component."""
        return Charge(*self._sums[component])

    @property
    def energy_pj(self) -> float:
        """Total energy."""
        return sum(sums[3] for sums in self._sums.values())

    def energies_pj(self) -> dict[str, float]:
        """Energy by component."""
        return {name: sums[3] for name, sums in self._sums.items()}

    def bits(self) -> dict[str, float]:
        """Bits by component, each as often as it is read, moved or written."""
        return {name: sum(sums[:3]) for name, sums in self._sums.items()}


_ACTIONS: dict[Action, tuple[float, float, float]] = {
    "read": (1, 0, 0),
    "moved": (0, 1, 0),
    "written": (0, 0, 1),
}
