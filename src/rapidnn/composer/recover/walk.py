"""Float and composed values of some samples, side by side, step by step through a plan.

The composed side computes in float32 what the tables will hold: decoded weights on decoded codes, the activation, the
nearest codebook value. It leaves out what tables round further (products where a shift is needed, rows of activation
tables). Code edges are kept as uint8, and an edge is dropped after its last reader. Samples run in fixed shards, one
thread each, so results do not depend on the number of threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer import plan as planned
from rapidnn.composer.cluster import exact_thresholds
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.plan import Plan, PlannedEncode, PlannedStep, PlannedSum
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.float_exec import apply_op
from rapidnn.tables.program import CodeGroup, Float64

if TYPE_CHECKING:
    from torch import Tensor

MAX_SAMPLES = 1024
_EDGE_BYTES = 128 << 20
_SHARD_BYTES = 4 << 20
_MAX_SHARD = 64
_MIN_SHARDS = 4

Result = TypeVar("Result")


def sample_limit(graph: Graph) -> int:
    """How many samples recovery looks at: fixed by the graph alone, so that its largest edge takes at most 128 MiB."""
    return max(2, min(MAX_SAMPLES, _EDGE_BYTES // _largest_edge(graph)))


def _largest_edge(graph: Graph) -> int:
    return 4 * max(math.prod(shape) for shape in graph.shapes.values())


class Walk:
    """The state between two steps: the float and the composed values of all live edges.

    Parameters
    ----------
    groups
        The code groups, read whenever codes are made or decoded.
    samples
        float32 ``(N, *graph.input_shape)``, at most :func:`sample_limit`.
    pool
        Threads that compute with one torch thread each.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        groups: Mapping[str, CodeGroup],
        samples: NDArray[np.float32],
        pool: ThreadPoolExecutor,
    ) -> None:
        size = max(1, min(_MAX_SHARD, _SHARD_BYTES // _largest_edge(graph), len(samples) // _MIN_SHARDS))
        self.shards = [slice(i, min(i + size, len(samples))) for i in range(0, len(samples), size)]
        self.count = len(samples)
        self.graph, self.plan, self.groups = graph, plan, groups
        self._samples, self._pool = samples, pool
        self._consumers = graph.consumers()
        self._nodes = iter(graph)
        self._floats: dict[str, Tensor] = {}
        self._float_readers = {name: len(nodes) for name, nodes in self._consumers.items()}
        self._wanted = [self.held_edge(step) for step in plan.layers()]
        self._edges: dict[str, Tensor] = {}
        self._readers: dict[str, int] = {}
        for step in plan.steps:
            for source in sources(step):
                self._readers[source] = self._readers.get(source, 0) + 1

    def held_edge(self, step: PlannedSum) -> str:
        """The float edge whose value a weighted sum holds when all its terms have entered."""
        assert step.node is not None
        edge = step.node.name
        for _ in step.terms:
            edge = self._consumers[edge][0].name
        return edge

    def map(self, work: Callable[[slice], Result]) -> list[Result]:
        """``work`` on every shard of the samples, results in order."""
        return list(self._pool.map(work, self.shards))

    def gather(self, work: Callable[[slice], Tensor]) -> Tensor:
        """The shards' tensors as one."""
        import torch

        return torch.cat(self.map(work))

    def target(self, step: PlannedSum) -> Tensor:
        """What the weighted sum should give: the float value of its edge less the composed terms that enter it."""
        goal = self._float(self.held_edge(step))
        terms = step.terms
        return self.gather(lambda part: self._less(goal[part], terms, part)) if terms else goal

    def _less(self, goal: Tensor, terms: tuple[str, ...], part: slice) -> Tensor:
        for term in terms:
            goal = goal - self.value(term, part)
        return goal

    def value(self, edge: str, part: slice) -> Tensor:
        """The composed float32 value of an edge for some samples."""
        import torch

        stored = self._edges[edge][part]
        if edge not in self.plan.group_of:
            return stored
        group = self.groups[self.plan.group_of[edge]]
        return torch.from_numpy((group.values * group.scale).astype(np.float32))[stored.long()]

    def weighted(self, step: PlannedSum, weight: NDArray[np.float32], bias: Float64) -> Tensor:
        """The sum without its terms, for real weights of the layer's shape and a real bias."""
        assert step.node is not None
        assert step.source is not None
        assert isinstance(step.node.op, ops.Linear | ops.Conv)
        op = replace(step.node.op, weight=weight, bias=bias.astype(np.float32))
        source = step.source
        return self.gather(lambda part: apply_op(op, [self.value(source, part)]))

    def finish_sum(self, step: PlannedSum, result: Tensor) -> None:
        """Store a weighted sum, its terms added."""
        for part in self.shards:
            for term in step.terms:
                result[part] += self.value(term, part)
        self._store(step, result)

    def before_encoding(self, step: PlannedEncode) -> Histogram:
        """The distribution of the composed values that are about to be encoded."""

        def work(part: slice) -> Histogram:
            found = Histogram()
            found.add(self._activated(step, [self.value(step.source, part)]).numpy())
            return found

        total = Histogram()
        for found in self.map(work):
            total.merge(found)
        return total

    def _activated(self, step: PlannedEncode, inputs: list[Tensor]) -> Tensor:
        return inputs[0] if step.activation is None else apply_op(step.activation, inputs)

    def advance(self, step: PlannedStep) -> None:
        """Compute any other step."""
        self._store(step, self.gather(lambda part: self._compute(step, part)))

    def _compute(self, step: PlannedStep, part: slice) -> Tensor:
        import torch

        inputs = [self.value(source, part) for source in sources(step)]
        match step:
            case planned.PlannedInput():
                return self._encode(step.name, torch.from_numpy(self._samples[part]))
            case planned.PlannedSum():
                if step.node is not None and isinstance(step.node.op, ops.AvgPool):
                    return sum(inputs[1:], apply_op(step.node.op, inputs[:1]))
                total = sum(inputs[1:], inputs[0])
                return total if step.node is None else apply_op(step.node.op, [total])
            case planned.PlannedProduct():
                return inputs[0] * inputs[1]
            case planned.PlannedEncode():
                return self._encode(step.name, self._activated(step, inputs))
            case planned.PlannedActivate():
                return apply_op(step.activation, inputs)
            case planned.PlannedCarry():
                return self._encode(step.name, apply_op(step.op, inputs))
            case planned.PlannedJoin():
                return self._encode(step.name, torch.cat(inputs, dim=step.axis + 1))
            case planned.PlannedHost():
                return apply_op(step.op, inputs)
            case planned.PlannedEncodeReal():
                return self._encode(step.name, inputs[0])

    def _encode(self, edge: str, x: Tensor) -> Tensor:
        import torch

        group = self.groups[self.plan.group_of[edge]]
        thresholds = torch.from_numpy(exact_thresholds(group.values, group.scale))
        return torch.bucketize(x.contiguous(), thresholds).to(torch.uint8)

    def _store(self, step: PlannedStep, value: Tensor) -> None:
        if self._readers.get(step.name):
            self._edges[step.name] = value
        for source in sources(step):
            self._readers[source] -= 1
            if not self._readers[source]:
                self._edges.pop(source, None)

    def _float(self, edge: str) -> Tensor:
        """The float value of an edge that a layer aims at; asked for once, in the plan's order."""
        import torch

        while edge not in self._floats:
            node = next(self._nodes)
            self._floats[node.name] = (
                self._apply_float(node) if node.inputs else torch.from_numpy(self._samples)
            )
            for name in node.inputs:
                self._float_readers[name] -= 1
            for name in (*node.inputs, node.name):
                self._drop(name)
        self._wanted.remove(edge)
        found = self._floats[edge]
        self._drop(edge)
        return found

    def _apply_float(self, node: Node) -> Tensor:
        inputs = [self._floats[name] for name in node.inputs]
        return self.gather(lambda part: apply_op(node.op, [x[part] for x in inputs]))

    def _drop(self, edge: str) -> None:
        if not self._float_readers[edge] and edge not in self._wanted:
            self._floats.pop(edge, None)


def sources(step: PlannedStep) -> Iterator[str]:
    """The plan's edges a step reads."""
    match step:
        case planned.PlannedSum():
            if step.source is not None:
                yield step.source
            yield from step.terms
        case planned.PlannedProduct():
            yield from (step.left, step.right)
        case planned.PlannedJoin() | planned.PlannedHost():
            yield from step.sources
        case planned.PlannedInput():
            return
        case _:
            yield step.source
