"""The networks and batch sizes that are benchmarked, and their inputs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.networks import input_shape, names
from rapidnn.tables.program import Program, WeightedSum

STANDARD: dict[str, tuple[int, ...]] = {
    "mnist-mlp": (1, 64, 1024),
    "cifar10-cnn": (1, 128),
    "resnet20": (128,),
    "vgg16": (1,),
}
"""Batch sizes of the standard rows, by network."""

LARGE = ("vgg16",)
"""Networks that ``--quick`` leaves out."""

OTHER = (1, 64)
"""Batch sizes of any other built-in network."""

SEED = 4


def chosen(
    networks: Sequence[str] | None, batches: Sequence[int] | None, *, quick: bool
) -> dict[str, tuple[int, ...]]:
    """Batch sizes by network: the standard ones, or what was asked for.

    Raises
    ------
    DataError
        On an unknown network, a batch size below 1, or a network that a quick run leaves out.
    """
    asked = tuple(dict.fromkeys(networks)) if networks else tuple(STANDARD)
    for name in asked:
        if name not in names():
            raise DataError(f"--network {name!r}: unknown; the built-in ones are {', '.join(names())}")
        if quick and networks and name in LARGE:
            raise DataError(f"--network {name}: --quick leaves it out; drop one of the two")
    sizes = tuple(dict.fromkeys(batches)) if batches else None
    if sizes is not None and min(sizes) < 1:
        raise DataError(f"--batch {min(sizes)}: expected at least 1")
    wanted = [name for name in asked if not (quick and name in LARGE)]
    return {name: sizes or STANDARD.get(name, OTHER) for name in wanted}


def inputs(network: str, count: int) -> NDArray[np.float32]:
    """Normal random samples ``(count, *input_shape)``; a larger count begins with the same samples."""
    rng = np.random.default_rng(SEED)
    return rng.standard_normal((count, *input_shape(network)), np.float32)


def multiply_accumulates(program: Program) -> int:
    """Multiply-accumulates of one sample: every weight of every neuron, padded taps included."""
    return sum(
        math.prod(program.shapes[step.name]) * step.taps
        for step in program.steps
        if isinstance(step, WeightedSum)
    )
