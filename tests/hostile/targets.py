"""Every loader of files a stranger may have made: whole files to start from, damage, and the loading."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rapidnn.data import archives, lzw, npz
from rapidnn.data.datasets import load_data
from rapidnn.errors import DataError
from rapidnn.execute.composed import ComposedNetwork, load
from rapidnn.machine import ProgramStatistics, load_hardware
from rapidnn.tables.artifact import DIGEST_TENSOR, METADATA_KEY
from tests.hostile.mutate import damaged_bytes, damaged_json, json_text

GOLDEN = Path(__file__).parents[1] / "golden"
Rng = np.random.Generator


@dataclass(frozen=True)
class Target:
    """``mutate`` makes the bytes of one hostile file; ``read`` loads what lies at a path of that ``name``."""

    name: str
    file: str
    mutate: Callable[[Rng], bytes]
    read: Callable[[Path], object]
    whole: bytes


def targets(name: str) -> Target:
    """The loader of that name."""
    kind, _, detail = name.partition("-")
    return _image(detail) if kind == "image" else MADE[name]()


def _statistics() -> Target:
    row = {
        "step": "fc1", "sampled": 4, "observed": 40, "addends": [[3, 1], [5, 3]], "digits_sum": 20,
        "table_rows_sum": 4, "corrections_sum": 1, "occupied_sum": 9, "taps_sum": 40, "group_taps_sum": [20, 12, 8],
    }  # fmt: skip
    document = {"format": 1, "steps": [row, row | {"step": "fc2"}]}
    whole = json.dumps(document).encode()

    def mutate(rng: Rng) -> bytes:
        if rng.random() < 0.3:
            return damaged_bytes(whole, rng, whole)
        return json_text(damaged_json(document, rng), rng)

    return Target("statistics", "s.json", mutate, ProgramStatistics.load, whole)


def _arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"inputs": rng.integers(0, 255, (6, 5, 4), np.uint8), "labels": np.arange(6) % 3}


def _npz() -> Target:
    stream, plain = io.BytesIO(), io.BytesIO()
    np.savez_compressed(stream, **_arrays())
    np.savez(plain, **_arrays())
    whole, other = stream.getvalue(), plain.getvalue()

    def mutate(rng: Rng) -> bytes:
        return damaged_bytes(whole if rng.random() < 0.5 else other, rng, whole)

    return Target("npz", "d.npz", mutate, npz.load_npz, whole)


_HEADERS = (
    "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '<i8', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '<f4', 'fortran_order': True, 'shape': (6, 5, 4), }",
    "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '<U100000', 'fortran_order': False, 'shape': (6,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9), }",
    "{'descr': '|V0', 'fortran_order': False, 'shape': (4000000000,), }",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (6, 0, 4), }",
    "(" * 900,
    "__import__('os').system('touch hacked')",
)


def _npy_header() -> Target:
    """Archives whose members have headers of their own, and members that unpack to far more than they take."""

    def member(rng: Rng) -> bytes:
        header = _HEADERS[int(rng.integers(len(_HEADERS)))].encode()
        if rng.random() < 0.7:
            header = damaged_bytes(header, rng, _HEADERS[0].encode())
        header = header[:65000]
        version = (b"\x01\x00", b"\x02\x00", b"\x03\x00", b"\x09\x00")[
            int(rng.choice(4, p=[0.5, 0.2, 0.2, 0.1]))
        ]
        size = len(header).to_bytes(2 if version == b"\x01\x00" else 4, "little")
        body = bytes(int(rng.integers(600)))
        return b"\x93NUMPY" + version + size + header + body

    def mutate(rng: Rng) -> bytes:
        if rng.random() < 0.001:
            return bomb
        stream = io.BytesIO()
        kinds = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        with zipfile.ZipFile(stream, "w", kinds[int(rng.choice(4, p=[0.5, 0.4, 0.08, 0.02]))]) as archive:
            names = (
                "inputs.npy",
                "labels.npy",
                "x_train.npy",
                "../inputs.npy",
                "/etc/inputs.npy",
                "labels",
                "inputs.npy",
            )
            for _ in range(int(rng.integers(1, 4))):
                import warnings

                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the same name twice
                    archive.writestr(names[int(rng.integers(len(names)))], member(rng))
        data = bytearray(stream.getvalue())
        if rng.random() < 0.2:  # an encrypted member, or one packed in an unknown way
            for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                at = data.find(mark) + offset
                data[at : at + 4] = bytes([int(rng.integers(2)), 0, int(rng.integers(100)), 0])
        return bytes(data)

    packed, stream = io.BytesIO(), io.BytesIO()
    np.savez_compressed(
        packed, inputs=np.zeros((100 << 20, 1), np.uint8), labels=np.zeros(100 << 20, np.uint8)
    )
    bomb = packed.getvalue()
    np.savez(stream, **_arrays())
    return Target("npy-header", "d.npz", mutate, npz.load_npz, stream.getvalue())


def _weights() -> Target:
    from safetensors.numpy import save

    from rapidnn.networks.weights import read_weights

    whole = save({"fc.weight": np.ones((3, 4), np.float32), "fc.bias": np.zeros(3, np.float32)})
    header = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])

    def mutate(rng: Rng) -> bytes:
        if rng.random() < 0.5:
            return damaged_bytes(whole, rng, whole)
        text = json_text(damaged_json(header, rng), rng)
        return len(text).to_bytes(8, "little") + text + bytes(60)

    return Target("weights", "w.safetensors", mutate, read_weights, whole)


def _image(kind: str) -> Target:
    from PIL import Image

    rng = np.random.default_rng(0)
    pictures = []
    for mode, shape in (("L", (7, 9)), ("RGB", (7, 9, 3)), ("P", (7, 9))):
        stream = io.BytesIO()
        picture = Image.fromarray(rng.integers(0, 255, shape, np.uint8), "RGB" if mode == "RGB" else "L")
        picture = picture.convert(mode)
        if kind == "jpeg" and mode == "P":
            picture = picture.convert("L")
        picture.save(stream, kind)
        pictures.append(stream.getvalue())

    def mutate(rng: Rng) -> bytes:
        base = pictures[int(rng.integers(len(pictures)))]
        data = damaged_bytes(base, rng, pictures[0])
        return _repaired_png(data) if kind == "png" and rng.random() < 0.7 else data

    def read(path: Path) -> object:
        return load_data(path.parents[1])

    return Target(f"image-{kind}", f"images/a/p.{kind}", mutate, read, pictures[0])


def _repaired_png(data: bytes) -> bytes:
    """With the checksums of its chunks made right again, so that damage reaches the decoder."""
    import zlib

    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + size]
        if at + 12 + size > len(data):
            break
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return bytes(out + data[at:])


def _gzip() -> Target:
    whole = gzip.compress(bytes(range(256)) * 8, mtime=0)
    bomb = gzip.compress(bytes(64 << 20), mtime=0)

    def mutate(rng: Rng) -> bytes:
        return bomb if rng.random() < 0.0005 else damaged_bytes(whole, rng, whole)

    return Target("gzip", "d.gz", mutate, lambda path: archives.read_gzip(path, limit_bytes=4096), whole)


def _lzw() -> Target:
    whole = b"\x1f\x9d\x90" + bytes.fromhex("6162c88c39e4c9839327") + bytes(range(64))

    def read(path: Path) -> object:
        return lzw.decompress(path.read_bytes(), limit_bytes=1 << 16)

    try:
        lzw.decompress(whole, limit_bytes=1 << 16)
    except DataError:
        whole = b"\x1f\x9d\x90" + b"a\x00"

    def mutate(rng: Rng) -> bytes:
        head = b"\x1f\x9d" + bytes([0x80 | int(rng.integers(10, 17))])
        return (
            damaged_bytes(whole, rng, whole)
            if rng.random() < 0.5
            else head + rng.bytes(int(rng.integers(200)))
        )

    return Target("lzw", "d.Z", mutate, read, whole)


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


def _artifact() -> Target:
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


def _artifact_document() -> Target:
    whole, document, tensors = _golden()

    def mutate(rng: Rng) -> bytes:
        changed = damaged_json(document, rng)
        if rng.random() < 0.01:
            return _signed(changed, tensors, json_text(changed, rng))
        return _signed(changed, tensors)

    return Target("artifact-document", "a.rapidnn", mutate, _run, whole)


def _command_line() -> Target:
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


def _artifact_tensors() -> Target:
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


_YAML = (
    "&a [*a, *a]", "*nothing", "2001-99-99", "!!python/object/apply:os.system ['touch hacked']", "!!float x", "1e999",
    "!!int ''", ".nan", "-.inf", "[[[[[[", "{" * 2000, "? [a]", "<<: {a: 1}", "!!binary '!'", "0x", "1" * 6000, "0b2",
    "!!timestamp 9999-99-99", "1:99:99", "'\\", '"\\x"', "!!set {a}", "!!omap [a]", "|", "-1", "0", "1.5",
    "null", "[1, 2]",
    "true", "reram", "\t", "\x00", "%TAG", "- - - - -", "!!pairs [a: b]", "9" * 30,
)  # fmt: skip


def _hardware() -> Target:
    from rapidnn.machine import hardware_names

    name = next(n for n in hardware_names() if n == "rapidnn-hpca20")
    import rapidnn

    lines = (Path(rapidnn.__file__).parent / "hardware" / f"{name}.yaml").read_text().splitlines()
    # Sections whole, but fewer of them, so that many can be tried: a file that lacks sections is refused late too.
    whole = "\n".join(lines).encode()
    laughs = "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9 if i else ['lol'] * 9)}]\n" for i in range(12)
    )

    def mutate(rng: Rng) -> bytes:
        first = int(rng.integers(len(lines)))
        part = list(lines) if rng.random() < 0.1 else lines[max(0, first - 15) : first + 15]
        for _ in range(int(rng.integers(1, 4))):
            at = int(rng.integers(len(part)))
            token = _YAML[int(rng.integers(len(_YAML)))]
            words = part[at].split(":")
            words[int(rng.integers(len(words)))] = f" {token}"
            part[at] = ":".join(words)
        text = "\n".join(part)
        if rng.random() < 0.02:
            return (laughs + "rna:\n  rows: *a11\ncell: *a11\n").encode()
        data = text.encode()
        return damaged_bytes(data, rng, whole) if rng.random() < 0.2 else data

    return Target("hardware", "h.yaml", mutate, load_hardware, whole)


def _journal() -> Target:
    from rapidnn.search.archive import JOURNAL

    whole = _study()
    lines = [json.loads(line) for line in whole.decode().splitlines()]

    def text(rows: list[Any]) -> bytes:
        return "".join(json.dumps(row) + "\n" for row in rows).encode()

    def mutate(rng: Rng) -> bytes:
        if rng.random() < 0.3:
            return damaged_bytes(whole, rng, whole)
        return text(damaged_json(lines, rng))

    return Target("journal", f"study/{JOURNAL}", mutate, open_journal, whole)


def _study() -> bytes:
    """The journal of a search of two trials, one of them still running."""
    import tempfile

    import optuna

    from rapidnn.search.archive import JOURNAL, Archive, Kind
    from rapidnn.search.study import make_sampler

    with tempfile.TemporaryDirectory() as folder:
        archive = Archive.open(Path(folder), None, 2, lambda: make_sampler("tpe", 0))
        archive.describe(
            Kind(("loss", "energy"), {"w": (4, 16)}, "none", "a network", 10, {}), [], {"trials": 2}
        )
        choices = {"w": optuna.distributions.CategoricalDistribution([4, 16])}
        trial = archive.study.ask(choices)
        attributes = {"figures": {"loss": 0.1, "energy": 2.0}, "samples": 10, "refused": None}
        for name, value in {**attributes, "verified": True, "noise": None}.items():
            trial.set_user_attr(name, value)
        archive.study.tell(trial, [0.1, 2.0])
        archive.study.ask(choices)
        archive.flush()
        return (Path(folder) / JOURNAL).read_bytes()


def open_journal(path: Path) -> object:
    """What a study holds, as ``explore --front`` and ``--resume`` read it."""
    from rapidnn.search.archive import read_study

    for leftover in path.parent.glob("*.lock*"):
        leftover.unlink()
    return read_study(path.parent)


def _onnx() -> Target:
    from rapidnn.frontends import import_model
    from tests.frontends import fuzz

    bases = fuzz.bases()

    def mutate(rng: Rng) -> bytes:
        return fuzz.mutate(bases[int(rng.integers(2))][0], rng)

    def read(path: Path) -> object:
        error: Exception | None = None
        for _, shape in bases:
            try:
                return import_model(path, np.ones((2, *shape), np.float32))
            except DataError as wrong:  # the samples are the other base's
                error = wrong
        assert error is not None
        raise error

    return Target("onnx", "net.onnx", mutate, read, bases[0][0].SerializeToString())


MADE: dict[str, Callable[[], Target]] = {
    "statistics": _statistics,
    "npz": _npz,
    "npy-header": _npy_header,
    "weights": _weights,
    "gzip": _gzip,
    "lzw": _lzw,
    "artifact": _artifact,
    "artifact-document": _artifact_document,
    "artifact-tensors": _artifact_tensors,
    "command-line": _command_line,
    "hardware": _hardware,
    "journal": _journal,
    "onnx": _onnx,
}
