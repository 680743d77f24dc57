"""The artifact: one safetensors file that holds a composed network (``docs/format.md`` is its full description)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ArtifactError
from rapidnn.files import atomic_path
from rapidnn.graph import ops
from rapidnn.tables import program as records
from rapidnn.tables.levels import SharedCodes, shared_codes, validate_levels
from rapidnn.tables.program import Program
from rapidnn.tables.validate import validate
from rapidnn.untrusted import UnreadableError, one_line, parse_json

FORMAT = 2
READABLE = (1, 2)
"""Version 1 has no ``tree``, and its encodings drop no bits."""

METADATA_KEY = "rapidnn"
DIGEST_TENSOR = "sha256"
"""The SHA-256 of the metadata text, uint8 (32,): a second metadata key would be written in random order."""

_RECORDS: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        records.Program,
        records.CodeGroup,
        records.Window,
        records.Residual,
        records.ActivationTable,
        records.EncodeInput,
        records.WeightedSum,
        records.PooledSum,
        records.CodeSum,
        records.CodeProduct,
        records.Encode,
        records.Activate,
        records.EncodeReal,
        records.Carry,
        records.Join,
        records.Host,
        ops.MaxPool,
        ops.Reshape,
        ops.Transpose,
        ops.Slice,
        ops.Pad,
        ops.Take,
        ops.ZeroStuff,
        ops.Softmax,
        ops.LayerNorm,
        ops.MatMul,
    )
}


@dataclass(frozen=True, eq=False)
class Artifact:
    """What a file holds: the program, how raw data becomes its input, and what is known of its making (JSON).

    ``levels`` are the programs of a tree's coarser levels, by the bits of their codes; empty for flat codebooks.
    """

    program: Program
    preprocess: Mapping[str, Any]
    info: Mapping[str, Any]
    levels: Mapping[int, Program] = field(default_factory=dict)


def save_artifact(artifact: Artifact, path: str | Path) -> None:
    """Write an artifact atomically; equal artifacts give equal bytes.

    Raises
    ------
    ArtifactError
        If the file cannot be written.
    """
    from safetensors.numpy import save_file

    tensors: dict[str, NDArray[Any]] = {}
    document = {
        "format": FORMAT,
        "program": _pack(artifact.program, "", tensors),
        "levels": {
            str(level): _pack(shared_codes(artifact.program, program), f"level{level}", tensors)
            for level, program in artifact.levels.items()
        },
        "preprocess": dict(artifact.preprocess),
        "info": dict(artifact.info),
    }
    document["sha256"] = {name: _digest(tensor) for name, tensor in tensors.items()}
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    tensors[DIGEST_TENSOR] = _text_digest(text)
    try:
        with atomic_path(Path(path)) as temporary:
            save_file(tensors, temporary, metadata={METADATA_KEY: text})
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be written ({error.strerror or error})") from None


def load_artifact(path: str | Path) -> Artifact:
    """Read an artifact and check all of it.

    Raises
    ------
    ArtifactError
        If the file is missing, truncated, foreign, of another format version, damaged, or inconsistent.
    """
    document, tensors = _read(Path(path))
    try:
        program = _program(document["program"], tensors)
        levels = {
            int(level): _program(packed, tensors) for level, packed in document.get("levels", {}).items()
        }
        validate_levels(program, levels)
        preprocess, info = document["preprocess"], document["info"]
        if not isinstance(preprocess, dict) or not isinstance(info, dict):
            raise ValueError("its preprocess and info are not objects")
        _check_info(info)
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        RecursionError,
        MemoryError,
    ) as error:
        raise ArtifactError(f"{path}: not a valid rapidnn artifact: {one_line(error)}") from None
    return Artifact(program, preprocess, info, levels)


def _check_info(info: Mapping[str, Any]) -> None:
    """What commands take from ``info`` where they are not told otherwise; the rest is only shown."""
    if not isinstance(info.get("data"), str | None):
        raise ValueError("info: the data's name is no text")
    for key in ("seed", "calibration_samples"):
        value = info.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise ValueError(f"info: {key} is no whole number from 0")


def _program(packed: Any, tensors: Mapping[str, NDArray[Any]]) -> Program:
    program = _unpack(packed, tensors)
    if not isinstance(program, Program):
        raise ValueError("its graph is not a program")
    validate(program)
    return program


def _read(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ArtifactError(f"{path}: {'a folder, not an artifact' if path.is_dir() else 'no such file'}")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            text = metadata.get(METADATA_KEY)
            if text is None:
                raise ArtifactError(
                    f"{path}: a safetensors file, but not a rapidnn artifact; compose one first"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            document = _document(path, text, tensors.pop(DIGEST_TENSOR, None))
    except (SafetensorError, OSError) as error:
        raise ArtifactError(
            f"{path}: damaged, truncated, or not a rapidnn artifact ({one_line(error)})"
        ) from None
    digests = document.get("sha256")
    if not isinstance(digests, dict) or set(digests) != set(tensors):
        raise ArtifactError(f"{path}: damaged: its tensors are not those it lists")
    for name, tensor in tensors.items():
        if digests[name] != _digest(tensor):
            raise ArtifactError(f"{path}: damaged: tensor {one_line(name)!r} does not match its checksum")
    return document, tensors


def _document(path: Path, text: str, digest: NDArray[Any] | None) -> dict[str, Any]:
    if digest is None or not np.array_equal(digest, _text_digest(text)):
        raise ArtifactError(f"{path}: damaged: its graph does not match its checksum")
    try:
        document = parse_json(text)
    except UnreadableError:
        document = None
    if not isinstance(document, dict) or "format" not in document:
        raise ArtifactError(f"{path}: damaged: its graph is not JSON with a format version")
    if document["format"] not in READABLE:
        raise ArtifactError(
            f"{path}: format version {one_line(str(document['format']))}, but this rapidnn reads up to {FORMAT}; "
            f"compose again or use another rapidnn"
        )
    return document


def _text_digest(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)


def _digest(tensor: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(tensor).data).hexdigest()


def _pack(value: Any, path: str, tensors: dict[str, NDArray[Any]]) -> Any:
    """A record as JSON; its arrays go to ``tensors`` under a path of step name and field names."""
    if isinstance(value, np.ndarray):
        tensors[path] = np.ascontiguousarray(value)
        return {"tensor": path}
    if isinstance(value, SharedCodes):
        return {"tensor": value.tensor, "shift": value.shift}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        packed = {"type": type(value).__name__}
        for field in dataclasses.fields(value):
            packed[field.name] = _pack(getattr(value, field.name), f"{path}/{field.name}", tensors)
        return packed
    if isinstance(value, tuple):
        named = [getattr(item, "name", str(i)) for i, item in enumerate(value)]
        return [
            _pack(item, f"{path}/{name}".lstrip("/"), tensors)
            for item, name in zip(value, named, strict=True)
        ]
    return value


def _unpack(value: Any, tensors: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(item, tensors) for item in value)
    if not isinstance(value, dict):
        return value
    if set(value) == {"tensor"}:
        return tensors[value["tensor"]]
    if set(value) == {"tensor", "shift"}:
        return tensors[value["tensor"]] >> np.uint8(value["shift"])
    cls = _RECORDS.get(value.get("type", ""))
    if cls is None:
        raise ValueError(f"unknown record {value.get('type')!r}")
    fields = {name: _unpack(item, tensors) for name, item in value.items() if name != "type"}
    if cls is records.Encode:
        fields.setdefault("drop", 0)
    if set(fields) != {field.name for field in dataclasses.fields(cls)}:
        raise ValueError(f"record {value['type']} has other fields than this format's")
    return cls(**fields)
