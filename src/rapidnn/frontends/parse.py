"""An ONNX model becomes a float graph: constants are folded, every other node goes to its handler."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.frontends import constants
from rapidnn.frontends.builder import Constant, GraphBuilder, SequenceValue, Value
from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.inference import output_shapes
from rapidnn.frontends.layout import BATCH_FIRST
from rapidnn.frontends.names import display_name
from rapidnn.frontends.patterns import find_patterns
from rapidnn.frontends.quiet import first_line
from rapidnn.frontends.registry import REFUSED, handler_table, takes_any_layout
from rapidnn.graph.ir import Graph, Node
from rapidnn.graph.ops import Input
from rapidnn.graph.shapes import Shape

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True, eq=False)
class Parsed:
    """The graph as parsed, before any pass, and for its edges the name of the ONNX value that is the same."""

    graph: Graph
    values: dict[str, str]


@dataclass(eq=False)
class Visit:
    """What became of one ONNX node: the graph nodes it added, or why it was refused (one line)."""

    node: ir.Node
    name: str
    folded: bool = False
    added: tuple[Node, ...] = ()
    shape: Shape | None = None
    shapes: dict[str, Shape] = field(default_factory=dict)
    parameters: int = 0
    refused: str = ""


def parse(model: ir.Model, batch: int, sample_shape: Shape) -> Parsed:
    """Float graph of an ONNX model with one input.

    Parameters
    ----------
    model
        Sorted, with one input that is no initialiser and one output.
    batch
        Batch size that the shapes written into the model are for.
    sample_shape
        Shape of one input sample.

    Raises
    ------
    ModelError
        On an unsupported operator or attribute, a missing or non-finite tensor: one line that names every
        refused node.
    """
    walk = Walk(model, batch, sample_shape)
    check_inputs(walk.nodes, model)
    _check_supported(walk.nodes)
    walk.run()
    refused = [visit.refused for visit in walk.visits if visit.refused]
    if len(refused) > 1:
        raise ModelError(f"{len(refused)} nodes are refused: {'; '.join(refused)}")
    if refused:
        raise ModelError(refused[0])
    return walk.parsed()


@dataclass(eq=False)
class Walk:
    """The walk over the needed nodes, and what is known of every ONNX value so far.

    A refused node does not end it: where ONNX states its output's shape, the walk goes on behind it with an
    unknown value of that shape, so that one run finds everything that is refused.
    """

    model: ir.Model
    batch: int
    sample_shape: Shape
    visits: list[Visit] = field(default_factory=list)
    known: dict[ir.Value, Value] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opset = self.model.graph.opset_imports.get("", 1)
        self.builder = GraphBuilder(self.batch)
        self.nodes = _needed(self.model, find_patterns(self.model))

    def run(self) -> None:
        """Visit every node."""
        self.begin()
        for step in self.nodes:
            if not all(value is None or self._has(value) for value in step.inputs):
                continue  # behind a refused node whose shape nobody knows
            visit = Visit(step.node, display_name(step.node), shapes=self.builder.shapes)
            self.visits.append(visit)
            count = len(self.builder.nodes)
            try:
                self._visit(step, visit)
            except ModelError as error:
                visit.refused = " ".join(str(error).split())
                del self.builder.nodes[count:]
                self._go_on(step, visit)
            visit.added = tuple(self.builder.nodes[count:]) if not visit.refused else ()
            edge = self.known.get(step.outputs[0])
            visit.shape = self.builder.shapes[edge] if isinstance(edge, str) else None

    def begin(self) -> None:
        """Make the graph's input."""
        source = next(v for v in self.model.graph.inputs if not v.is_initializer())
        self.learn(source, self.builder.add(source.name or "input", Input(tuple(self.sample_shape)), ()))

    def parsed(self) -> Parsed:
        """The graph, once every node was taken."""
        return self.parsed_for(self.model.graph.outputs[0])

    def parsed_for(self, output: ir.Value) -> Parsed:
        """The graph of one of the model's outputs."""
        result = self.known.get(output)
        if not isinstance(result, str):
            raise ModelError(f"output {output.name!r} does not depend on the network's input")
        if self.builder.layout(result) != BATCH_FIRST:
            shape = self.builder.full_shape(result)
            raise ModelError(
                f"output {output.name!r} of shape {shape} for {self.batch} samples does not have the batch "
                "as its first axis"
            )
        return Parsed(Graph(tuple(self.builder.nodes), result), self.values)

    def _visit(self, step: Step, visit: Visit) -> None:
        node = step.node
        inputs = tuple(None if value is None else self._value(value) for value in step.inputs)
        if constants.is_constant(node, [value is None or isinstance(value, Constant) for value in inputs]):
            visit.folded = True
            results = constants.evaluate(node, visit.name, [self._static(v) for v in inputs], self.opset)
            for value, array in zip(step.outputs, results, strict=False):
                self.known[value] = Constant(value.name or visit.name, array)
            return
        floats = [v.array for v in inputs if isinstance(v, Constant) and v.array.dtype.kind == "f"]
        visit.parameters = sum(array.size for array in floats)
        context = NodeContext(node, self.builder.unique(visit.name), inputs, self.builder, self.opset)
        self._check_layout(context)
        result = self._handle(context)
        edges = list(result) if isinstance(result, list) else [result]
        if any(value.uses() or value.is_graph_output() for value in step.outputs[len(edges) :]):
            context.fail("its second output is used; only the first is supported")
        for value, edge in zip(step.outputs, edges, strict=False):
            self.learn(value, edge)

    def _handle(self, context: NodeContext) -> str | list[str] | SequenceValue:
        handler = handler_table().get(context.node.op_type)
        if handler is None or context.node.domain not in ("", "ai.onnx"):
            context.fail(why_refused(context.node))
        try:
            return handler(context)
        except ModelError:
            raise
        except Exception as error:  # attributes of a wrong type or number: the node itself is malformed
            return context.fail(f"the node is malformed: {first_line(error)}")

    def _check_layout(self, context: NodeContext) -> None:
        if takes_any_layout(context.node.op_type):
            return
        for value in context.inputs:
            edges = value.edges if isinstance(value, SequenceValue) else (value,)
            for edge in edges:
                if isinstance(edge, str) and self.builder.layout(edge) != BATCH_FIRST:
                    context.fail(
                        f"its input of shape {self.builder.full_shape(edge)} for {self.batch} samples does "
                        "not have the batch as its first axis, which this operator needs"
                    )

    def _go_on(self, step: Step, visit: Visit) -> None:
        """Stand-ins for the outputs of a refused node, where their shape is known."""
        shapes = [None if value.shape is None else tuple(value.shape) for value in step.outputs]
        if None in shapes:
            found = [*self._inferred(step), *[None] * len(shapes)]
            shapes = [known or other for known, other in zip(shapes, found, strict=False)]
        for value, full in zip(step.outputs, shapes, strict=False):
            dims = () if full is None else full[1:]
            shape = tuple(d for d in dims if isinstance(d, int) and d > 0)
            if full is not None and len(shape) == len(dims) == len(full) - 1:
                try:
                    self.learn(value, self.builder.add(f"{visit.name}.refused", Input(shape), ()))
                except ModelError:
                    continue

    def _inferred(self, step: Step) -> list[Shape | None]:
        try:
            values = [None if value is None else self._value(value) for value in step.inputs]
        except ModelError:  # a tensor that cannot be read
            return []
        inputs = [self.builder.full_shape(v) if isinstance(v, str) else v for v in values]
        return output_shapes(step.node, inputs, self.opset)

    def learn(self, value: ir.Value, edge: str | SequenceValue) -> None:
        """Note that an ONNX value is this edge or sequence of edges."""
        self.known[value] = edge
        if value.name and isinstance(edge, str) and self.builder.layout(edge) == BATCH_FIRST:
            self.values.setdefault(edge, value.name)

    def _static(self, value: Value | None) -> NDArray[Any] | tuple[int, ...] | None:
        if isinstance(value, str):
            return self.builder.full_shape(value)
        return value.array if isinstance(value, Constant) else None

    def _has(self, value: ir.Value) -> bool:
        return value in self.known or value.is_initializer()

    def _value(self, value: ir.Value) -> Value:
        if value not in self.known:
            self.known[value] = _initialiser(value)
        return self.known[value]


