"""What a file says of its input, before anything is imported."""

from __future__ import annotations

from pathlib import Path

from rapidnn.errors import ModelError
from rapidnn.frontends.quiet import first_line, quiet


def input_shape(path: Path) -> tuple[int, ...] | None:
    """Shape of one input sample (without the batch) of an ONNX file; None where it leaves an extent open.

    Raises
    ------
    ModelError
        If the file is missing or not ONNX.
    """
    import onnx

    if not path.is_file():
        raise ModelError(f"{path}: no such file; give the path of an .onnx file")
    try:
        with quiet():
            graph = onnx.load(path, load_external_data=False).graph
    except Exception as error:  # protobuf raises its own kinds on damaged bytes
        raise ModelError(f"{path}: not an ONNX file, or a truncated one ({first_line(error)})") from error
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        return None
    extents = tuple(dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim)[1:]
    return extents if extents and all(n > 0 for n in extents) else None
