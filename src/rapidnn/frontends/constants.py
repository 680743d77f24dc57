"""Constant folding: what exporters compute from shapes is evaluated once static shapes are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.frontends.quiet import first_line, quiet

if TYPE_CHECKING:
    import onnx_ir as ir

_OF_SHAPE = ("Shape", "Size")
"""Operators that read only their input's shape."""


def is_constant(node: ir.Node, constant: Sequence[bool]) -> bool:
    """Whether a node's outputs are constant, given which inputs are (an absent one is)."""
    if node.domain not in ("", "ai.onnx") or any(
        a.type.name.startswith("GRAPH") for a in node.attributes.values()
    ):
        return False
    if node.op_type in _OF_SHAPE:
        return True
    if node.op_type == "CastLike":  # the second input only gives the type
        return constant[0]
    return all(constant)


def evaluate(
    node: ir.Node, name: str, inputs: Sequence[NDArray[Any] | tuple[int, ...] | None], opset: int
) -> list[NDArray[Any]]:
    """Outputs of a constant node.

    An input that is no constant stands as its full shape (a tuple): enough for ``Shape``, ``Size`` and the
    type operand of ``CastLike``, since every edge is float32.
    """
    if node.op_type in _OF_SHAPE:
        given = inputs[0]
        assert given is not None
        return [_of_shape(node, given if isinstance(given, tuple) else given.shape)]
    if node.op_type == "Constant" and "value" in node.attributes:
        return [node.attributes["value"].as_tensor().numpy()]
    if node.op_type == "CastLike" and isinstance(inputs[1], tuple):
        assert isinstance(inputs[0], np.ndarray)
        return [inputs[0].astype(np.float32)]
    arrays = [np.zeros(i, np.float32) if isinstance(i, tuple) else i for i in inputs]
    try:
        return _reference(node, arrays, opset)
    except Exception as error:  # the evaluator raises whatever numpy makes of a malformed node
        message = f"operator {node.op_type!r} at node {name!r}: its constant value cannot be computed"
        raise ModelError(f"{message}: {first_line(error)}") from error


def _of_shape(node: ir.Node, shape: tuple[int, ...]) -> NDArray[Any]:
    if node.op_type == "Size":
        return np.array(np.prod(shape, dtype=np.int64))
    start, end = node.attributes.get("start"), node.attributes.get("end")
    first = 0 if start is None else start.as_int()
    last = len(shape) if end is None else end.as_int()
    return np.array(shape[first:last], np.int64)


def _reference(node: ir.Node, arrays: Sequence[NDArray[Any] | None], opset: int) -> list[NDArray[Any]]:
    """Run one node in ONNX's own reference evaluator, under the model's operator set."""
    import onnx
    import onnx_ir as ir
    from onnx.reference import ReferenceEvaluator

    names = [f"i{k}" if array is not None else "" for k, array in enumerate(arrays)]
    outputs = [f"o{k}" for k in range(len(node.outputs))]
    proto = onnx.helper.make_node(node.op_type, names, outputs)
    proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
    function = onnx.helper.make_function(
        "rapidnn",
        "constant",
        [n for n in names if n],
        outputs,
        [proto],
        [onnx.helper.make_opsetid("", opset)],
    )
    feeds = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    with quiet():
        return [np.asarray(result) for result in ReferenceEvaluator(function).run(None, feeds, {})]
