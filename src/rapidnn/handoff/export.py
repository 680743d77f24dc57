"""export(): a composed network leaves for another tool."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn import __version__
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.execute.inputs import as_array, check_input
from rapidnn.handoff.folder import MARK, check_folder, write_folder
from rapidnn.handoff.records import Content, Export

DEFAULT_HARDWARE = "rapidnn-hpca20"


@dataclass(frozen=True)
class Request:
    """What an export is made of; ``samples`` are preprocessed inputs, for the kinds that take any."""

    composed: ComposedNetwork
    hardware: str | Path
    overrides: Mapping[str, str | float] | None
    samples: NDArray[np.float32] | None


def _c(asked: Request) -> Content:
    from rapidnn.handoff.c.writer import write_c

    return write_c(asked.composed)


def _onnx(asked: Request) -> Content:
    from rapidnn.handoff.onnx.exact import write_exact

    return write_exact(asked.composed)


def _onnx_float(asked: Request) -> Content:
    from rapidnn.handoff.onnx.real import write_real

    return write_real(asked.composed)


def _image(asked: Request) -> Content:
    from rapidnn.handoff.image.manifest import write_image
    from rapidnn.machine.description import load_hardware

    return write_image(asked.composed, load_hardware(asked.hardware, asked.overrides))


def _torch(asked: Request) -> Content:
    from rapidnn.handoff.torch.writer import write_torch

    return write_torch(asked.composed)


def _verilog(asked: Request) -> Content:
    from rapidnn.handoff.verilog.writer import write_verilog
    from rapidnn.machine.description import load_hardware

    return write_verilog(asked.composed, load_hardware(asked.hardware, asked.overrides), asked.samples)


_WRITERS: dict[str, Callable[[Request], Content]] = {
    "c": _c,
    "onnx": _onnx,
    "onnx-float": _onnx_float,
    "memory-image": _image,
    "torch": _torch,
    "verilog": _verilog,
}
KINDS = tuple(_WRITERS)
HARDWARE_KINDS = ("memory-image", "verilog")


def check_kind(kind: str) -> None:
    """Raise DataError if there is no such kind of export."""
    if kind not in _WRITERS:
        raise DataError(f"export to {kind!r} is unknown; available: {', '.join(KINDS)}")


def export(
    composed: ComposedNetwork,
    kind: str,
    folder: str | Path,
    *,
    hardware: str | Path = DEFAULT_HARDWARE,
    overrides: Mapping[str, str | float] | None = None,
    x: Any = None,
) -> Export:
    """Write ``composed`` in the form another tool runs; ``docs/handoff.md`` describes each kind.

    Parameters
    ----------
    kind
        ``"c"``: C99 without multiplication and floating point, bit-true. ``"onnx"``: standard operators on integers,
        bit-true. ``"onnx-float"``: a float network with the codebooks' values for weights, for tools that want one.
        ``"memory-image"``: all tables by block as ``$readmemh`` files, with a manifest.
        ``"torch"``: a Python file that needs only torch, bit-true in evaluation mode, ready to train on.
        ``"verilog"``: an RNA block in SystemVerilog, with a test bench of real neurons for each layer; takes ``x``.
    folder
        Written whole or not at all; an earlier export there is replaced, a folder with other files is refused.
    hardware, overrides
        The machine whose blocks an image is for, as :func:`rapidnn.estimate` takes them.
    x
        Inputs ``(N, *input_shape)``, preprocessed, for the kinds that bring test vectors.

    Raises
    ------
    DataError
        On an unknown kind, a folder that cannot be written, a package that is not installed, or overrides for a kind
        that has no hardware.
    ModelError
        If the network has a step that this kind cannot hold; the message names it.
    HardwareError
        If the description is not valid, or its blocks cannot hold a layer.
    """
    check_kind(kind)
    if overrides and kind not in HARDWARE_KINDS:
        raise DataError(
            f"--to {kind} depends on no hardware, so there is nothing to set; leave the overrides out"
        )
    target = Path(folder)
    check_folder(target)
    samples = None if x is None else check_input(composed.program, as_array(x))
    try:
        content = _WRITERS[kind](Request(composed, hardware, overrides, samples))
    except ImportError as error:
        raise DataError(
            f"--to {kind} needs {error.name}, which cannot be imported; pip install 'rapidnn[compose]'"
        ) from None
    mark = {
        "kind": kind,
        "rapidnn": __version__,
        "network": str(composed.info.get("network", "network")),
        "input_shape": list(composed.program.input_shape),
        "output_shape": list(composed.program.output_shape),
        "preprocess": composed.preprocess.to_json(),
        "files": sorted(content.files),
    }
    files = content.files | {MARK: json.dumps(mark, indent=1, sort_keys=True) + "\n"}
    write_folder(target, files)
    size = sum((target / name).stat().st_size for name in files)
    return Export(kind, str(folder), tuple(sorted(files)), size, content.flash_bytes, content.ram_bytes)
