"""From the float graph to the order of integer steps: what is summed, where codes are made, what stays open.

The plan is the composed network without numbers. Codes are made on demand: an edge that no accumulation reads as codes
gets no codebook, so an accumulator that stays open for a residual addition, and the network's result, are never
encoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from rapidnn.errors import ComposeError
from rapidnn.graph import Graph, Node, ops
from rapidnn.tables.program import CarriedOp, HostOp, TailOp

Concat = Literal["unify", "reencode"]

SUMMING = (ops.Linear, ops.Conv, ops.AvgPool, ops.Add, ops.AddConstant, ops.Multiply)
_CAN_STAY_OPEN = (ops.Linear, ops.Conv, ops.Add)
_TAIL = (ops.Reshape, ops.Transpose, ops.Slice, ops.Take)
_CARRIED = (ops.MaxPool, ops.Reshape, ops.Transpose, ops.Slice, ops.Pad, ops.Take, ops.ZeroStuff)


@dataclass(frozen=True, eq=False)
class PlannedInput:
    """The network's input, encoded."""

    name: str


@dataclass(frozen=True, eq=False)
class PlannedSum:
    """An accumulation: ``node`` (linear, convolution or average pooling) over the codes ``source``, plus ``terms``.

    Without a source only the terms, code edges, enter (and the constant of an ``AddConstant`` node).
    """

    name: str
    node: Node | None
    source: str | None
    terms: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PlannedProduct:
    """The element-wise product of two code edges, as an accumulator."""

    name: str
    left: str
    right: str


@dataclass(frozen=True, eq=False)
class PlannedEncode:
    """The sum ``source`` through an activation to codes; ``pre_edge`` is the float edge the activation reads."""

    name: str
    source: str
    activation: ops.Activation | None
    pre_edge: str


@dataclass(frozen=True, eq=False)
class PlannedActivate:
    """An activation at the network's end."""

    name: str
    source: str
    activation: ops.Activation
    pre_edge: str


@dataclass(frozen=True, eq=False)
class PlannedCarry:
    """Codes passed on by pooling or a shape operator."""

    name: str
    source: str
    op: CarriedOp


@dataclass(frozen=True, eq=False)
class PlannedJoin:
    """Code edges joined along an axis."""

    name: str
    sources: tuple[str, ...]
    axis: int


@dataclass(frozen=True, eq=False)
class PlannedHost:
    """An operator on the host, from edges of any kind to a real edge."""

    name: str
    sources: tuple[str, ...]
    op: HostOp


@dataclass(frozen=True, eq=False)
class PlannedEncodeReal:
    """A real edge, encoded."""

    name: str
    source: str


PlannedStep = (
    PlannedInput
    | PlannedSum
    | PlannedProduct
    | PlannedEncode
    | PlannedActivate
    | PlannedCarry
    | PlannedJoin
    | PlannedHost
    | PlannedEncodeReal
)


@dataclass
class Plan:
    """The steps in order, and what is known of code edges.

    ``group_of`` maps a code edge to its codebook group, ``float_edge`` to the float edge it encodes; ``holds_zero`` are
    the groups that zero padding reads; ``held`` maps a sum to the float edge its accumulator holds; ``tail`` are shape
    operators applied to the result.
    """

    steps: list[PlannedStep] = field(default_factory=list)
    output: str = ""
    tail: tuple[TailOp, ...] = ()
    host_tail: ops.Softmax | None = None
    group_of: dict[str, str] = field(default_factory=dict)
    float_edge: dict[str, str] = field(default_factory=dict)
    holds_zero: set[str] = field(default_factory=set)
    held: dict[str, str] = field(default_factory=dict)

    def sampled_edges(self) -> dict[str, list[str]]:
        """For each group the float edges its codebook is sampled on: those that are read as codes at last."""
        sampled: dict[str, list[str]] = {}
        for edge in [edge for step in self.steps for edge in self._code_reads(step)] + [self.output]:
            if edge in self.group_of:
                edges = sampled.setdefault(self.group_of[edge], [])
                if self.float_edge[edge] not in edges:
                    edges.append(self.float_edge[edge])
        return sampled

    def _code_reads(self, step: PlannedStep) -> list[str]:
        """The edges a step reads to look up or decode their codes, rather than to pass them on."""
        match step:
            case PlannedSum():
                return ([] if step.source is None else [step.source]) + list(step.terms)
            case PlannedProduct():
                return [step.left, step.right]
            case PlannedHost():
                return list(step.sources)
            case PlannedJoin():
                return [edge for edge in step.sources if self.group_of[edge] != self.group_of[step.name]]
            case _:
                return []

    def layers(self) -> list[PlannedSum]:
        """The weighted accumulations, which have weight codebooks."""
        return [
            s for s in self.steps if isinstance(s, PlannedSum) and s.node is not None and _weighted(s.node)
        ]

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """For each group the layers that read its codes, by name of their node; of a finished plan."""
        found: dict[str, list[str]] = {}
        for step in self.layers():
            if step.node is not None and step.source is not None:
                found.setdefault(self.group_of[step.source], []).append(step.node.name)
        return found


