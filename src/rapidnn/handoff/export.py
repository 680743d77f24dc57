"""export(): a composed network leaves for another tool."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from rapidnn import __version__
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.handoff.folder import MARK, check_folder, write_folder
from rapidnn.handoff.records import Content, Export


def _c(composed: ComposedNetwork) -> Content:
    from rapidnn.handoff.c.writer import write_c

    return write_c(composed)


def _onnx(composed: ComposedNetwork) -> Content:
    from rapidnn.handoff.onnx.exact import write_exact

    return write_exact(composed)


def _onnx_float(composed: ComposedNetwork) -> Content:
    from rapidnn.handoff.onnx.real import write_real

    return write_real(composed)


_WRITERS: dict[str, Callable[[ComposedNetwork], Content]] = {
    "c": _c,
    "onnx": _onnx,
    "onnx-float": _onnx_float,
}
KINDS = tuple(_WRITERS)


def check_kind(kind: str) -> None:
    """Raise DataError if there is no such kind of export."""
    if kind not in _WRITERS:
        raise DataError(f"export to {kind!r} is unknown; available: {', '.join(KINDS)}")


def export(composed: ComposedNetwork, kind: str, folder: str | Path) -> Export:
    """Write ``composed`` in the form another tool runs; ``docs/handoff.md`` describes each kind.

    Parameters
    ----------
    kind
        ``"c"``: C99 without multiplication and floating point, bit-true. ``"onnx"``: standard operators on integers,
        bit-true. ``"onnx-float"``: a float network with the codebooks' values for weights, for tools that want one.
    folder
        Written whole or not at all; an earlier export there is replaced, a folder with other files is refused.

    Raises
    ------
    DataError
        On an unknown kind, or a folder that cannot be written.
    ModelError
        If the network has a step that this kind cannot hold; the message names it.
    """
    check_kind(kind)
    target = Path(folder)
    check_folder(target)
    content = _WRITERS[kind](composed)
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
