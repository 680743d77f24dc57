"""``rapidnn evaluate --baseline uniform``: a composed network beside uniform quantisation at equal sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.blame import Blame, blame, check_same
from rapidnn.composer.plan import Plan, plan_graph
from rapidnn.composer.sample import calibrate
from rapidnn.composer.settings import Settings
from rapidnn.composer.tabulate import sampled_edges, tabulate
from rapidnn.composer.uniform import uniform_choices
from rapidnn.data.preprocess import Preprocess
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation, compare_outputs
from rapidnn.frames import frame
from rapidnn.graph import Graph
from rapidnn.tables.program import Program
from rapidnn.tables.size import float_bytes

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """Two compositions of one network that differ only in where codebook values lie; ``float_kib``: its float weights.

    The uniform one has MSE-optimal ranges, calibrated on ``calibration_samples`` samples.
    """

    ours: Blame
    uniform: Blame
    float_kib: float
    calibration_samples: int

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a layer: ours, and the uniform one's figures as ``uniform.*``."""
        return frame(
            (
                asdict(ours) | {"uniform": {k: v for k, v in asdict(other).items() if k != "name"}}
                for ours, other in zip(self.ours.layers, self.uniform.layers, strict=True)
            ),
            "name",
        )


def against_uniform(
    composed: ComposedNetwork,
    graph: Graph,
    calibration: NDArray[np.float32],
    x: NDArray[np.float32],
    labels: NDArray[Any],
    evaluation: Evaluation,
    float_outputs: NDArray[np.float32],
    *,
    threads: int | None = None,
    progress: Progress,
) -> Comparison:
    """Compose ``graph`` again with uniform codebooks of the sizes that ``composed`` records, and blame both.

    Parameters
    ----------
    calibration
        Preprocessed samples the uniform ranges are fitted to: those ``composed`` was calibrated on, for fairness.
    x, labels, evaluation, float_outputs
        Preprocessed labelled samples, what ``composed`` scores on them, and the float network's outputs.

    Raises
    ------
    ArtifactError
        If the artifact does not record its settings.
    DataError
        If it was composed of another network.
    """
    settings = Settings.recorded(composed.info)
    plan = plan_graph(graph, settings.concat)
    check_same(plan, composed.program)
    program = uniform_program(graph, plan, settings, calibration, threads, progress)
    network = ComposedNetwork(program, Preprocess.identity(graph.input_shape), {})
    outputs = network(x, threads=threads, progress=lambda i, n: progress("evaluate uniform", i, n))
    uniform = compare_outputs(outputs, labels, float_outputs)
    ours, theirs = (
        blame(
            graph,
            plan,
            program,
            x,
            labels,
            evaluation,
            threads=threads,
            progress=lambda i, n, name=name: progress(f"layers of {name}", i, n),  # type: ignore[misc]
        )
        for name, program, evaluation in (
            ("rapidnn", composed.program, evaluation),
            ("uniform", program, uniform),
        )
    )
    return Comparison(ours, theirs, float_bytes(program) / 1024, len(calibration))


def uniform_program(
    graph: Graph,
    plan: Plan,
    settings: Settings,
    calibration: NDArray[np.float32],
    threads: int | None,
    progress: Progress,
) -> Program:
    """The composition of ``graph`` with uniform codebooks, their ranges fitted to ``calibration``."""
    histograms = calibrate(
        graph,
        calibration,
        sampled_edges(plan),
        threads=threads,
        progress=lambda i, n: progress("calibrate uniform", i, n),
    )
    return tabulate(graph, plan, histograms, uniform_choices(plan, histograms, settings), settings)
