"""How much each codebook, at each size, disturbs the float network's outputs when it alone is put in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.choices import Choices
from rapidnn.composer.decode import decoded, decoded_weight, encoding_edges
from rapidnn.composer.plan import Plan
from rapidnn.composer.sample import map_shards
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.float_exec import apply_op, run_changed, run_float
from rapidnn.tables.program import CodeGroup

if TYPE_CHECKING:
    import torch

Progress = Callable[[int, int], None]
Noise = Mapping[str, Mapping[int, float]]

_WORK_MACS = 3e11
"""Multiply-accumulates to spend on all sensitivities together: seconds on one core."""
_SAMPLES = (16, 512)
"""Calibration samples at least and at most."""
_SHARD = 16
"""Samples a shard: few, since all edges of a shard are kept."""


@dataclass(frozen=True)
class Sensitivity:
    """Relative noise power of the outputs, by layer or code group and codebook size.

    ``layers[name][w]``: the layer's weights alone take their values from a codebook of w; ``groups[name][u]``: the
    group's edges alone are rounded to a codebook of u. Both are the sum of squared output errors over that of the
    outputs, each sample's scores taken about their mean (a common shift changes no answer).
    """

    layers: Noise
    groups: Noise
    samples: int


def measure(
    graph: Graph,
    plan: Plan,
    choices: Mapping[int, Choices],
    samples: NDArray[np.float32],
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Sensitivity:
    """Sensitivities on the first of ``samples``, as many as a fixed amount of work allows.

    ``choices`` holds, for each size, the choices with all codebooks of that size. Shards run in one thread each and
    their sums are added in order, so the result does not depend on ``threads``.
    """
    weighted = {step.name: step.node for step in plan.layers() if step.node is not None}
    edges = encoding_edges(plan)
    runs = len(choices) * (len(weighted) + len(edges))
    # What comes before a change is not computed again: about half of the network on average.
    fit = int(_WORK_MACS / max(1.0, runs * network_macs(graph) / 2))
    used = samples[: min(max(_SAMPLES[0], fit), _SAMPLES[1])]
    probe = _Probe(graph, weighted, edges, choices)
    power = np.zeros(1 + runs)
    for found in map_shards(graph, used, probe.powers, threads, progress, most=_SHARD):
        power += found
    noise = iter((power[1:] / power[0] if power[0] > 0 else power[1:]).tolist())
    layers = {name: {size: next(noise) for size in choices} for name in weighted}
    groups = {name: {size: next(noise) for size in choices} for name in edges}
    return Sensitivity(layers, groups, len(used))


def network_macs(graph: Graph) -> float:
    """Multiply-accumulates of one sample in the weighted layers."""
    return float(
        sum(
            math.prod(graph.shapes[node.name]) * math.prod(node.op.weight.shape[1:])
            for node in graph
            if isinstance(node.op, ops.Linear | ops.Conv)
        )
    )


def scores_edge(graph: Graph) -> str:
    """The edge whose errors count: the output, or what a softmax at the end reads."""
    last = graph[graph.output]
    return last.inputs[0] if isinstance(last.op, ops.Softmax) else last.name


class _Probe:
    def __init__(
        self,
        graph: Graph,
        weighted: Mapping[str, Node],
        edges: Mapping[str, list[str]],
        choices: Mapping[int, Choices],
    ) -> None:
        self.graph = graph
        self.weighted = weighted
        self.edges = edges
        self.choices = choices
        self.scores = scores_edge(graph)
        self.weights = {
            (name, size): decoded_weight(choice.layers[name].books)
            for name in weighted
            for size, choice in choices.items()
        }

    def powers(self, shard: NDArray[np.float32]) -> NDArray[np.float64]:
        """Squared outputs of a shard, then squared errors of every change, layers first: float64 ``(1 + runs,)``."""
        values: dict[str, torch.Tensor] = {}
        run_float(self.graph, shard, values.__setitem__)
        expected = _centred(values[self.scores].numpy())
        found = [float((expected**2).sum())]
        for changes in self._changes(values):
            changed = run_changed(self.graph, values, changes, self.scores)
            found.append(float(((_centred(changed.numpy()) - expected) ** 2).sum()))
        return np.array(found)

    def _changes(
        self, values: Mapping[str, torch.Tensor]
    ) -> Iterator[dict[str, Callable[[torch.Tensor], torch.Tensor]]]:
        for name, node in self.weighted.items():
            for size in self.choices:
                assert isinstance(node.op, ops.Linear | ops.Conv)
                op = replace(node.op, weight=self.weights[name, size])
                yield {node.name: _put(apply_op(op, [values[node.inputs[0]]]))}
        for name, edges in self.edges.items():
            for choice in self.choices.values():
                yield dict.fromkeys(edges, _rounded(choice.groups[name]))


def _put(value: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda _: value


def _rounded(group: CodeGroup) -> Callable[[torch.Tensor], torch.Tensor]:
    import torch

    return lambda x: torch.from_numpy(decoded(x.numpy(), group))


def _centred(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = scores.astype(np.float64)
    return wide - wide.mean(axis=-1, keepdims=True) if wide.ndim == 2 else wide
