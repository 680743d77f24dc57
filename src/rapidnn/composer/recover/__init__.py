"""Recovery without labels: biases, weight codes and codebooks that make up for what quantisation did before them.

Layers are taken in order. The input of each is what the composed layers before it produce on calibration data, the
target what the float network has at the layer's accumulator (for a layer whose accumulator stays open: the block's
output less the composed shortcut). Then

1. the float weights move to those that give the target best from the composed inputs (least squares, held to the
   float ones by a ridge that samples held back choose),
2. they are clustered anew, and coded with error feedback and coordinate descent, while codebook values are refitted
   (``books.py``),
3. the bias takes up the mean error of each channel.

Where a codebook serves the result of one encoding alone, it is clustered anew on what the composed layers put there:
least-squares outputs are narrower than the float network's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices, choose_group
from rapidnn.composer.plan import Plan, PlannedEncode, PlannedSum
from rapidnn.composer.recover.layer import LayerRecovery, recover_layer
from rapidnn.composer.recover.walk import Walk, sample_limit
from rapidnn.composer.settings import Settings
from rapidnn.frames import frame
from rapidnn.graph import Graph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LayerRecovery", "Recovery", "RecoveryReport", "recover"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class RecoveryReport:
    """How many calibration samples recovery rests on, and what it did to each layer."""

    samples: int
    layers: tuple[LayerRecovery, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a layer."""
        return frame(self.layers, "name")


@dataclass(frozen=True, eq=False)
class Recovery:
    """The recovered choices, and the report."""

    choices: Choices
    report: RecoveryReport


def recover(
    graph: Graph,
    plan: Plan,
    choices: Choices,
    settings: Settings,
    samples: NDArray[np.float32],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Recovery:
    """Better choices of the same form, by ``settings.recover`` (``bias`` or ``full``), from calibration data alone.

    The result does not depend on the number of threads. Memory does not grow with the samples: at most a thousand of
    them, evenly spaced, are used, and fewer where edges are large.

    Parameters
    ----------
    samples
        float32 ``(N, *graph.input_shape)``, preprocessed.
    """
    import torch

    limit = sample_limit(graph)
    if len(samples) > limit:
        samples = samples[np.arange(limit) * len(samples) // limit]
    previous = torch.get_num_threads()
    groups, layers, records = dict(choices.groups), dict(choices.layers), []
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, initializer=lambda: torch.set_num_threads(1))
    try:
        torch.set_num_threads(1)
        walk = Walk(graph, plan, groups, np.ascontiguousarray(samples), pool)
        for done, step in enumerate(plan.steps, start=1):
            if isinstance(step, PlannedSum) and step.name in layers:
                layers[step.name], result, record = recover_layer(walk, step, layers[step.name], settings)
                walk.finish_sum(step, result)
                records.append(record)
            else:
                if isinstance(step, PlannedEncode) and settings.recover == "full" and _alone(plan, step):
                    group = choose_group(plan, step.name, walk.before_encoding(step), settings)
                    groups[step.name] = group
                walk.advance(step)
            if progress is not None:
                progress(done, len(plan.steps))
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(previous)
    return Recovery(Choices(groups, layers), RecoveryReport(len(samples), tuple(records)))


def _alone(plan: Plan, step: PlannedEncode) -> bool:
    """Whether the step's own result is all that its group's codebook serves."""
    return plan.sampled_edges().get(step.name) == [plan.float_edge[step.name]]
