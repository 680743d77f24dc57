"""Accuracy over years of use, as the cells of the in-place addition wear out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array
from rapidnn.machine.description import load_hardware
from rapidnn.machine.estimate import estimate_program
from rapidnn.machine.network import DEFAULT_HARDWARE, collect_statistics
from rapidnn.machine.work import block_work
from rapidnn.reliability.cells import stored_layers
from rapidnn.reliability.damage import silent
from rapidnn.reliability.result import WearPoint, WearStudy
from rapidnn.reliability.study import Bench
from rapidnn.tables.program import Program

SECONDS_PER_YEAR = 365.25 * 24 * 3600
_COUNTED = 32


def wear(
    composed: ComposedNetwork,
    x: Any,
    labels: Any,
    *,
    years: Sequence[float],
    inputs_per_s: float,
    endurance_sigma: float = 0.5,
    scratch_groups: int = 1,
    spare_blocks: float = 0.0,
    maps: int = 20,
    hardware: str | Path = DEFAULT_HARDWARE,
    overrides: Mapping[str, str | float] | None = None,
    threads: int | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> WearStudy:
    """Accuracy of ``composed`` after years of ``inputs_per_s``.

    Tables are written once and do not wear; scratch cells are written all the time (``machine.lifetime``). A cell lasts
    a lognormal number of writes about ``cell.endurance_writes`` of the description. Every scratch cell of a block's
    first lane takes the writes of the layer's hottest cell, the others few: a block dies with the first of those cells
    (12 or so rows of a word each), or, with ``scratch_groups`` sets of such rows used one after the other as each wears
    out, with that of the last set. Spare blocks take over from dead ones while they last, fresh when they do.
    What is left dead adds nothing: see the fault kind ``block``.

    Parameters
    ----------
    endurance_sigma
        Standard deviation of the natural logarithm of a cell's endurance: an assumption, no source gives it.
    spare_blocks
        As a share of the blocks in use; they do not wear before they are used, and once used outlast the study.

    Raises
    ------
    DataError
        If a number is out of range, or inputs and labels do not fit the network.
    HardwareError
        If the machine cannot run the network.
    """
    _check(years, inputs_per_s, endurance_sigma, scratch_groups, spare_blocks, maps)
    described = load_hardware(hardware, overrides)
    bench = Bench(composed, as_array(x), np.asarray(labels), threads)
    clean = bench.accuracy(composed.program)
    statistics = collect_statistics(composed, bench.x[:_COUNTED], threads=threads, seed=seed)
    cost = estimate_program(composed.program, statistics, described)
    layers = {
        name: row for row in cost.by_layer for name in [row.name] if name in stored_layers(composed.program)
    }
    writes = {name: row.writes_hottest for name, row in layers.items()}
    cells = {
        name: block_work(described, row.word_bits).scratch_rows * row.word_bits
        for name, row in layers.items()
    }
    endurance = described.cell.endurance_writes.value
    rng = np.random.default_rng(seed)
    lives = [
        _lives(composed.program, writes, cells, endurance, endurance_sigma, scratch_groups, rng)
        for _ in range(maps)
    ]
    points = []
    for year in years:
        inputs = year * SECONDS_PER_YEAR * inputs_per_s
        accuracy, shares, left = [], [], []
        for number, life in enumerate(lives):
            dead = np.flatnonzero(life <= inputs)
            remaining = rng.permutation(dead)[int(np.ceil(spare_blocks * len(life))) :]
            program = _without(composed.program, remaining)
            accuracy.append(clean if len(remaining) == 0 else bench.accuracy(program))
            shares.append(len(dead) / len(life))
            left.append(len(remaining) / len(life))
            if progress is not None:
                progress(f"{year:g} years", number + 1, maps)
        points.append(_point(year, shares, left, clean, np.array(accuracy)))
    return WearStudy(
        described.name, inputs_per_s, endurance, endurance_sigma, scratch_groups, spare_blocks, len(bench.x), clean,
        writes, cells, tuple(points),
    )  # fmt: skip


def _check(years: Sequence[float], rate: float, sigma: float, groups: int, spares: float, maps: int) -> None:
    if not years or any(not year >= 0 for year in years):
        raise DataError(f"years {list(years)}: expected numbers from 0")
    if not rate > 0:
        raise DataError(f"inputs_per_s={rate}: expected a number above 0")
    if not (sigma >= 0 and groups >= 1 and spares >= 0 and maps >= 1):
        raise DataError("expected endurance_sigma and spare_blocks from 0, scratch_groups and maps from 1")


def _lives(
    program: Program, writes: Mapping[str, float], cells: Mapping[str, int], endurance: float, sigma: float,
    groups: int, rng: np.random.Generator,
) -> NDArray[np.float64]:  # fmt: skip
    """Inputs each block lasts, in order of layers: the first worn cell of each set of scratch rows, summed over sets.

    The least of n lognormal lives is drawn by its distribution: exp(sigma * z) with z at the quantile 1 - v**(1 / n).
    """
    from statistics import NormalDist

    inverse = np.vectorize(NormalDist().inv_cdf)
    parts = []
    for name, layer in stored_layers(program).items():
        uniform = rng.random((layer.blocks, groups))
        lowest = np.clip(-np.expm1(np.log(uniform) / cells[name]), 1e-300, 1 - 1e-16)
        lasts = endurance * np.exp(sigma * inverse(lowest))
        used = writes[name]
        parts.append(lasts.sum(axis=1) / used if used > 0 else np.full(layer.blocks, np.inf))
    return np.concatenate(parts)


def _without(program: Program, dead: NDArray[np.int64]) -> Program:
    """The program with blocks of the given numbers dead."""
    made, first = {}, 0
    for name, layer in stored_layers(program).items():
        here = dead[(dead >= first) & (dead < first + layer.blocks)] - first
        first += layer.blocks
        if len(here):
            made[name] = silent(layer, here)
    return replace(program, steps=tuple(made.get(step.name, step) for step in program.steps))


def _point(
    year: float, shares: list[float], left: list[float], clean: float, accuracy: NDArray[np.float64]
) -> WearPoint:
    loss = clean - accuracy
    return WearPoint(
        year, float(np.mean(shares)), float(np.mean(left)), len(accuracy), float(accuracy.mean()),
        float(accuracy.min()), float(loss.mean()), float(np.quantile(loss, 0.95)),
    )  # fmt: skip
