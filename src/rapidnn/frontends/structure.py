"""Checks of an ONNX model's structure, before anything is read out of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rapidnn.errors import ModelError
from rapidnn.frontends.quiet import first_line

if TYPE_CHECKING:
    import onnx_ir as ir

_OLDEST_OPSET = 7
_MAX_NODES = 1_000_000
"""Nodes after functions are expanded; more is a function that multiplies itself."""


def checked(model: ir.Model, label: str) -> ir.Model:
    """The model with its functions expanded, after a check of its structure.

    Raises
    ------
    ModelError
        If it has not what parsing relies on: one float32 input, one output, no cycles, a known operator set.
    """
    import onnx_ir as ir
    from onnx_ir.passes.common import InlinePass

    if model.functions:
        _check_functions(model, label)
        try:
            model = InlinePass()(model).model
        except Exception as error:  # malformed functions
            raise ModelError(f"{label}: its functions cannot be expanded ({first_line(error)})") from error
    graph = model.graph
    inputs = [v for v in graph.inputs if not v.is_initializer()]
    for what, values in (("inputs", inputs), ("outputs", list(graph.outputs))):
        if len(values) != 1:
            names = ", ".join(repr(v.name) for v in values)
            raise ModelError(f"{label}: it has {len(values)} {what} ({names or 'none'}); one is supported")
    dtype = inputs[0].dtype
    if dtype not in (None, ir.DataType.FLOAT):
        raise ModelError(f"{label}: input {inputs[0].name!r} is {dtype}; only float32 is supported")
    for node in graph:
        if not node.outputs:
            raise ModelError(f"{label}: node {node.name!r} ({node.op_type}) has no output")
    opset = graph.opset_imports.get("")
    if opset is not None and opset < _OLDEST_OPSET:
        raise ModelError(f"{label}: operator set {opset} is too old; {_OLDEST_OPSET} or newer is supported")
    try:
        graph.sort()
    except ValueError as error:
        raise ModelError(f"{label}: its graph has a cycle ({first_line(error)})") from error
    return model


def _check_functions(model: ir.Model, label: str) -> None:
    """Refuse functions that call themselves, or that would expand into an absurd number of nodes."""
    sizes: dict[tuple[str, str, str], int | None] = {}

    def expanded(key: tuple[str, str, str]) -> int:
        size = sizes.get(key, 0)
        if size is None:
            raise ModelError(f"{label}: function {key[0]}::{key[1]} calls itself")
        if size:
            return size
        sizes[key] = None
        total = 1
        for node in model.functions[key]:
            inner = node.op_identifier()
            total += expanded(inner) if inner in model.functions else 1
        sizes[key] = total
        return total

    count = 0
    for node in model.graph:
        key = node.op_identifier()
        count += expanded(key) if key in model.functions else 1
    if count > _MAX_NODES:
        raise ModelError(
            f"{label}: its functions expand into {count} nodes; at most {_MAX_NODES} are supported"
        )
