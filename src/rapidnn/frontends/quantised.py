"""Quantised models enter as the float networks they stand for.

A QuantizeLinear / DequantizeLinear pair around an activation rounds it to a grid that rapidnn's own codebooks replace,
so the pair goes. What it keeps is a clip at zero: quantisers fuse a ReLU into a grid that starts at zero, so such a
pair becomes a Relu. Pairs around weights stay; constant folding turns them into the float weights that the quantised
model computes with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx_ir as ir


def remove_activation_pairs(model: ir.Model) -> int:
    """Replace the pairs on values that depend on the input, in place; returns how many were replaced."""
    import onnx_ir as ir

    depends = _depending(model)
    count = 0
    for node in list(model.graph):
        if node.op_type != "DequantizeLinear" or node.domain not in ("", "ai.onnx"):
            continue
        quantised = node.inputs[0]
        maker = None if quantised is None else quantised.producer()
        if (
            maker is None
            or maker.op_type != "QuantizeLinear"
            or not maker.inputs
            or maker.inputs[0] not in depends
        ):
            continue
        op_type = "Relu" if _starts_at_zero(maker) else "Identity"
        replacement = ir.Node("", op_type, [maker.inputs[0]], name=node.name or node.outputs[0].name)
        made, old = replacement.outputs[0], node.outputs[0]
        made.name, made.shape, made.dtype = old.name, old.shape, ir.DataType.FLOAT
        model.graph.insert_after(node, replacement)
        old.replace_all_uses_with(made, replace_graph_outputs=True)
        model.graph.remove(node, safe=True)
        count += 1
    for node in reversed(list(model.graph)):
        if node.op_type == "QuantizeLinear" and not any(
            v.uses() or v.is_graph_output() for v in node.outputs
        ):
            model.graph.remove(node, safe=True)
    return count


def _depending(model: ir.Model) -> set[ir.Value | None]:
    """Values that depend on the network's input."""
    found: set[ir.Value | None] = {value for value in model.graph.inputs if not value.is_initializer()}
    for node in model.graph:
        if any(value in found for value in node.inputs):
            found.update(node.outputs)
    return found


def _starts_at_zero(node: ir.Node) -> bool:
    """Whether the smallest value of the grid is zero: the zero point is the type's smallest integer."""
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True  # the default is an unsigned integer and the zero point 0
    zero = _constant(node.inputs[2])
    return zero is not None and zero.dtype.kind in "iu" and bool((zero == np.iinfo(zero.dtype).min).all())


def _constant(value: ir.Value) -> Any:
    from rapidnn.frontends.patterns import small_constant

    return small_constant(value)