@dataclass(frozen=True, eq=False)
class Step:
    """A node to visit; where it stands for a pattern, ``outputs`` are those of the pattern's last node."""

    node: ir.Node
    outputs: tuple[ir.Value, ...]

    @property
    def inputs(self) -> tuple[ir.Value | None, ...]:
        """What it reads."""
        return tuple(self.node.inputs)


def why_refused(node: ir.Node) -> str:
    """The reason for which an operator without handler is refused."""
    if node.domain not in ("", "ai.onnx"):
        return f"operators of the domain {node.domain!r} are not supported"
    return REFUSED.get(node.op_type, "the operator is not supported")


def _initialiser(value: ir.Value) -> Constant:
    import onnx_ir as ir

    if value.const_value is None:
        raise ModelError(f"tensor {value.name!r} has no data in the model")
    try:
        array = value.const_value.numpy()
    except Exception as error:  # external data that is missing or too short, or sizes that contradict
        raise ModelError(f"tensor {value.name!r} cannot be read: {first_line(error)}") from error
    view = array.view() if array.flags.aligned else array.copy()
    view.flags.writeable = False
    if isinstance(value.const_value, ir.serde.TensorProtoTensor):
        # Reading raw bytes out of a protobuf copies them: let go of the message, keep the copy.
        value.const_value = ir.Tensor(view, name=value.name)
    return Constant(value.name or "initialiser", view)


