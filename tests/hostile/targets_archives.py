"""Archives, arrays, weights and compressed files."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import numpy as np

from rapidnn.data import archives, lzw, npz
from rapidnn.errors import DataError
from tests.hostile.mutate import damaged_bytes, damaged_json, json_text
from tests.hostile.target import Rng, Target


def _arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"inputs": rng.integers(0, 255, (6, 5, 4), np.uint8), "labels": np.arange(6) % 3}


def npz_archive() -> Target:
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


def npy_header() -> Target:
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


def weights() -> Target:
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


def gzipped() -> Target:
    whole = gzip.compress(bytes(range(256)) * 8, mtime=0)
    bomb = gzip.compress(bytes(64 << 20), mtime=0)

    def mutate(rng: Rng) -> bytes:
        return bomb if rng.random() < 0.0005 else damaged_bytes(whole, rng, whole)

    return Target("gzip", "d.gz", mutate, lambda path: archives.read_gzip(path, limit_bytes=4096), whole)


def lzw_table() -> Target:
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
