"""Import: a PyTorch module or an ONNX file becomes a checked float graph, through one front door (ONNX)."""

from rapidnn.frontends.importer import import_model
from rapidnn.frontends.peek import input_shape

__all__ = ["import_model", "input_shape"]
