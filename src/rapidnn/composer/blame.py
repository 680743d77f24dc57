"""Where a composed network loses accuracy, and what uniform quantisation at equal sizes would lose.

For each weighted layer two questions are asked. What is the signal-to-noise ratio of its accumulator in the composed
network, errors of the layers before it included? And what does the network lose if this layer alone is composed: its
float input is encoded with the layer's input codebook, its accumulator is made by its own tables, bit-true, and
everything else is float?
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.cluster import exact_thresholds
from rapidnn.composer.plan import Plan
from rapidnn.composer.sample import map_shards
from rapidnn.composer.sensitivity import network_macs, scores_edge
from rapidnn.data.preprocess import Preprocess
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.evaluate import Evaluation, compare_outputs
from rapidnn.execute.reference import real_values
from rapidnn.frames import frame
from rapidnn.graph import Graph
from rapidnn.graph.float_exec import run_changed, run_float
from rapidnn.tables.program import EncodeInput, Program, WeightedSum
from rapidnn.tables.size import packed_bytes

if TYPE_CHECKING:
    import pandas as pd
    import torch

Progress = Callable[[int, int], None]

_WORK_MACS = 1e12
"""Multiply-accumulates to spend on layers composed alone."""
_ALONE_SAMPLES = (200, 20_000)
_EDGE_SAMPLES = 256
_SHARD = 64


@dataclass(frozen=True)
class LayerBlame:
    """One weighted layer: codebook sizes w and u, the SQNR of its accumulator, and the loss when it alone is composed.

    ``alone_sqnr_db`` is the network's output SQNR then. None where there is no noise.
    """

    name: str
    weights: int
    inputs: int
    sqnr_db: float | None
    alone_loss: float
    alone_sqnr_db: float | None


@dataclass(frozen=True)
class Blame:
    """A composed network layer by layer.

    ``size_kib`` counts its tables, weight codes packed to ceil(log2 w) bits. SQNRs of accumulators are over
    ``edge_samples`` samples, losses of layers alone over ``alone_samples``.
    """

    evaluation: Evaluation
    size_kib: float
    edge_samples: int
    alone_samples: int
    layers: tuple[LayerBlame, ...]

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON values."""
        return asdict(self)

    def to_frame(self) -> pd.DataFrame:
        """One row a layer."""
        return frame(self.layers, "name")


