"""Artifacts: their bytes, their document and tensors with checksums made right, and commands that show them."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork, load
from rapidnn.tables.artifact import DIGEST_TENSOR, METADATA_KEY
from tests.hostile.mutate import damaged_bytes, damaged_json, json_text
from tests.hostile.target import Rng, Target

GOLDEN = Path(__file__).parents[1] / "golden"


def _golden() -> tuple[bytes, dict[str, Any], dict[str, np.ndarray]]:
    from safetensors import safe_open

    path = GOLDEN / "format-1.rapidnn"
    with safe_open(path, framework="numpy") as file:
        document = json.loads(file.metadata()[METADATA_KEY])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    return path.read_bytes(), document, arrays


def _signed(document: Any, tensors: dict[str, np.ndarray], text: bytes | None = None) -> bytes:
    """A file with right checksums, whatever it says: damage then reaches what the checksums guard."""
    from safetensors.numpy import save

    arrays = {name: tensor for name, tensor in tensors.items() if name != DIGEST_TENSOR}
    if isinstance(document, dict) and "sha256" in document:
        digests = {
            n: hashlib.sha256(np.ascontiguousarray(t).tobytes()).hexdigest() for n, t in arrays.items()
        }
        document = document | {"sha256": digests}
    text = json.dumps(document, sort_keys=True, separators=(",", ":")).encode() if text is None else text
    digest = np.frombuffer(hashlib.sha256(text).digest(), np.uint8)
    return save(arrays | {DIGEST_TENSOR: digest}, metadata={METADATA_KEY: text.decode()})


def artifact() -> Target:
    whole, _, _ = _golden()
    return Target("artifact", "a.rapidnn", lambda rng: damaged_bytes(whole, rng, whole), load, whole)


def _run(path: Path) -> object:
    """Load an artifact, and run one sample where it loads."""
    composed: ComposedNetwork = load(path)
    if np.prod(composed.program.input_shape, dtype=float) < 1e6:
        largest = max(float(np.prod(shape, dtype=float)) for shape in composed.program.shapes.values())
        if largest < 1e6:
            composed(np.zeros((1, *composed.program.input_shape), np.float32), threads=1)
    return composed


def artifact_document() -> Target:
    whole, document, tensors = _golden()

    def mutate(rng: Rng) -> bytes:
        changed = damaged_json(document, rng)
        if rng.random() < 0.01:
            return _signed(changed, tensors, json_text(changed, rng))
        return _signed(changed, tensors)

    return Target("artifact-document", "a.rapidnn", mutate, _run, whole)


def command_line() -> Target:
    """What an artifact says of its making, as the commands that show it or fill in options from it read it."""
    whole, document, tensors = _golden()
    validation = {
        "samples": 10, "accuracy": 0.9, "accuracy_stderr": 0.01, "class_accuracy": [0.9, None], "class_samples": [9, 1],
        "float_accuracy": 0.91, "loss": 0.01, "agreement": 0.98, "sqnr_db": 20.5,
    }  # fmt: skip
    known = {
        "data": "digits", "seed": 0, "calibration_samples": 10, "network": "n", "settings": {"weights": 4},
        "validation": validation,
    }  # fmt: skip
    base = document | {"info": known | document["info"]}

    def mutate(rng: Rng) -> bytes:
        part = {key: base[key] for key in ("info", "preprocess")}
        return _signed(base | damaged_json(part, rng), tensors)

    return Target("command-line", "net/a.rapidnn", mutate, _commands, whole)


def _commands(path: Path) -> object:
    """Inspect, report and evaluate; an internal fault is raised as one, a refusal as one."""
    import contextlib

    from rapidnn.cli.main import INTERNAL, exit_code

    code = 0
    shape = (5, *json.loads(_shown(["inspect", str(path), "--json"]))["result"]["input_shape"])
    np.savez(path.parent / "d.npz", inputs=np.zeros(shape, np.float32), labels=np.zeros(5, np.int64))
    for words in (["inspect", str(path)], ["evaluate", str(path), "--data", str(path.parent / "d.npz")],
                  ["evaluate", str(path), "--limit", "3"],
                  ["report", str(path), "-o", str(path.parent / "r.html")]):  # fmt: skip
        said = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            code = exit_code(words)
        if code == INTERNAL:
            raise AssertionError(said.getvalue())
    return code


def _shown(words: list[str]) -> str:
    import contextlib

    from rapidnn.cli.main import OK, exit_code

    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        code = exit_code(words)
    if code == 1:
        raise AssertionError(said.getvalue())
    if code != OK:
        raise DataError(said.getvalue().strip())
    return out.getvalue()


_TYPES = (np.uint8, np.int8, np.int16, np.int32, np.int64, np.float32, np.float64, np.bool_)


def artifact_tensors() -> Target:
    whole, document, tensors = _golden()
    names = sorted(name for name in tensors if name != DIGEST_TENSOR)

    def mutate(rng: Rng) -> bytes:
        changed = dict(tensors)
        for _ in range(int(rng.integers(1, 3))):
            name = names[int(rng.integers(len(names)))]
            changed[name] = _damaged_array(changed[name], rng)
        return _signed(damaged_json(document, rng) if rng.random() < 0.2 else document, changed)

    return Target("artifact-tensors", "a.rapidnn", mutate, _run, whole)


def _damaged_array(array: np.ndarray, rng: Rng) -> np.ndarray:
    array = array.copy()
    match int(rng.integers(6)):
        case 0:
            return array.astype(_TYPES[int(rng.integers(len(_TYPES)))])
        case 1:
            return array[: len(array) // 2] if array.ndim else array
        case 2:
            return array.reshape(-1)
        case 3:
            return np.concatenate([array, array]) if array.ndim else array
        case _:
            flat = array.reshape(-1)
            if len(flat):
                raw = np.frombuffer(rng.bytes(array.itemsize), array.dtype)
                flat[int(rng.integers(len(flat)))] = raw[0]
            return array
