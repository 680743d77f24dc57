"""Names that a user recognises: the module path of the layer, where the exporter kept it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

_SCOPES = "pkg.torch.onnx.name_scopes"
_CLASSES = "pkg.torch.onnx.class_hierarchy"
_WEIGHTED = ("Conv", "Gemm", "MatMul", "Add", "BatchNormalization")
_FUSED = "pkg.onnxscript.rewriter.rule_name"


def display_name(node: ir.Node) -> str:
    """The name of an ONNX node in reports (not yet unique).

    For exports of PyTorch the path of the layer (``layer1.0.conv1``), or the path of the module that calls a
    function followed by the function (``layer1.0.add``). Otherwise the node's name, or its first output's.
    """
    fallback = node.name or node.outputs[0].name or node.op_type
    scopes, classes = _metadata(node, _SCOPES), _metadata(node, _CLASSES)
    if len(scopes) < 2 or len(scopes) != len(classes):
        return fallback
    if _FUSED in node.metadata_props and len(node.inputs) > 1 and node.inputs[1] is not None:
        # A convolution that swallowed its batch normalisation carries the latter's scope, but its own weight.
        weight = node.inputs[1].name or ""
        if weight.endswith(".weight"):
            return weight.removesuffix(".weight")
    module = re.sub(r"@\d+", "", scopes[-2])
    if module and classes[-2].startswith("torch.nn.modules.") and ".container." not in classes[-2]:
        # The accumulation gets the layer's own name, what the exporter puts around it (padding) an addition
        # to it.
        layer = classes[-2].split(".")[3] in ("conv", "linear", "batchnorm")
        return f"{module}.{node.op_type.lower()}" if layer and node.op_type not in _WEIGHTED else module
    function = _function(classes[-1], scopes[-1])
    return f"{module}.{function}" if module else function


def _function(target: str, scope: str) -> str:
    """``add`` of ``aten.add.Tensor``, or of the scope ``add_3``."""
    parts = target.split(".")
    name = parts[1] if len(parts) == 3 and parts[0] == "aten" else re.sub(r"_\d+$", "", scope)
    return name.strip("_")


def _metadata(node: ir.Node, key: str) -> list[str]:
    try:
        value = ast.literal_eval(node.metadata_props.get(key, "[]"))
    except (ValueError, SyntaxError):
        return []
    return [str(item) for item in value] if isinstance(value, list) else []
