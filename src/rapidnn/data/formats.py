"""From a data set's published files to raw arrays: idx (MNIST), CIFAR binary, ISOLET's and UCI HAR's tables.

Every parser checks counts, shapes and the range of labels, so that a file that passed its checksum by mistake
(a wrong pin) still cannot give wrong samples.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.data import archives, lzw
from rapidnn.errors import DataError

Arrays = dict[str, NDArray[Any]]
Counts = tuple[int, int]
"""Training and test samples."""

_HAR_OUTER = "human+activity+recognition+using+smartphones.zip"
_HAR_INNER = "UCI HAR Dataset.zip"
_HAR_SIGNALS = tuple(f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
_BYTES_PER_VALUE = 40
"""Generous bound on the text of one number, for size limits."""


def parse_idx(files: Mapping[str, Path], counts: Counts) -> Arrays:
    """The four ``idx.gz`` files of MNIST and its kin: uint8 (N, 28, 28) and labels 0..9."""
    arrays: Arrays = {}
    for split, prefix, count in zip(("train", "test"), ("train", "t10k"), counts, strict=True):
        images = _idx(files[f"{prefix}-images-idx3-ubyte.gz"], (count, 28, 28))
        labels = _idx(files[f"{prefix}-labels-idx1-ubyte.gz"], (count,))
        arrays |= _split(split, images, labels, 10, f"{prefix}-labels")
    return arrays


def parse_cifar10(files: Mapping[str, Path], counts: Counts) -> Arrays:
    """CIFAR-10's binary version: records of a label and 3072 bytes, channel-first -> uint8 (N, 32, 32, 3)."""
    folder, per_batch = "cifar-10-batches-bin", counts[0] // 5
    train = [f"{folder}/data_batch_{i}.bin" for i in range(1, 6)]
    test = f"{folder}/test_batch.bin"
    sizes = dict.fromkeys(train, per_batch * 3073) | {test: counts[1] * 3073}
    content = archives.read_tar_members(files["cifar-10-binary.tar.gz"], sizes)
    arrays = _cifar_split("train", b"".join(content[name] for name in train), 1, 10)
    return arrays | _cifar_split("test", content[test], 1, 10)


def parse_cifar100(files: Mapping[str, Path], counts: Counts) -> Arrays:
    """CIFAR-100's binary version: records of a coarse label, the fine label (taken) and 3072 bytes."""
    train, test = "cifar-100-binary/train.bin", "cifar-100-binary/test.bin"
    sizes = {train: counts[0] * 3074, test: counts[1] * 3074}
    content = archives.read_tar_members(files["cifar-100-binary.tar.gz"], sizes)
    return _cifar_split("train", content[train], 2, 100) | _cifar_split("test", content[test], 2, 100)


def parse_isolet(files: Mapping[str, Path], counts: Counts) -> Arrays:
    """UCI ISOLET: two ``.Z`` tables, 617 features in [-1, 1] and a letter 1..26 -> float32, labels 0..25."""
    path = files["isolet.zip"]
    arrays: Arrays = {}
    for split, member, count in zip(
        ("train", "test"), ("isolet1+2+3+4.data.Z", "isolet5.data.Z"), counts, strict=True
    ):
        limit = count * 618 * _BYTES_PER_VALUE
        packed = archives.read_zip_member(path, member, limit_bytes=limit, shown=path.name)
        table = _table(lzw.decompress(packed, limit_bytes=limit), (count, 618), member, delimiter=",")
        arrays |= _split(split, table[:, :617].astype(np.float32), table[:, 617] - 1, 26, member)
    return arrays


def parse_har(files: Mapping[str, Path], counts: Counts) -> Arrays:
    """UCI HAR's 561 features in [-1, 1] -> float32, activities 1..6 -> labels 0..5."""
    inner = _har_inner(files)
    arrays: Arrays = {}
    for split, count in zip(("train", "test"), counts, strict=True):
        x = _har_table(inner, f"{split}/X_{split}.txt", (count, 561)).astype(np.float32)
        arrays |= _split(split, x, _har_table(inner, f"{split}/y_{split}.txt", (count, 1))[:, 0] - 1, 6, "y")
    return arrays


def parse_har_inertial(files: Mapping[str, Path], counts: Counts) -> Arrays:
    """UCI HAR's raw signals -> float32 (N, 9, 128): x, y, z of each of ``body_acc, body_gyro, total_acc``."""
    inner = _har_inner(files)
    arrays: Arrays = {}
    for split, count in zip(("train", "test"), counts, strict=True):
        signals = [
            _har_table(inner, f"{split}/Inertial Signals/{signal}_{split}.txt", (count, 128)).astype(
                np.float32
            )
            for signal in _HAR_SIGNALS
        ]
        labels = _har_table(inner, f"{split}/y_{split}.txt", (count, 1))[:, 0] - 1
        arrays |= _split(split, np.stack(signals, axis=1), labels, 6, "y")
    return arrays


def _idx(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """One idx file of bytes: 0, 0, type 8, number of axes, big-endian extents, values."""
    header = 4 + 4 * len(shape)
    expected = header + int(np.prod(shape))
    content = archives.read_gzip(path, limit_bytes=expected)
    want = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    if content[:header] != want:
        raise DataError(f"{path.name}: its header does not announce bytes of shape {shape}")
    if len(content) != expected:
        raise DataError(f"{path.name}: truncated, {len(content)} of {expected} bytes")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _cifar_split(split: str, content: bytes, label_bytes: int, classes: int) -> Arrays:
    rows = np.frombuffer(content, np.uint8).reshape(-1, label_bytes + 3072)
    images = np.ascontiguousarray(rows[:, label_bytes:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
    return _split(split, images, rows[:, label_bytes - 1], classes, "CIFAR")


def _har_inner(files: Mapping[str, Path]) -> bytes:
    path = files[_HAR_OUTER]
    return archives.read_zip_member(path, _HAR_INNER, limit_bytes=1 << 27, shown=path.name)


def _har_table(inner: bytes, member: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    limit = shape[0] * shape[1] * _BYTES_PER_VALUE
    name = f"UCI HAR Dataset/{member}"
    return _table(archives.read_zip_member(inner, name, limit_bytes=limit, shown=_HAR_INNER), shape, member)


def _table(
    text: bytes, shape: tuple[int, int], name: str, delimiter: str | None = None
) -> NDArray[np.float64]:
    try:
        table = np.loadtxt(io.BytesIO(text), np.float64, delimiter=delimiter, ndmin=2, encoding="ascii")
    except ValueError as error:
        raise DataError(f"{name}: not a table of numbers: {str(error).splitlines()[0]}") from None
    if table.shape != shape or not np.isfinite(table).all():
        raise DataError(f"{name}: a table of {table.shape} numbers, {shape} finite ones are expected")
    return table


def _split(split: str, x: NDArray[Any], labels: NDArray[Any], classes: int, where: str) -> Arrays:
    as_bytes = labels.astype(np.uint8)
    if not np.array_equal(as_bytes, labels) or int(as_bytes.max()) >= classes:
        raise DataError(f"{where}: labels are not all integers from 0 to {classes - 1}")
    return {f"x_{split}": x, f"y_{split}": as_bytes}
