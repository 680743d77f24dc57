"""Kinds of faults: what each is, what its rate counts, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rapidnn.errors import DataError


@dataclass(frozen=True)
class FaultKind:
    """A fault model with one parameter, ``rate``.

    ``meaning`` says what the rate counts, ``modelled`` how the fault enters the executed network, ``source`` where the
    model comes from. ``cells`` marks kinds that change stored bits, ``known`` those that a test of the block finds
    before its tables are written.
    """

    name: str
    meaning: str
    modelled: str
    source: str
    cells: bool = False
    known: bool = False


KINDS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            "stuck",
            "share of crossbar cells that always read the same bit, 1 or 0 with equal probability",
            "the cells of a block's product table, weight codes and bias, each drawn by itself; exact",
            "stuck-at faults of ReRAM arrays; shares from 1e-4 to 1e-1 are reported (recalled, medium)",
            cells=True,
            known=True,
        ),
        FaultKind(
            "write",
            "probability that a cell that is to hold 1 keeps its erased 0",
            "as stuck, drawn anew whenever tables are written, so that no test finds it before; exact",
            "set failures of ReRAM, the usual reason for write-verify (recalled, medium)",
            cells=True,
        ),
        FaultKind(
            "retention",
            "probability that a stored 1 has decayed to 0 when it is read; see retention_rate",
            "as write failures; all cells have the same age",
            "drift of the low-resistance state; FACTS 8.1: over 10 years at 85 C",
            cells=True,
        ),
        FaultKind(
            "counter",
            "share of a block's counters (weight code, input code) that never count",
            "the product whose use a counter counts adds nothing; exact for a counter stuck at zero",
            "a dead counter is a dead pair of codes (SPEC section 3, deliver and count)",
        ),
        FaultKind(
            "block",
            "share of RNA blocks that are dead",
            "the accumulators of a dead block's neurons read 0",
            "yield; the block is the unit of repair (SPEC section 3)",
        ),
        FaultKind(
            "tile",
            "share of tiles that are dead; blocks are numbered in layer order and fill tiles one by one",
            "all blocks of the tile are dead",
            "yield; chip.blocks_per_tile of the description",
        ),
        FaultKind(
            "search",
            "standard deviation of a boundary of the search, as a share of the range the boundaries span",
            "each block's boundaries (where the search changes its answer) move by a normal offset drawn once a block; "
            "accumulators nearer to a boundary than its offset are misread",
            "process variation of match lines and sense amplifiers; a sense margin model, the offset's size is a "
            "parameter and not measured",
        ),
        FaultKind(
            "adder",
            "probability that one NOR output of the in-place addition is wrong",
            "each wrong output adds or takes 2**b for a bit b of the word, drawn anew for every neuron and input: none "
            "is masked, so this is an upper bound of independent transient errors; lasting faults of "
            "scratch rows are not modelled",
            "NOR outputs per neuron from the machine model (SPEC section 3, reduce and add)",
        ),
    )
}


def kind_of(name: str) -> FaultKind:
    """The kind of that name.

    Raises
    ------
    DataError
        If there is none.
    """
    if name not in KINDS:
        raise DataError(f"fault kind {name!r} is unknown; known: {', '.join(KINDS)}")
    return KINDS[name]


def retention_rate(hours: float, scale_hours: float, shape: float = 1.0) -> float:
    """Share of cells that have lost their bit after ``hours``: Weibull, ``1 - exp(-(t / scale)**shape)``.

    ``scale_hours`` is the age at which 63 % have; FACTS 8.1 gives over ten years at 85 C for ReRAM, without a
    distribution: scale and shape are assumptions of whoever calls this.
    """
    return float(-np.expm1(-((hours / scale_hours) ** shape)))