def _weighted(node: Node) -> bool:
    return isinstance(node.op, ops.Linear | ops.Conv)


def plan_graph(graph: Graph, concat: Concat = "unify") -> Plan:
    """Decide the integer steps for a float graph whose passes have run (no ``BatchNorm`` is left).

    With ``concat="unify"`` the inputs of a concatenation share one codebook; with ``"reencode"`` each keeps its own and
    its codes are translated.

    Raises
    ------
    ComposeError
        On an operator that has no integer form; the message names the node.
    """
    return _Planner(graph, concat).run()


class _Planner:
    def __init__(self, graph: Graph, concat: Concat) -> None:
        self.graph = graph
        self.concat = concat
        self.plan = Plan()
        self.sums: dict[str, str] = {}  # float edge -> the sum whose accumulator holds it
        self.reals: dict[str, str] = {}  # float edge -> real edge
        self.codes_of: dict[str, str] = {}  # float edge -> code edge
        self.pending: dict[str, PlannedSum] = {}  # open sums, by the float edge that holds them so far
        self.open_operand = _choose_open_operands(graph)
        self.kept_open = set(self.open_operand.values())
        self.result, self.plan.tail, self.plan.host_tail = _split_tail(graph)

    def run(self) -> Plan:
        for node in self.graph:
            if isinstance(node.op, ops.BatchNorm):
                raise ComposeError(
                    f"node {node.name!r} (BatchNorm) was not folded; run the graph's passes first"
                )
            if isinstance(node.op, ops.Input):
                self._emit(PlannedInput(node.name))
                self._code_edge(node.name, node.name, group=node.name)
            elif isinstance(node.op, SUMMING):
                self._sum(node)
            elif isinstance(node.op, ops.HOST) and not self._is_host_tail(node):
                self._host(node, node.op)
        self._finish()
        return self.plan

    def _is_host_tail(self, node: Node) -> bool:
        return self.plan.host_tail is not None and node.name == self.graph.output

    def _emit(self, step: PlannedStep) -> None:
        self.plan.steps.append(step)

    def _code_edge(self, name: str, float_edge: str, group: str) -> str:
        self.plan.group_of[name] = group
        self.plan.float_edge[name] = float_edge
        self.codes_of[float_edge] = name
        return name

    def _sum(self, node: Node) -> None:
        if isinstance(node.op, ops.Multiply):
            left, right = (self.codes(edge) for edge in node.inputs)
            self._emit(PlannedProduct(node.name, left, right))
            self.sums[node.name] = node.name
            return
        open_operand = self.open_operand.get(node.name)
        if open_operand is not None:
            (other,) = [e for e in node.inputs if e != open_operand]
            started = self.pending.pop(open_operand)
            step = PlannedSum(started.name, started.node, started.source, (*started.terms, self.codes(other)))
        elif isinstance(node.op, ops.Add | ops.AddConstant):
            kept = node if isinstance(node.op, ops.AddConstant) else None
            step = PlannedSum(node.name, kept, None, tuple(self.codes(e) for e in node.inputs))
        else:
            source = self.codes(node.inputs[0])
            if isinstance(node.op, ops.Conv | ops.AvgPool) and any(map(any, node.op.padding)):
                self.plan.holds_zero.add(self.plan.group_of[source])
            step = PlannedSum(node.name, node, source, ())
        self.sums[node.name] = step.name
        self.plan.held[step.name] = node.name
        if node.name in self.kept_open:
            self.pending[node.name] = step
        else:
            self._emit(step)

    def _host(self, node: Node, op: HostOp) -> None:
        self._emit(PlannedHost(node.name, tuple(self.value(edge) for edge in node.inputs), op))
        self.reals[node.name] = node.name

    def accumulator(self, edge: str) -> str:
        """The sum that holds a float edge; a code edge enters a fresh one."""
        if edge not in self.sums:
            step = PlannedSum(f"{edge}:sum", None, None, (self.codes(edge),))
            self._emit(step)
            self.sums[edge] = step.name
        return self.sums[edge]

    def value(self, edge: str) -> str:
        """The edge from which the host reads a float edge: an accumulator or real edge where there is one, else codes.

        Shape operators between such an edge and the host are done by the host.
        """
        for known in (self.sums, self.reals):
            if edge in known:
                return known[edge]
        node = self.graph[edge]
        if isinstance(node.op, _TAIL) and edge not in self.codes_of:
            source = self.value(node.inputs[0])
            if source not in self.plan.group_of:
                name = f"{edge}:host"
                self._emit(PlannedHost(name, (source,), node.op))
                self.reals[edge] = name
                return name
        return self.codes(edge)

    def codes(self, edge: str) -> str:
        """The code edge of a float edge, made now if it is not there yet."""
        if edge in self.codes_of:
            return self.codes_of[edge]
        node = self.graph[edge]
        if isinstance(node.op, ops.Activation):
            step = PlannedEncode(edge, self.accumulator(node.inputs[0]), node.op, node.inputs[0])
            self._emit(step)
            return self._code_edge(edge, edge, group=edge)
        if isinstance(node.op, ops.Concat):
            return self._join(node, node.op)
        if isinstance(node.op, _CARRIED) and edge not in self.reals:
            return self._carry(node, node.op)
        name = f"{edge}:code"
        if edge in self.reals:
            self._emit(PlannedEncodeReal(name, self.reals[edge]))
        else:
            self._emit(PlannedEncode(name, self.accumulator(edge), None, edge))
        return self._code_edge(name, edge, group=name)

    def _carry(self, node: Node, op: CarriedOp) -> str:
        source = self.codes(node.inputs[0])
        group = self.plan.group_of[source]
        if isinstance(op, ops.Pad | ops.ZeroStuff):
            self.plan.holds_zero.add(group)
        self._emit(PlannedCarry(node.name, source, op))
        return self._code_edge(node.name, node.name, group=group)

    def _join(self, node: Node, op: ops.Concat) -> str:
        sources = tuple(self.codes(edge) for edge in node.inputs)
        self._emit(PlannedJoin(node.name, sources, op.axis))
        if self.concat == "reencode":
            return self._code_edge(node.name, node.name, group=node.name)
        first, *others = dict.fromkeys(self.plan.group_of[source] for source in sources)
        for edge, group in self.plan.group_of.items():
            if group in others:
                self.plan.group_of[edge] = first
        if self.plan.holds_zero & set(others):
            self.plan.holds_zero -= set(others)
            self.plan.holds_zero.add(first)
        return self._code_edge(node.name, node.name, group=first)

    def _finish(self) -> None:
        node = self.graph[self.result]
        if isinstance(node.op, SUMMING):
            self.plan.output = self.sums[node.name]
        elif node.name in self.reals:
            self.plan.output = self.reals[node.name]
        elif isinstance(node.op, ops.Activation):
            name = f"{node.name}:out"
            self._emit(PlannedActivate(name, self.accumulator(node.inputs[0]), node.op, node.inputs[0]))
            self.plan.output = name
        else:
            self.plan.output = self.codes(node.name)


