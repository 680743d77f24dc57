"""An ONNX model becomes a float graph: constants are folded, every other node goes to its handler."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rapidnn.errors import ModelError
from rapidnn.frontends import constants
from rapidnn.frontends.context import Constant, GraphBuilder, NodeContext
from rapidnn.frontends.names import display_name
from rapidnn.frontends.quiet import first_line
from rapidnn.frontends.registry import handler_table
from rapidnn.graph.ir import Graph
from rapidnn.graph.ops import Input
from rapidnn.graph.shapes import Shape

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass(frozen=True, eq=False)
class Parsed:
    """The graph as parsed, before any pass, and for its edges the name of the ONNX value that is the same."""

    graph: Graph
    values: dict[str, str]


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
        On an unsupported operator or attribute, a missing or non-finite tensor; the message names the node.
    """
    nodes = _needed(model)
    _check_inputs(nodes)
    _check_supported(nodes)
    return _Parser(model, batch).run(nodes, sample_shape)


class _Parser:
    """The walk over the nodes, and what is known of every ONNX value so far."""

    def __init__(self, model: ir.Model, batch: int) -> None:
        self.model = model
        self.opset = model.graph.opset_imports.get("", 1)
        self.builder = GraphBuilder(batch)
        self.known: dict[ir.Value, str | Constant] = {}
        self.values: dict[str, str] = {}

    def run(self, nodes: list[ir.Node], sample_shape: Shape) -> Parsed:
        source = next(v for v in self.model.graph.inputs if not v.is_initializer())
        self._learn(source, self.builder.add(source.name or "input", Input(tuple(sample_shape)), ()))
        for node in nodes:
            self._node(node)
        result = self.known.get(self.model.graph.outputs[0])
        if not isinstance(result, str):
            raise ModelError(
                f"output {self.model.graph.outputs[0].name!r} does not depend on the network's input"
            )
        return Parsed(Graph(tuple(self.builder.nodes), result), self.values)

    def _node(self, node: ir.Node) -> None:
        name = display_name(node)
        inputs = tuple(None if value is None else self._value(value) for value in node.inputs)
        if constants.is_constant(node, [not isinstance(value, str) for value in inputs]):
            given = [self._static(value) for value in inputs]
            results = constants.evaluate(node, name, given, self.opset)
            for value, array in zip(node.outputs, results, strict=True):
                self.known[value] = Constant(value.name or name, array)
            return
        context = NodeContext(node, self.builder.unique(name), inputs, self.builder)
        if any(value.uses() for value in node.outputs[1:]):
            context.fail("its second output is used; only the first is supported")
        self._learn(node.outputs[0], handler_table()[node.op_type](context))

    def _learn(self, value: ir.Value, edge: str) -> None:
        self.known[value] = edge
        if value.name:
            self.values.setdefault(edge, value.name)

    def _static(self, value: str | Constant | None) -> np.ndarray | tuple[int, ...] | None:
        if isinstance(value, str):
            return (self.builder.batch, *self.builder.shapes[value])
        return None if value is None else value.array

    def _value(self, value: ir.Value) -> str | Constant:
        if value not in self.known:
            self.known[value] = _initialiser(value)
        return self.known[value]


def _initialiser(value: ir.Value) -> Constant:
    import onnx_ir as ir

    assert value.const_value is not None
    try:
        array = value.const_value.numpy()
    except Exception as error:  # external data that is missing, too short, or outside the model's folder
        raise ModelError(f"tensor {value.name!r} cannot be read: {first_line(error)}") from error
    view = array.view() if array.flags.aligned else array.copy()
    view.flags.writeable = False
    if isinstance(value.const_value, ir.serde.TensorProtoTensor):
        # Reading raw bytes out of a protobuf copies them: let go of the message, keep the copy.
        value.const_value = ir.Tensor(view, name=value.name)
    return Constant(value.name or "initialiser", view)


def _needed(model: ir.Model) -> list[ir.Node]:
    """The nodes that the output depends on, in order."""
    waiting = list(model.graph.outputs)
    needed: set[ir.Node] = set()
    while waiting:
        node = waiting.pop().producer()
        if node is not None and node not in needed:
            needed.add(node)
            waiting.extend(value for value in node.inputs if value is not None)
    return [node for node in model.graph if node in needed]


def _check_inputs(nodes: list[ir.Node]) -> None:
    for node in nodes:
        for value in node.inputs:
            if value is None or value.producer() is not None:
                continue
            if value.is_initializer() and value.const_value is not None:
                continue
            if not value.is_graph_input() or value.is_initializer():
                raise ModelError(
                    f"node {display_name(node)!r} reads {value.name!r}, which the model does not hold"
                )


def _check_supported(nodes: list[ir.Node]) -> None:
    """Refuse all unsupported operators at once, before any work is done."""
    supported = handler_table()
    constant: set[ir.Value] = set()
    refused: dict[str, list[str]] = {}
    for node in nodes:
        known = [v is None or v in constant or v.is_initializer() for v in node.inputs]
        if constants.is_constant(node, known):
            constant.update(node.outputs)
        elif node.domain not in ("", "ai.onnx"):
            refused.setdefault(f"{node.domain}::{node.op_type}", []).append(display_name(node))
        elif node.op_type not in supported:
            refused.setdefault(node.op_type, []).append(display_name(node))
    if not refused:
        return
    shown = []
    for op_type, names in refused.items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        shown.append(f"{op_type!r} at node {names[0]!r}{more}")
    subject = f"operator {shown[0]} is" if len(shown) == 1 else f"operators {', '.join(shown)} are"
    raise ModelError(f"{subject} not supported (supported: {', '.join(sorted(supported))})")
