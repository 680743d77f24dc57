"""From a plan and its histograms to the tables of every step (SPEC section 2, steps 3 and 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from rapidnn.composer import plan as planned
from rapidnn.composer.cluster import cluster, exact_thresholds
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.settings import Settings
from rapidnn.composer.weights import weight_codebooks
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.pooling import pool_divisors
from rapidnn.tables.activation import COMPARED, activation_table, encoding_table, fuse
from rapidnn.tables.products import ShiftChoice, product_limit, round_half_even
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    Carry,
    CodeGroup,
    CodeSum,
    Encode,
    EncodeInput,
    Float64,
    PooledSum,
    Program,
    Residual,
    Step,
    Summing,
    WeightedSum,
    Window,
)

Progress = Callable[[int, int], None]


def sampled_edges(plan: planned.Plan) -> set[str]:
    """The float edges whose histograms :func:`tabulate` needs."""
    edges = {edge for edges in plan.sampled_edges().values() for edge in edges}
    for step in plan.steps:
        if isinstance(step, planned.PlannedEncode | planned.PlannedActivate) and step.kind not in COMPARED:
            edges.add(step.pre_edge)
    return edges


def tabulate(
    graph: Graph,
    plan: planned.Plan,
    histograms: Mapping[str, Histogram],
    settings: Settings,
    progress: Progress | None = None,
) -> Program:
    """Cluster, snap and tabulate every step of the plan."""
    tabulator = _Tabulator(graph, plan, histograms, settings)
    steps = []
    for done, step in enumerate(tabulator.steps(), start=1):
        steps.append(step)
        if progress is not None:
            progress(done, len(plan.steps))
    used = {step.group for step in steps if isinstance(step, EncodeInput | Encode)}
    groups = tuple(group for name, group in tabulator.groups.items() if name in used)
    return Program(groups, tuple(steps), plan.output, plan.tail)


class _Tabulator:
    def __init__(
        self, graph: Graph, plan: planned.Plan, histograms: Mapping[str, Histogram], settings: Settings
    ) -> None:
        self.graph = graph
        self.plan = plan
        self.histograms = histograms
        self.settings = settings
        self.groups = {name: self._group(name, edges) for name, edges in plan.sampled_edges().items()}
        self.sums: dict[str, Summing] = {}

    def _group(self, name: str, edges: list[str]) -> CodeGroup:
        merged = Histogram()
        for edge in edges:
            merged.merge(self.histograms[edge])
        readers = [
            step.node.name
            for step in self.plan.layers()
            if step.node is not None and step.source is not None and self.plan.group_of[step.source] == name
        ]
        size = self.settings.input_size(readers)
        # A ReLU's output is zero for a large share: holding zero exactly costs no accuracy, and products of zero
        # cost the machine nothing.
        hold = name in self.plan.holds_zero or merged.zero_share() * size >= 1
        book = cluster(merged.points(), size, self.settings.operand_bits, hold_zero=hold)
        zero = np.flatnonzero(book.values == 0)
        return CodeGroup(name, book.values, book.scale, book.bits, int(zero[0]) if len(zero) else None)

    def steps(self) -> Iterator[Step]:
        for step in self.plan.steps:
            match step:
                case planned.PlannedInput():
                    group = self.groups[step.name]
                    thresholds = exact_thresholds(group.values, group.scale)
                    yield EncodeInput(step.name, group.name, thresholds, self.graph.input_shape)
                case planned.PlannedSum():
                    made = self._sum(step)
                    self.sums[step.name] = made
                    yield made
                case planned.PlannedEncode():
                    yield self._encode(step)
                case planned.PlannedActivate():
                    scales = self.sums[step.source].acc_scales
                    yield Activate(step.name, step.source, self._activation(step.kind, step.pre_edge, scales))
                case planned.PlannedCarry():
                    yield Carry(step.name, step.source, step.op)

    def _code_group(self, code_edge: str) -> CodeGroup:
        return self.groups[self.plan.group_of[code_edge]]

    def _sum(self, step: planned.PlannedSum) -> Summing:
        if step.node is None:
            return self._code_sum(step)
        if isinstance(step.node.op, ops.AvgPool):
            return self._pooled_sum(step, step.node, step.node.op)
        assert isinstance(step.node.op, ops.Linear | ops.Conv)
        return self._weighted_sum(step, step.node.op)

    def _weighted_sum(self, step: planned.PlannedSum, op: ops.Linear | ops.Conv) -> WeightedSum:
        assert step.source is not None
        source = self._code_group(step.source)
        terms = [self._code_group(edge) for edge in step.terms]
        books = weight_codebooks(op.weight, self.settings.weight_size(step.name), self.settings)
        choice = ShiftChoice(
            step.name,
            books.values,
            books.scales,
            source.values,
            source.scale,
            books.codes,
            op.bias.astype(np.float64),
            self.settings.product_bits,
            tuple((group.values, group.scale) for group in terms),
        )
        conv = op if isinstance(op, ops.Conv) else None
        return WeightedSum(
            name=step.name,
            source=step.source,
            window=None if conv is None else Window(conv.kernel, conv.stride, conv.padding, conv.dilation),
            groups=1 if conv is None else conv.groups,
            weight_codes=books.codes,
            values=books.values,
            scales=books.scales,
            bits=books.bits,
            products=choice.products,
            product_bits=self.settings.product_bits,
            shift=choice.shift,
            bias=choice.bias.astype(np.int32),
            acc_scales=choice.acc_scales,
            bound=choice.bound,
            residuals=tuple(
                Residual(edge, rows.astype(np.int32))
                for edge, rows in zip(step.terms, choice.rows, strict=True)
            ),
        )

    def _pooled_sum(self, step: planned.PlannedSum, node: Node, op: ops.AvgPool) -> PooledSum:
        assert step.source is not None
        group = self._code_group(step.source)
        divisors, index = np.unique(
            pool_divisors(op, self.graph.shapes[node.inputs[0]][1:]),
            return_inverse=True,
        )
        return PooledSum(
            name=step.name,
            source=step.source,
            window=Window(op.kernel, op.stride, op.padding, (1,) * len(op.kernel)),
            ceil_mode=op.ceil_mode,
            row=group.values,
            divisors=divisors.astype(np.int32),
            divisor_index=index.reshape(self.graph.shapes[node.name][1:]).astype(np.uint8),
            acc_scales=np.asarray(group.scale / divisors, np.float64),
            bound=int(np.prod(op.kernel)) * int(np.abs(group.values).max()),
        )

    def _code_sum(self, step: planned.PlannedSum) -> CodeSum:
        """Equal scales add as they are; otherwise the unit is the finest at which every row has product_bits."""
        terms = [self._code_group(edge) for edge in step.terms]
        scale = terms[0].scale
        if any(group.scale != scale for group in terms):
            peak = max(float(np.abs(group.values).max()) * group.scale for group in terms)
            scale = peak / product_limit(self.settings.product_bits)
        rows = [
            round_half_even(group.values.astype(np.float64) * group.scale / scale).astype(np.int32)
            for group in terms
        ]
        return CodeSum(
            name=step.name,
            terms=tuple(Residual(edge, row[np.newaxis]) for edge, row in zip(step.terms, rows, strict=True)),
            acc_scales=np.array([scale]),
            bound=sum(int(np.abs(row).max()) for row in rows),
        )

    def _activation(self, kind: str, pre_edge: str, scales: Float64) -> ActivationTable:
        low, high = 0.0, 0.0
        if kind not in COMPARED:
            points, _ = self.histograms[pre_edge].points()
            low, high = float(points[0]), float(points[-1])
        return activation_table(kind, scales, low, high, self.settings.activation_rows)

    def _encode(self, step: planned.PlannedEncode) -> Encode:
        scales = self.sums[step.source].acc_scales
        group = self._code_group(step.name)
        activation = self._activation(step.kind, step.pre_edge, scales)
        encoding = encoding_table(activation, scales, group.values, group.scale)
        thresholds, codes = fuse(activation, encoding)
        return Encode(step.name, step.source, group.name, activation, encoding, thresholds, codes)
