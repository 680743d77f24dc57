"""From the float graph to the order of integer steps: what is summed, where codes are made, what stays open.

The plan is the composed network without numbers. Codes are made on demand: an edge that no accumulation reads as codes
gets no codebook, so an accumulator that stays open for a residual addition, and the network's result, are never
encoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rapidnn.errors import ComposeError
from rapidnn.graph import Graph, Node, ops
from rapidnn.graph.ops import CODE_CARRYING

SUMMING = (ops.Linear, ops.Conv, ops.AvgPool, ops.Add)
_CAN_STAY_OPEN = (ops.Linear, ops.Conv, ops.Add)
_TAIL = (ops.Reshape, ops.Transpose, ops.Slice)


@dataclass(frozen=True, eq=False)
class PlannedInput:
    """The network's input, encoded."""

    name: str


@dataclass(frozen=True, eq=False)
class PlannedSum:
    """An accumulation: ``node`` (linear, convolution or average pooling) over the codes ``source``, plus ``terms``.

    Without a node only the terms, code edges, enter.
    """

    name: str
    node: Node | None
    source: str | None
    terms: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PlannedEncode:
    """The sum ``source`` through an activation to codes; ``pre_edge`` is the float edge the activation reads."""

    name: str
    source: str
    kind: str
    pre_edge: str


@dataclass(frozen=True, eq=False)
class PlannedActivate:
    """An activation at the network's end."""

    name: str
    source: str
    kind: str
    pre_edge: str


@dataclass(frozen=True, eq=False)
class PlannedCarry:
    """Codes passed on by pooling or a shape operator."""

    name: str
    source: str
    op: ops.MaxPool | ops.Reshape | ops.Transpose | ops.Slice | ops.Pad


PlannedStep = PlannedInput | PlannedSum | PlannedEncode | PlannedActivate | PlannedCarry


@dataclass
class Plan:
    """The steps in order, and what is known of code edges.

    ``group_of`` maps a code edge to its codebook group, ``float_edge`` to the float edge it encodes; ``holds_zero`` are
    the groups that zero padding reads; ``tail`` are shape operators applied to the result.
    """

    steps: list[PlannedStep] = field(default_factory=list)
    output: str = ""
    tail: tuple[ops.Reshape | ops.Transpose | ops.Slice, ...] = ()
    group_of: dict[str, str] = field(default_factory=dict)
    float_edge: dict[str, str] = field(default_factory=dict)
    holds_zero: set[str] = field(default_factory=set)

    def sampled_edges(self) -> dict[str, list[str]]:
        """For each group the float edges its codebook is sampled on: those that accumulations read as codes."""
        sampled: dict[str, list[str]] = {}
        for step in self.steps:
            if isinstance(step, PlannedSum):
                for edge in ([] if step.source is None else [step.source]) + list(step.terms):
                    edges = sampled.setdefault(self.group_of[edge], [])
                    if self.float_edge[edge] not in edges:
                        edges.append(self.float_edge[edge])
        if self.output in self.group_of:
            sampled.setdefault(self.group_of[self.output], [self.float_edge[self.output]])
        return sampled

    def layers(self) -> list[PlannedSum]:
        """The weighted accumulations, which have weight codebooks."""
        return [
            s for s in self.steps if isinstance(s, PlannedSum) and s.node is not None and _weighted(s.node)
        ]


def _weighted(node: Node) -> bool:
    return isinstance(node.op, ops.Linear | ops.Conv)


def plan_graph(graph: Graph) -> Plan:
    """Decide the integer steps for a float graph whose passes have run (no ``BatchNorm`` is left).

    Raises
    ------
    ComposeError
        On an operator that has no integer form; the message names the node.
    """
    return _Planner(graph).run()


class _Planner:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.plan = Plan()
        self.sums: dict[str, str] = {}  # float edge -> the sum whose accumulator holds it
        self.codes_of: dict[str, str] = {}  # float edge -> code edge
        self.pending: dict[str, PlannedSum] = {}  # open sums, by the float edge that holds them so far
        self.open_operand = _choose_open_operands(graph)
        self.kept_open = set(self.open_operand.values())

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
        self._finish()
        return self.plan

    def _emit(self, step: PlannedStep) -> None:
        self.plan.steps.append(step)

    def _code_edge(self, name: str, float_edge: str, group: str) -> str:
        self.plan.group_of[name] = group
        self.plan.float_edge[name] = float_edge
        self.codes_of[float_edge] = name
        return name

    def _sum(self, node: Node) -> None:
        open_operand = self.open_operand.get(node.name)
        if open_operand is not None:
            (other,) = [e for e in node.inputs if e != open_operand]
            started = self.pending.pop(open_operand)
            step = PlannedSum(started.name, started.node, started.source, (*started.terms, self.codes(other)))
        elif isinstance(node.op, ops.Add):
            step = PlannedSum(node.name, None, None, tuple(self.codes(e) for e in node.inputs))
        else:
            source = self.codes(node.inputs[0])
            if isinstance(node.op, ops.Conv | ops.AvgPool) and any(map(any, node.op.padding)):
                self.plan.holds_zero.add(self.plan.group_of[source])
            step = PlannedSum(node.name, node, source, ())
        self.sums[node.name] = step.name
        if node.name in self.kept_open:
            self.pending[node.name] = step
        else:
            self._emit(step)

    def accumulator(self, edge: str) -> str:
        """The sum that holds a float edge; a code edge enters a fresh one."""
        if edge not in self.sums:
            step = PlannedSum(f"{edge}:sum", None, None, (self.codes(edge),))
            self._emit(step)
            self.sums[edge] = step.name
        return self.sums[edge]

    def codes(self, edge: str) -> str:
        """The code edge of a float edge, made now if it is not there yet."""
        if edge in self.codes_of:
            return self.codes_of[edge]
        node = self.graph[edge]
        if isinstance(node.op, ops.Activation):
            step = PlannedEncode(edge, self.accumulator(node.inputs[0]), node.op.kind, node.inputs[0])
            self._emit(step)
            return self._code_edge(edge, edge, group=edge)
        if isinstance(node.op, CODE_CARRYING):
            return self._carry(node, node.op)
        name = f"{edge}:code"
        self._emit(PlannedEncode(name, self.accumulator(edge), "identity", edge))
        return self._code_edge(name, edge, group=name)

    def _carry(self, node: Node, op: ops.MaxPool | ops.Reshape | ops.Transpose | ops.Slice | ops.Pad) -> str:
        source = self.codes(node.inputs[0])
        group = self.plan.group_of[source]
        if isinstance(op, ops.Pad):
            self.plan.holds_zero.add(group)
        self._emit(PlannedCarry(node.name, source, op))
        return self._code_edge(node.name, node.name, group=group)

    def _finish(self) -> None:
        node = self.graph[self.graph.output]
        tail: list[ops.Reshape | ops.Transpose | ops.Slice] = []
        while isinstance(node.op, _TAIL):
            tail.insert(0, node.op)
            node = self.graph[node.inputs[0]]
        self.plan.tail = tuple(tail)
        if isinstance(node.op, SUMMING):
            self.plan.output = self.sums[node.name]
        elif isinstance(node.op, ops.Activation):
            name = f"{node.name}:out"
            self._emit(PlannedActivate(name, self.accumulator(node.inputs[0]), node.op.kind, node.inputs[0]))
            self.plan.output = name
        else:
            self.plan.output = self.codes(node.name)


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