def _split_tail(graph: Graph) -> tuple[str, tuple[TailOp, ...], ops.Softmax | None]:
    """The node whose value is the result, shape operators applied to it at the end, and a softmax after those.

    A softmax of what the host has computed is one more step of the host.
    """
    last = graph[graph.output]
    if isinstance(last.op, ops.Softmax):
        node, tail = _peel_shape_operators(graph, graph[last.inputs[0]])
        if not isinstance(node.op, ops.HOST):
            return node.name, tail, last.op
    node, tail = _peel_shape_operators(graph, last)
    return node.name, tail, None


def _peel_shape_operators(graph: Graph, node: Node) -> tuple[Node, tuple[TailOp, ...]]:
    tail: list[TailOp] = []
    while isinstance(node.op, _TAIL):
        tail.insert(0, node.op)
        node = graph[node.inputs[0]]
    return node, tuple(tail)


def _choose_open_operands(graph: Graph) -> dict[str, str]:
    """For each addition the operand whose accumulator stays open, where there is one (SPEC section 1).

    It must be an accumulation without activation and without another consumer; if both are, the later one in
    topological order stays open.
    """
    position = {node.name: i for i, node in enumerate(graph)}
    readers = graph.consumers()
    chosen: dict[str, str] = {}
    for node in graph:
        if isinstance(node.op, ops.Add):
            able = [
                edge
                for edge in node.inputs
                if isinstance(graph[edge].op, _CAN_STAY_OPEN)
                and len(readers[edge]) == 1
                and edge != graph.output
            ]
            if able:
                chosen[node.name] = max(able, key=position.__getitem__)
    return chosen
