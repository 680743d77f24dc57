"""From a plan and the choices made for it to the tables of every step (SPEC section 2, step 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer import plan as planned
from rapidnn.composer.choices import Choices
from rapidnn.composer.cluster import exact_thresholds
from rapidnn.composer.histogram import Histogram
from rapidnn.composer.settings import Settings
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.pooling import pool_divisors
from rapidnn.tables.activation import COMPARED, activation_table, encoding_table, fuse, nearest
from rapidnn.tables.levels import bits
from rapidnn.tables.placement import place_rows
from rapidnn.tables.products import ShiftChoice, product_limit, product_table, round_to_int32
from rapidnn.tables.program import (
    Activate,
    ActivationTable,
    Carry,
    CodeGroup,
    CodeProduct,
    CodeSum,
    Encode,
    EncodeInput,
    EncodeReal,
    Float64,
    Host,
    Join,
    PooledSum,
    Program,
    Residual,
    Step,
    Summing,
    UInt8,
    WeightedSum,
    Window,
)

Progress = Callable[[int, int], None]


def sampled_edges(plan: planned.Plan) -> set[str]:
    """The float edges whose histograms :func:`tabulate` needs."""
    edges = {edge for edges in plan.sampled_edges().values() for edge in edges}
    for step in plan.steps:
        if isinstance(step, planned.PlannedEncode | planned.PlannedActivate):
            kind = "identity" if step.activation is None else step.activation.kind
            if kind not in COMPARED:
                edges.add(step.pre_edge)
    return edges


def tabulate(
    graph: Graph,
    plan: planned.Plan,
    histograms: Mapping[str, Histogram],
    choices: Choices,
    settings: Settings,
    progress: Progress | None = None,
    *,
    finest: Mapping[str, CodeGroup] | None = None,
) -> Program:
    """The tables of every step of the plan; ``histograms`` give the range of edges that activation tables read.

    At a coarser level of a tree ``finest`` are the code groups of the finest: codes are found in these and lose their
    low bits.
    """
    tabulator = _Tabulator(graph, plan, histograms, choices, settings, finest or choices.groups)
    steps = []
    for done, step in enumerate(tabulator.steps(), start=1):
        steps.append(step)
        if progress is not None:
            progress(done, len(plan.steps))
    return Program(tuple(tabulator.groups.values()), tuple(steps), plan.output, plan.tail, plan.host_tail)


class _Tabulator:
    def __init__(
        self,
        graph: Graph,
        plan: planned.Plan,
        histograms: Mapping[str, Histogram],
        choices: Choices,
        settings: Settings,
        finest: Mapping[str, CodeGroup],
    ) -> None:
        self.graph = graph
        self.plan = plan
        self.histograms = histograms
        self.settings = settings
        self.layers = choices.layers
        self.groups = dict(choices.groups)
        self.finest = finest
        self.sums: dict[str, Summing] = {}

    def steps(self) -> Iterator[Step]:
        for step in self.plan.steps:
            match step:
                case planned.PlannedInput():
                    group = self._code_group(step.name)
                    yield EncodeInput(
                        step.name, group.name, self._real_thresholds(group), self.graph.input_shape
                    )
                case planned.PlannedSum():
                    made = self._sum(step)
                    self.sums[step.name] = made
                    yield made
                case planned.PlannedProduct():
                    product = self._product(step)
                    self.sums[step.name] = product
                    yield product
                case planned.PlannedEncode():
                    yield self._encode(step)
                case planned.PlannedActivate():
                    scales = self.sums[step.source].acc_scales
                    yield Activate(
                        step.name, step.source, self._activation(step.activation, step.pre_edge, scales)
                    )
                case planned.PlannedCarry():
                    yield Carry(step.name, step.source, step.op)
                case planned.PlannedJoin():
                    yield self._join(step)
                case planned.PlannedHost():
                    yield Host(step.name, step.sources, step.op)
                case planned.PlannedEncodeReal():
                    group = self._code_group(step.name)
                    yield EncodeReal(step.name, step.source, group.name, self._real_thresholds(group))

    def _code_group(self, code_edge: str) -> CodeGroup:
        return self.groups[self.plan.group_of[code_edge]]

    def _sum(self, step: planned.PlannedSum) -> Summing:
        if step.node is None or isinstance(step.node.op, ops.AddConstant):
            return self._code_sum(step)
        if isinstance(step.node.op, ops.AvgPool):
            return self._pooled_sum(step, step.node, step.node.op)
        assert isinstance(step.node.op, ops.Linear | ops.Conv)
        return self._weighted_sum(step, step.node.op)

    def _weighted_sum(self, step: planned.PlannedSum, op: ops.Linear | ops.Conv) -> WeightedSum:
        assert step.source is not None
        source = self._code_group(step.source)
        terms = [self._code_group(edge) for edge in step.terms]
        chosen = self.layers[step.name]
        books = chosen.books
        choice = ShiftChoice(
            step.name,
            books.values,
            books.scales,
            source.values,
            source.scale,
            books.codes,
            chosen.bias,
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
        constant = step.node.op.value if step.node and isinstance(step.node.op, ops.AddConstant) else None
        scale = terms[0].scale
        if constant is not None or any(group.scale != scale for group in terms):
            peaks = [float(np.abs(group.values).max()) * group.scale for group in terms]
            peaks += [] if constant is None else [float(np.abs(constant).max())]
            scale = max(peaks) / product_limit(self.settings.product_bits) or 1.0
        rows = [round_to_int32(group.values.astype(np.float64) * group.scale / scale) for group in terms]
        offset = None if constant is None else round_to_int32(constant.astype(np.float64) / scale)
        return CodeSum(
            name=step.name,
            terms=tuple(Residual(edge, row[np.newaxis]) for edge, row in zip(step.terms, rows, strict=True)),
            offset=offset,
            acc_scales=np.array([scale]),
            bound=sum(int(np.abs(row).max()) for row in rows)
            + (0 if offset is None else int(np.abs(offset).max())),
        )

    def _product(self, step: planned.PlannedProduct) -> CodeProduct:
        left, right = self._code_group(step.left), self._code_group(step.right)
        bits = self.settings.product_bits
        peak = int(np.abs(left.values).max()) * int(np.abs(right.values).max())
        shift = next(s for s in range(64) if np.rint(peak / 2.0**s) <= product_limit(bits))
        products = product_table(left.values[np.newaxis], right.values, shift, bits)[0]
        return CodeProduct(
            name=step.name,
            left=step.left,
            right=step.right,
            products=products,
            product_bits=bits,
            shift=shift,
            acc_scales=np.array([left.scale * right.scale * 2.0**shift]),
            bound=int(np.abs(products.astype(np.int64)).max()),
        )

    def _join(self, step: planned.PlannedJoin) -> Join:
        group = self._code_group(step.name)
        sources = [self._code_group(source) for source in step.sources]
        recode = (
            () if all(source is group for source in sources) else tuple(recoding(s, group) for s in sources)
        )
        return Join(step.name, step.sources, step.axis, group.name, recode)

    def _activation(self, op: ops.Activation | None, pre_edge: str, scales: Float64) -> ActivationTable:
        kind, parameters = ("identity", ()) if op is None else (op.kind, op.parameters)
        z = None
        if kind not in COMPARED:
            points, weights = self.histograms[pre_edge].points()
            z = place_rows(
                self.settings.activation_placement,
                kind,
                parameters,
                points,
                weights,
                self.settings.activation_rows,
            )
        return activation_table(kind, parameters, scales, z)

    def _encode(self, step: planned.PlannedEncode) -> Encode:
        scales = self.sums[step.source].acc_scales
        group = self._code_group(step.name)
        activation = self._activation(step.activation, step.pre_edge, scales)
        finest, drop = self.finest[group.name], self._drop(group)
        encoding = encoding_table(activation, scales, finest.values, finest.scale)
        thresholds, codes = fuse(activation, encoding, drop)
        return Encode(step.name, step.source, group.name, activation, encoding, thresholds, codes, drop)

    def _drop(self, group: CodeGroup) -> int:
        return bits(self.finest[group.name].size) - bits(group.size)

    def _real_thresholds(self, group: CodeGroup) -> NDArray[np.float32]:
        finest, step = self.finest[group.name], 1 << self._drop(group)
        return exact_thresholds(finest.values, finest.scale)[step - 1 :: step]


def recoding(source: CodeGroup, target: CodeGroup) -> UInt8:
    """For each code of ``source`` the code of the nearest value of ``target``, on a tie the lower: uint8 ``(u,)``.

    Values are compared on a common 40-bit grid, so that the search is one of integers.
    """
    unit = max(float(np.abs(g.values).max()) * g.scale for g in (source, target)) / 2.0**40 or 1.0
    wanted = np.rint(source.values * source.scale / unit).astype(np.int64)
    offered = np.rint(target.values * target.scale / unit).astype(np.int64)
    return nearest(offered, wanted).astype(np.uint8)
