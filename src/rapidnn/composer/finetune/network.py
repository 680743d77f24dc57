"""The composed network as a torch module: the same integers as its tables give, with gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rapidnn.composer import plan as planned
from rapidnn.composer.choices import Choices
from rapidnn.composer.cluster import exact_thresholds
from rapidnn.composer.finetune.books import Codebook, Snapped
from rapidnn.composer.finetune.encoding import activate, encode, encode_real, recode
from rapidnn.composer.finetune.faults import StuckCells
from rapidnn.composer.finetune.layer import Sum, WeightedLayer
from rapidnn.composer.finetune.ops import pooled, rescaled, through
from rapidnn.composer.settings import Settings
from rapidnn.composer.weights import channels_together
from rapidnn.execute.host import run_host
from rapidnn.graph import Graph, ops
from rapidnn.graph.float_exec import apply_op
from rapidnn.tables import program as tables
from rapidnn.tables.program import CodeGroup, Program


@dataclass(frozen=True, eq=False)
class Code:
    """A code edge: integers of the codebook of its group."""

    value: torch.Tensor
    book: Snapped


@dataclass(frozen=True, eq=False)
class Real:
    """A real edge: float32 from the host."""

    value: torch.Tensor


Edge = Code | Sum | Real
Observer = Callable[[str, Edge], None]


class TrainableNetwork(nn.Module):
    """A plan with choices, ready to train.

    Call :meth:`refresh` with the program tabulated from :meth:`export` before the first batch and after every epoch: it
    gives the shifts, the widths of the sums and the activation tables.
    """

    def __init__(self, graph: Graph, plan: planned.Plan, choices: Choices, settings: Settings) -> None:
        super().__init__()
        self.graph, self.plan, self.settings = graph, plan, settings
        self.names = tuple(choices.groups)
        self.groups = nn.ModuleDict()
        self.layers = nn.ModuleDict()
        for name, group in choices.groups.items():
            self.groups[_key(name)] = Codebook(
                group.values[np.newaxis],
                np.array([group.scale]),
                settings.operand_bits,
                held=group.pad_code,
                unsigned=bool((group.values >= 0).all()),
            )
        for step in plan.layers():
            assert step.node is not None
            assert step.source is not None
            op = step.node.op
            assert isinstance(op, ops.Linear | ops.Conv)
            group = choices.groups[plan.group_of[step.source]]
            together = channels_together(settings.granularity, len(op.weight))
            rms = float(np.sqrt((group.values.astype(np.float64) ** 2).mean()) * group.scale)
            self.layers[_key(step.name)] = WeightedLayer(
                op, choices.layers[step.name], settings.operand_bits, settings.product_bits, rms, together
            )
        self.program: Program | None = None

    def refresh(self, program: Program) -> None:
        """Take shifts, widths of sums and activation tables from the tables made of the present state."""
        self.program = program
        for step in program.steps:
            if isinstance(step, tables.WeightedSum):
                self._layer(step.name).refresh(step)

    @contextmanager
    def damaged(self, cells: StuckCells | None) -> Iterator[None]:
        """Inside, every batch runs on blocks with stuck cells, drawn anew."""
        layers = [module for module in self.modules() if isinstance(module, WeightedLayer)]
        for layer in layers:
            layer.cells = cells
        try:
            yield
        finally:
            for layer in layers:
                layer.cells = None

    def settle(self) -> None:
        """Bring codebooks back to order after a step of the optimiser."""
        for module in self.modules():
            if isinstance(module, Codebook):
                module.settle()

    def export(self) -> Choices:
        """The present state as choices."""
        groups = {}
        for name in self.names:
            snapped = self._codebook(name).snap()
            values = np.unique(snapped.values[0]).astype(np.int32)
            zero = np.flatnonzero(values == 0)
            pad_code = int(zero[0]) if len(zero) else None
            bits = self.settings.operand_bits
            groups[name] = CodeGroup(name, values, float(snapped.scales[0]), bits, pad_code)
        return Choices(groups, {step.name: self._layer(step.name).export() for step in self.plan.layers()})

    def forward(self, x: torch.Tensor, observe: Observer | None = None) -> torch.Tensor:
        """float32 ``(N, *output_shape)``, before a softmax at the end; ``observe`` sees every edge."""
        books = {name: self._codebook(name).snap() for name in self.names}
        edges: dict[str, Edge] = {}
        for step in self.plan.steps:
            edges[step.name] = self._run(step, edges, books, x)
            if observe is not None:
                observe(step.name, edges[step.name])
        result = _real(edges[self.plan.output])
        for op in self.plan.tail:
            result = apply_op(op, [result])
        return result

    def _run(
        self, step: planned.PlannedStep, edges: dict[str, Edge], books: Mapping[str, Snapped], x: torch.Tensor
    ) -> Edge:
        group = books[self.plan.group_of[step.name]] if step.name in self.plan.group_of else None
        match step:
            case planned.PlannedSum():
                return self._sum(step, edges)
            case planned.PlannedEncode():
                assert group is not None
                made, unit = self._step(step.name), self._units(step.source)
                return Code(encode(_sum(edges[step.source]), step.activation, group, made, unit), group)
            case planned.PlannedCarry():
                source = _code(edges[step.source])
                return Code(apply_op(step.op, [source.value]), source.book)
            case planned.PlannedInput() | planned.PlannedEncodeReal():
                assert group is not None
                value = x if isinstance(step, planned.PlannedInput) else _real(edges[step.source])
                thresholds = exact_thresholds(
                    np.unique(group.values[0]).astype(np.int32), float(group.scales[0])
                )
                return Code(encode_real(value, group, thresholds), group)
            case planned.PlannedProduct():
                return self._product(step, _code(edges[step.left]), _code(edges[step.right]))
            case planned.PlannedActivate():
                made, unit = self._step(step.name), self._units(step.source)
                return activate(_sum(edges[step.source]), step.activation, made, unit)
            case planned.PlannedJoin():
                assert group is not None
                parts = [recode(e.value, e.book, group) for e in (_code(edges[s]) for s in step.sources)]
                return Code(torch.cat(parts, dim=step.axis + 1), group)
            case planned.PlannedHost():
                return _host(step.op, [_real(edges[name]) for name in step.sources])

    def _sum(self, step: planned.PlannedSum, edges: dict[str, Edge]) -> Sum:
        terms = [_code(edges[name]) for name in step.terms]
        if step.source is None:
            return self._code_sum(step, terms)
        source = _code(edges[step.source])
        if step.node is not None and isinstance(step.node.op, ops.AvgPool):
            made = self._step(step.name)
            assert isinstance(made, tables.PooledSum)
            index = made.divisor_index.astype(np.intp)
            bound = int(np.prod(step.node.op.kernel)) * int(np.abs(source.book.values).max())
            acc = pooled(step.node.op, source.value, made.divisors.astype(np.int64)[index], bound)
            scales = float(source.book.scales[0]) / made.divisors
            return Sum(acc, scales, None) if len(scales) == 1 else Sum(acc, scales[index].reshape(-1), -1)
        layer = self._layer(step.name)
        result = layer(source.value, source.book, [(term.value, term.book) for term in terms])
        assert isinstance(result, Sum)
        return result

    def _code_sum(self, step: planned.PlannedSum, terms: list[Code]) -> Sum:
        """Terms through one-row tables; the unit is found as :func:`rapidnn.composer.tabulate.tabulate` finds it."""
        from rapidnn.tables.products import product_limit, round_to_int32

        node = step.node
        constant = node.op.value if node is not None and isinstance(node.op, ops.AddConstant) else None
        scales = [float(term.book.scales[0]) for term in terms]
        scale = scales[0]
        if constant is not None or any(s != scale for s in scales):
            peaks = [float(np.abs(t.book.values).max()) * s for t, s in zip(terms, scales, strict=True)]
            peaks += [] if constant is None else [float(np.abs(constant).max())]
            scale = max(peaks) / product_limit(self.settings.product_bits) or 1.0
        total: torch.Tensor | None = None
        for term, s in zip(terms, scales, strict=True):
            rows = round_to_int32(term.book.values[0].astype(np.float64) * s / scale).astype(np.float64)
            part = rescaled(term.value, term.book.values[0], rows[np.newaxis], np.array([s / scale]))
            total = part if total is None else total + part
        assert total is not None
        if constant is not None:
            offset = round_to_int32(constant.astype(np.float64) / scale).astype(np.float64)
            total = total + torch.from_numpy(offset).to(total.device)
        return Sum(total, np.array([scale]), None)

    def _product(self, step: planned.PlannedProduct, left: Code, right: Code) -> Sum:
        made = self._step(step.name)
        assert isinstance(made, tables.CodeProduct)
        factor = 2.0**-made.shift
        limit = 2.0 ** (made.product_bits - 1) - 1
        product = left.value.double() * right.value.double() * factor
        scale = float(left.book.scales[0]) * float(right.book.scales[0]) * 2.0**made.shift
        return Sum(through(product, product.detach().round().clamp(-limit, limit)), np.array([scale]), None)

    def _codebook(self, name: str) -> Codebook:
        found = self.groups[_key(name)]
        assert isinstance(found, Codebook)
        return found

    def _layer(self, name: str) -> WeightedLayer:
        found = self.layers[_key(name)]
        assert isinstance(found, WeightedLayer)
        return found

    def _units(self, name: str) -> NDArray[np.intp]:
        assert self.program is not None, "refresh() comes first"
        return self.program.unit_index(name)

    def _step(self, name: str) -> tables.Step:
        assert self.program is not None, "refresh() comes first"
        return self.program.step[name]


def integers(edge: Edge) -> NDArray[Any]:
    """An edge as the reference holds it: code indices, int64 accumulators, or float32."""
    value = edge.value.detach().cpu().numpy()
    if isinstance(edge, Code):
        return np.searchsorted(np.unique(edge.book.values[0]), value.astype(np.int64))
    return value.astype(np.int64) if isinstance(edge, Sum) else value


def _real(edge: Edge) -> torch.Tensor:
    """float32 of the float64 product of an edge's integers and their scale."""
    if isinstance(edge, Real):
        return edge.value
    value = edge.value.double()
    if isinstance(edge, Code):
        return (value * float(edge.book.scales[0])).float()
    if len(edge.scales) == 1:
        return (value * float(edge.scales[0])).float()
    scales = torch.from_numpy(edge.scales).to(value.device)
    if edge.axis == 1:
        return (value * scales.reshape(-1, *(1,) * (value.ndim - 2))).float()
    trailing = next(k for k in range(1, value.ndim) if np.prod(value.shape[-k:]) == len(edge.scales))
    return (value * scales.reshape(value.shape[-trailing:])).float()


def _host(op: tables.HostOp, sources: list[torch.Tensor]) -> Real:
    """The host's result, which NumPy defines, with the gradient of torch's."""
    approximate = apply_op(op, sources)
    exact = run_host(op, [source.detach().cpu().numpy() for source in sources])
    return Real(through(approximate, torch.from_numpy(np.ascontiguousarray(exact)).to(approximate.device)))


def _code(edge: Edge) -> Code:
    assert isinstance(edge, Code)
    return edge


def _sum(edge: Edge) -> Sum:
    assert isinstance(edge, Sum)
    return edge


def _key(name: str) -> str:
    """A module's name for a step or group: dots are not allowed in one."""
    return name.replace("%", "%25").replace(".", "%2E")
