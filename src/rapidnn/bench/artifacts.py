"""The artifacts our engines run: the same network with tables of several kinds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rapidnn.bench import rivals
from rapidnn.bench.store import Store
from rapidnn.bench.workloads import SEED
from rapidnn.errors import ComposeError
from rapidnn.execute import packing
from rapidnn.tables.program import Program, WeightedSum

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Tables:
    """What an engine's artifact is composed with; ``factorised`` ones must be exact outer products of bytes."""

    size: int
    product_bits: int
    factorised: bool = False


TABLES: dict[str, Tables] = {
    "rapidnn-table-64-narrow": Tables(64, 11),
    "rapidnn-table-64-wide": Tables(64, 16),
    "rapidnn-table-16-narrow": Tables(16, 11),
    "rapidnn-factorised": Tables(16, 16, factorised=True),
}
"""Our engines. Narrow products have 11 bits (magnitude at most 1023), wide ones 16."""


SOURCES = ("graph", "frontends", "composer", "tables", "bench/artifacts.py", *rivals.SOURCES)
"""What decides an artifact's content."""


def artifact_file(store: Store, network: str, tables: Tables, float_file: Path, calibration: Array) -> Path:
    """The artifact of a network, from the store or made.

    Raises
    ------
    ComposeError
        If it had to factorise and does not.
    """

    def build(path: Path) -> None:
        from rapidnn.composer.compose import compose

        composed = compose(
            float_file, calibration, tables.size, tables.size, product_bits=tables.product_bits
        )
        if tables.factorised:
            check_factorised(composed.program)
        composed.save(path)

    settings = {"network": network, "seed": SEED, "calibration": len(calibration), **asdict(tables)}
    return store.file(".rapidnn", {"what": "artifact", **settings}, SOURCES, build)


def check_factorised(program: Program) -> None:
    """Raise ComposeError if a layer's products are not an outer product of bytes."""
    for step in program.steps:
        if isinstance(step, WeightedSum):
            group = program.group_of[step.source]
            if packing.factorise(step, group) is None:
                raise ComposeError(
                    f"layer {step.name!r}: its product table is not an outer product of 8-bit values "
                    f"({step.bits}-bit weights, {group.bits}-bit inputs, shift {step.shift}); it cannot be benchmarked"
                )