def blame(
    graph: Graph,
    plan: Plan,
    program: Program,
    x: NDArray[np.float32],
    labels: NDArray[Any],
    evaluation: Evaluation,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Blame:
    """Blame for each layer of ``program``, the composition of ``graph`` by ``plan``.

    Parameters
    ----------
    x, labels
        Preprocessed samples, float32, and their classes. Where they are many, evenly spaced ones are used.
    evaluation
        Of the whole program on these samples.

    Raises
    ------
    DataError
        If the program was not composed of this graph.
    """
    names = check_same(plan, program)
    edges = spread(len(x), _EDGE_SAMPLES)
    work = network_macs(graph) / 2 * max(1, len(names))
    alone = spread(len(x), int(np.clip(_WORK_MACS / max(1.0, work), *_ALONE_SAMPLES)))
    noise = edge_sqnr(graph, plan, program, x[edges], threads)
    losses = _Alone(graph, program, names).evaluate(x[alone], labels[alone], threads, progress)
    return Blame(
        evaluation,
        packed_bytes(program) / 1024,
        len(edges),
        len(alone),
        tuple(_layer(program, name, noise[name], found) for name, found in zip(names, losses, strict=True)),
    )


def _layer(program: Program, name: str, sqnr: float | None, alone: Evaluation) -> LayerBlame:
    step = program.step[name]
    assert isinstance(step, WeightedSum)
    assert alone.loss is not None
    sizes = step.values.shape[1], program.group_of[step.source].size
    return LayerBlame(name, *sizes, sqnr, alone.loss, alone.sqnr_db)


def spread(total: int, most: int) -> NDArray[np.intp]:
    """Indices of at most ``most`` of ``total`` samples, evenly spaced: data sets may be ordered by class."""
    return np.arange(total) if total <= most else np.arange(most) * total // most


def check_same(plan: Plan, program: Program) -> list[str]:
    """Names of the weighted layers; raises DataError if the program's steps are not the plan's."""
    if [step.name for step in plan.steps] != [step.name for step in program.steps]:
        raise DataError(
            "the artifact was composed of another network; compare with the network it was made of"
        )
    return [step.name for step in plan.layers()]


def edge_sqnr(
    graph: Graph, plan: Plan, program: Program, x: NDArray[np.float32], threads: int | None = None
) -> dict[str, float | None]:
    """For every sum of the program the SQNR in dB of its accumulator about the float edge it stands for."""
    held = {step: edge for step, edge in plan.held.items() if step in program.step}
    wanted = set(held.values())
    network = ComposedNetwork(program, Preprocess.identity(graph.input_shape), {})

    def powers(shard: NDArray[np.float32]) -> NDArray[np.float64]:
        floats: dict[str, torch.Tensor] = {}
        run_float(graph, shard, lambda name, value: floats.update({name: value} if name in wanted else {}))
        found = {}

        def observe(name: str, values: NDArray[Any]) -> None:
            if name in held:
                signal = floats[held[name]].numpy().astype(np.float64)
                noise = real_values(program, name, values) - signal
                found[name] = ((signal**2).sum(), (noise**2).sum())

        network.run(shard, backend="numpy", observe=observe)
        return np.array([found[name] for name in held])

    total = sum(map_shards(graph, x, powers, threads, None, most=network.batch_size()))
    return {name: decibels(*pair) for name, pair in zip(held, np.asarray(total).tolist(), strict=True)}


def decibels(signal: float, noise: float) -> float | None:
    """10 log10 of a ratio of powers; None where one of them is zero."""
    return 10 * float(np.log10(signal / noise)) if signal > 0 and noise > 0 else None


class _Alone:
    """The float network with one layer composed."""

    def __init__(self, graph: Graph, program: Program, names: list[str]) -> None:
        self.graph = graph
        self.scores = scores_edge(graph)
        self.networks = {name: layer_network(program, name) for name in names}

    def evaluate(
        self,
        x: NDArray[np.float32],
        labels: NDArray[Any],
        threads: int | None,
        progress: Progress | None,
    ) -> list[Evaluation]:
        parts = list(map_shards(self.graph, x, self._scores, threads, progress, most=_SHARD))
        expected, *changed = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
        return [compare_outputs(outputs, labels, expected) for outputs in changed]

    def _scores(self, shard: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return list(self._runs(shard))

    def _runs(self, shard: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """Scores of the float network, then with each layer composed."""
        import torch

        values: dict[str, torch.Tensor] = {}
        run_float(self.graph, shard, values.__setitem__)
        yield values[self.scores].numpy()
        for name, network in self.networks.items():
            read = values[self.graph[name].inputs[0]].numpy()
            made = torch.from_numpy(network(np.ascontiguousarray(read), threads=1))
            yield run_changed(self.graph, values, _puts(name, made), self.scores).numpy()


def _puts(name: str, value: torch.Tensor) -> Mapping[str, Callable[[torch.Tensor], torch.Tensor]]:
    return {name: lambda _: value}


def layer_network(program: Program, name: str) -> ComposedNetwork:
    """One weighted layer as a network of its own: real inputs, encoded with its input codebook, to its accumulator.

    Residual terms, which enter the accumulator in the whole network, are left out.
    """
    step = program.step[name]
    assert isinstance(step, WeightedSum)
    group, shape = program.group_of[step.source], program.shapes[step.source]
    encode = EncodeInput(step.source, group.name, exact_thresholds(group.values, group.scale), shape)
    alone = Program((group,), (encode, replace(step, residuals=())), name)
    return ComposedNetwork(alone, Preprocess.identity(shape), {})