def _needed(model: ir.Model, patterns: dict[ir.Node, ir.Node]) -> list[Step]:
    """The nodes that the output depends on, in order, patterns in the place of their last node."""
    waiting = list(model.graph.outputs)
    needed: set[ir.Node] = set()
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node not in needed:
            needed.add(node)
            waiting.extend(value for value in patterns.get(node, node).inputs if value is not None)
    return [Step(patterns.get(node, node), tuple(node.outputs)) for node in model.graph if node in needed]


def check_inputs(steps: list[Step], model: ir.Model) -> None:
    """Refuse nodes that read a value which nothing produces and the model does not hold."""
    for step in steps:
        for value in step.inputs:
            if value is None or value.producer() is not None:
                continue
            if value.is_initializer() and value.const_value is not None:
                continue
            if value not in model.graph.inputs or value.is_initializer():
                raise ModelError(
                    f"node {display_name(step.node)!r} reads {value.name!r}, which the model does not hold"
                )


def _check_supported(steps: list[Step]) -> None:
    """Refuse all unsupported operators at once, before any work is done."""
    supported = handler_table()
    constant: set[ir.Value] = set()
    refused: dict[str, list[str]] = {}
    reasons: dict[str, str] = {}
    for step in steps:
        node = step.node
        known = [v is None or v in constant or v.is_initializer() for v in step.inputs]
        if constants.is_constant(node, known):
            constant.update(step.outputs)
            continue
        foreign = node.domain not in ("", "ai.onnx")
        if foreign or node.op_type not in supported:
            kind = f"{node.domain}::{node.op_type}" if foreign else node.op_type
            refused.setdefault(kind, []).append(display_name(node))
            if not foreign and node.op_type in REFUSED:
                reasons[kind] = REFUSED[node.op_type]
    if not refused:
        return
    shown = []
    for op_type, names in refused.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        reason = f" ({reasons[op_type]})" if op_type in reasons else ""
        shown.append(f"{op_type!r} at node {names[0]!r}{more}{reason}")
    subject = f"operator {shown[0]} is" if len(shown) == 1 else f"operators {', '.join(shown)} are"
    raise ModelError(f"{subject} not supported (supported: {', '.join(sorted(supported))})")
