"""Weights in files beside the model: only regular files in the model's own folder, and as long as declared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from rapidnn.errors import ModelError

if TYPE_CHECKING:
    import onnx_ir as ir


def check_external(model: ir.Model, path: Path) -> None:
    """Check every external tensor's place and size; nothing is read.

    Raises
    ------
    ModelError
        If one lies outside the folder of ``path`` (absolute, ``..``, a link), in no regular file, or if the file is
        shorter than the tensor; the message names the tensor.
    """
    folder = path.parent.resolve()
    for tensor in _external(model):
        location = str(tensor.location)
        name = f"tensor {tensor.name!r} cannot be read: its external data"
        given = Path(location)
        if given.is_absolute() or PureWindowsPath(location).drive or ".." in given.parts:
            raise ModelError(f"{name} {location!r} lies outside the folder of {path}")
        file = folder / given
        if not file.resolve().is_relative_to(folder):
            raise ModelError(f"{name} {location!r} is a link out of the folder of {path}")
        if not file.is_file():
            raise ModelError(f"{name} {location!r} is no file in the folder of {path}")
        needed, offset, length = tensor.nbytes, tensor.offset or 0, tensor.length
        if offset < 0 or (length is not None and length != needed):
            raise ModelError(f"{name} is declared with {length} bytes at {offset}; its shape needs {needed}")
        if offset + needed > file.stat().st_size:
            raise ModelError(
                f"{name} ends at byte {offset + needed} of {location!r}, which has {file.stat().st_size} bytes"
            )


def _external(model: ir.Model) -> Iterator[ir.ExternalTensor]:
    import onnx_ir as ir

    tensors = [value.const_value for value in model.graph.initializers.values()]
    for node in model.graph:
        for attribute in node.attributes.values():
            if isinstance(attribute.value, ir.ExternalTensor):
                tensors.append(attribute.value)
    for tensor in tensors:
        if isinstance(tensor, ir.ExternalTensor):
            yield tensor
