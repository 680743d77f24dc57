"""Import: a PyTorch module or an ONNX file becomes a checked float graph, through one front door (ONNX)."""

from rapidnn.frontends.importer import import_model
from rapidnn.frontends.peek import input_shape
from rapidnn.frontends.support import NodeSupport, SupportReport, support_report

__all__ = ["NodeSupport", "SupportReport", "import_model", "input_shape", "support_report"]
