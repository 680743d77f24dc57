"""ONNX's own word on the shapes that one node gives, for nodes that the importer has no handler for.

A node at a time, from shapes that are known to be sound: over a whole model ONNX's inference can end the process where
an earlier node makes an extent negative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rapidnn.frontends.builder import Constant, SequenceValue
from rapidnn.frontends.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir

    from rapidnn.graph.shapes import Shape

_MOST_BYTES = 1 << 16
"""Larger constants are weights, of which only the shape counts."""


def output_shapes(
    node: ir.Node, inputs: Sequence[Constant | SequenceValue | Shape | None], opset: int
) -> list[tuple[int, ...] | None]:
    """The shapes of a node's outputs, batch first; None where ONNX cannot tell.

    Parameters
    ----------
    inputs
        Per input of the node: a constant, or the shape of float32 numbers; what is not known is left out.
    """
    unknown: list[tuple[int, ...] | None] = [None] * len(node.outputs)
    if any(attribute.type.name in ("GRAPH", "GRAPHS") for attribute in node.attributes.values()):
        return unknown  # of the nodes within, no shape is known to be sound
    try:
        with quiet():
            found = _infer(node, inputs, opset)
    except Exception:  # it serves messages only; a malformed node has its own error already
        return unknown
    return [_shape(found.get(value.name or "")) for value in node.outputs]


def _infer(
    node: ir.Node, inputs: Sequence[Constant | SequenceValue | Shape | None], opset: int
) -> dict[str, Any]:
    import onnx
    from onnx_ir import serde

    types: dict[str, Any] = {}
    data: dict[str, Any] = {}
    for value, known in zip(node.inputs, inputs, strict=True):
        if value is None or value.name is None or known is None or isinstance(known, SequenceValue):
            continue
        if isinstance(known, Constant):
            kind = onnx.helper.np_dtype_to_tensor_dtype(known.array.dtype)
            types[value.name] = onnx.helper.make_tensor_type_proto(kind, known.array.shape)
            if known.array.nbytes <= _MOST_BYTES:
                data[value.name] = onnx.numpy_helper.from_array(known.array, value.name)
        else:
            types[value.name] = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, known)
    schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
    return dict(onnx.shape_inference.infer_node_outputs(schema, serde.serialize_node(node), types, data))


def _shape(found: Any) -> tuple[int, ...] | None:
    if found is None or not found.tensor_type.HasField("shape"):
        return None
    extents = tuple(dim.dim_value for dim in found.tensor_type.shape.dim)
    return extents if all(extent > 0 for extent in extents) else None
