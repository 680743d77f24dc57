"""Zero skipping off: our machine charged for zero products as for any other.

A count of a zero product leaves no addend (SPEC section 3, step 2). How often products are zero depends on the data,
since a ReLU makes zeros, while no rival's published figures profit from that. Counting with every product taken for
non-zero gives the cost of the same tables on dense data.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import numpy as np

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array, check_input
from rapidnn.execute.native import supports
from rapidnn.execute.observe import observe_native
from rapidnn.machine.statistics import ProgramStatistics, StatisticsCollector
from rapidnn.tables.program import PooledSum, Program, Step, WeightedSum

_BATCH = 32


def dense_program(program: Program) -> Program:
    """The program for counting and costing with no product zero; it is not one to run."""
    return replace(program, steps=tuple(_dense(step) for step in program.steps))


def _dense(step: Step) -> Step:
    if isinstance(step, WeightedSum):
        products = step.products.copy()
        products[products == 0] = 1
        return replace(step, products=products)
    if isinstance(step, PooledSum):
        row = step.row.copy()
        row[row == 0] = 1
        return replace(step, row=row)
    return step


def dense_statistics(composed: ComposedNetwork, x: Any, *, seed: int = 0) -> ProgramStatistics:
    """What inputs ``x`` ``(N, *input_shape)`` make the accumulations add with zero products counted as addends.

    Raises
    ------
    DataError
        If ``x`` is empty or does not fit the network.
    """
    samples = as_array(x)
    if samples.ndim == 0 or len(samples) == 0:
        raise DataError("a cost needs at least one input whose codes can be counted")
    threads = os.cpu_count() or 1
    collector = StatisticsCollector(
        dense_program(composed.program), np.random.default_rng(seed), threads=threads
    )
    if not supports(composed.program):
        composed.run(samples, observe=collector.observe)
        return collector.result()
    for start in range(0, len(samples), _BATCH):
        batch = check_input(composed.program, samples[start : start + _BATCH])
        collector.observe_codes(observe_native(composed.native(), batch, collector.sources, threads=threads))
    return collector.result()
