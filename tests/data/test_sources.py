"""Each public form, made small, served from 127.0.0.1, fetched, parsed and cached."""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rapidnn.data import load_data
from rapidnn.data.datasets import prepare
from rapidnn.data.sources import SOURCES, Source
from rapidnn.errors import DataError
from tests.data.compress import compress
from tests.data.server import Mirror

RNG = np.random.default_rng(0)
COUNTS = (10, 5)
HAR_ZIP = "human+activity+recognition+using+smartphones.zip"
Files = dict[str, bytes]
Truth = dict[str, np.ndarray]


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def truth(sample: tuple[int, ...], classes: int, *, floats: bool) -> Truth:
    made: Truth = {}
    for split, count in zip(("train", "test"), COUNTS, strict=True):
        shape = (count, *sample)
        made[f"x_{split}"] = (
            RNG.uniform(-1, 1, shape).round(4).astype(np.float32)
            if floats
            else RNG.integers(0, 256, shape, np.uint8)
        )
        made[f"y_{split}"] = RNG.integers(0, classes, count, np.uint8)
    return made


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def rows(table: np.ndarray, separator: str) -> bytes:
    return "".join(separator.join(f"{v:.4f}" for v in row) + "\n" for row in table).encode()


def mnist() -> tuple[Files, Truth]:
    made = truth((28, 28), 10, floats=False)
    files = {}
    for split, prefix in (("train", "train"), ("test", "t10k")):
        files[f"{prefix}-images-idx3-ubyte.gz"] = gzip.compress(idx(made[f"x_{split}"]))
        files[f"{prefix}-labels-idx1-ubyte.gz"] = gzip.compress(idx(made[f"y_{split}"]))
    return files, made


def cifar_records(x: np.ndarray, *labels: np.ndarray) -> bytes:
    pixels = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
    return np.concatenate([*(label[:, None] for label in labels), pixels], axis=1).astype(np.uint8).tobytes()


def cifar10() -> tuple[Files, Truth]:
    made = truth((32, 32, 3), 10, floats=False)
    x, y = made["x_train"], made["y_train"]
    folder = "cifar-10-batches-bin"
    members = {
        f"{folder}/data_batch_{i + 1}.bin": cifar_records(x[2 * i : 2 * i + 2], y[2 * i : 2 * i + 2])
        for i in (4, 2, 0, 1, 3)  # archives are not in the order of the names
    }
    members[f"{folder}/readme.html"] = b"hello"
    members[f"{folder}/test_batch.bin"] = cifar_records(made["x_test"], made["y_test"])
    return {"cifar-10-binary.tar.gz": tarred(members)}, made


def cifar100() -> tuple[Files, Truth]:
    made = truth((32, 32, 3), 100, floats=False)
    members = {
        f"cifar-100-binary/{split}.bin": cifar_records(
            made[f"x_{split}"], np.zeros_like(made[f"y_{split}"]) + 7, made[f"y_{split}"]
        )
        for split in ("train", "test")
    }
    return {"cifar-100-binary.tar.gz": tarred(members)}, made


def isolet() -> tuple[Files, Truth]:
    made = truth((617,), 26, floats=True)
    members = {}
    for split, name in (("train", "isolet1+2+3+4"), ("test", "isolet5")):
        table = np.concatenate([made[f"x_{split}"], made[f"y_{split}"][:, None] + 1.0], axis=1)
        members[f"{name}.data.Z"] = compress(rows(table, ", "))
    return {"isolet.zip": zipped(members)}, made


def har_members(made: Truth) -> dict[str, bytes]:
    return {
        f"UCI HAR Dataset/{s}/y_{s}.txt": rows(made[f"y_{s}"][:, None] + 1, "").replace(b".0000", b"")
        for s in ("train", "test")
    }


def har() -> tuple[Files, Truth]:
    made = truth((561,), 6, floats=True)
    members = har_members(made) | {
        f"UCI HAR Dataset/{s}/X_{s}.txt": rows(made[f"x_{s}"], "  ") for s in ("train", "test")
    }
    return {HAR_ZIP: zipped({"UCI HAR Dataset.zip": zipped(members)})}, made


def har_inertial() -> tuple[Files, Truth]:
    made = truth((9, 128), 6, floats=True)
    names = [f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz"]
    members = har_members(made) | {
        f"UCI HAR Dataset/{s}/Inertial Signals/{name}_{s}.txt": rows(made[f"x_{s}"][:, i], "  ")
        for s in ("train", "test")
        for i, name in enumerate(names)
    }
    return {HAR_ZIP: zipped({"UCI HAR Dataset.zip": zipped(members)})}, made


MAKERS: dict[str, Callable[[], tuple[Files, Truth]]] = {
    "mnist": mnist,
    "fashion-mnist": mnist,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "isolet": isolet,
    "har": har,
    "har-inertial": har_inertial,
}


def small(name: str, files: Files, mirror: Mirror) -> Source:
    """The known source with small counts and these files' digests, the files on the mirror."""
    source = SOURCES[name]
    pinned = []
    for file in source.files:
        mirror.files[f"{file.group}/{file.name}"] = files[file.name]
        pinned.append(replace(file, sha256=hashlib.sha256(files[file.name]).hexdigest()))
    return replace(source, counts=COUNTS, files=tuple(pinned))


@pytest.mark.parametrize("name", MAKERS)
def test_fetch_parse_cache_load(
    name: str, mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, made = MAKERS[name]()
    source = small(name, files, mirror)
    monkeypatch.setitem(SOURCES, name, source)
    monkeypatch.setenv("RAPIDNN_MIRROR", mirror.url + "/")
    data = load_data(name)
    assert data.name == name
    for key in ("x_train", "x_test"):
        assert np.array_equal(getattr(data, key), made[key])
        assert getattr(data, key).dtype == made[key].dtype
    for key in ("y_train", "y_test"):
        assert np.array_equal(getattr(data, key), made[key])
    asked = len(mirror.requests)
    assert (tmp_path / "cache" / f"{name}.npz").is_file()
    load_data(name)
    assert len(mirror.requests) == asked == len(source.files)


def test_the_pins_hold_against_a_mirror_too(mirror: Mirror, tmp_path: Path) -> None:
    small("isolet", isolet()[0], mirror)
    with pytest.raises(DataError, match="not the published file"):
        load_data("isolet", mirror=mirror.url)
    assert not list((tmp_path / "cache").rglob("*.npz"))
    assert not list((tmp_path / "cache").rglob("*.zip*"))


def test_two_data_sets_share_one_download(mirror: Mirror, tmp_path: Path) -> None:
    files, _ = har()
    source = small("har", files, mirror)
    prepare(source, tmp_path, mirror=mirror.url)
    with pytest.raises(DataError, match="does not hold 'UCI HAR Dataset/train/Inertial Signals/body_acc_x"):
        prepare(
            replace(SOURCES["har-inertial"], counts=COUNTS, files=source.files), tmp_path, mirror=mirror.url
        )
    assert len(mirror.requests) == 1


@pytest.mark.parametrize("name", MAKERS)
def test_a_truncated_file_with_a_matching_checksum_is_still_refused(
    name: str, mirror: Mirror, tmp_path: Path
) -> None:
    files, _ = MAKERS[name]()
    source = small(name, {key: content[: len(content) * 3 // 4] for key, content in files.items()}, mirror)
    with pytest.raises(DataError) as error:
        prepare(source, tmp_path, mirror=mirror.url)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("*.npz*"))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("counts", [(15, 5), (5, 5), (10, 4), (10, 6)])
def test_another_number_of_samples_is_refused(
    name: str, counts: tuple[int, int], mirror: Mirror, tmp_path: Path
) -> None:
    source = replace(small(name, MAKERS[name]()[0], mirror), counts=counts)
    with pytest.raises(DataError):
        prepare(source, tmp_path, mirror=mirror.url)
    assert not list(tmp_path.glob("*.npz*"))


def test_labels_out_of_range_are_refused(mirror: Mirror, tmp_path: Path) -> None:
    files, made = mnist()
    files["t10k-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.full_like(made["y_test"], 10)))
    with pytest.raises(DataError, match="t10k-labels: labels are not all integers from 0 to 9"):
        prepare(small("mnist", files, mirror), tmp_path, mirror=mirror.url)


def test_a_member_longer_than_expected_is_not_unpacked(mirror: Mirror, tmp_path: Path) -> None:
    files, _ = mnist()
    files["train-images-idx3-ubyte.gz"] = gzip.compress(bytes(50_000_000))
    with pytest.raises(DataError, match="unpacks to more than the 7856 bytes expected"):
        prepare(small("mnist", files, mirror), tmp_path, mirror=mirror.url)


def test_a_link_in_the_place_of_a_member_is_refused(mirror: Mirror, tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("cifar-100-binary/train.bin")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    source = small("cifar100", {"cifar-100-binary.tar.gz": stream.getvalue()}, mirror)
    with pytest.raises(DataError, match=r"train.bin"):
        prepare(source, tmp_path, mirror=mirror.url)


def test_offline_names_the_address_and_the_ways_out(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        prepare(SOURCES["isolet"], tmp_path, mirror=mirror.url, attempts=1)
    text = str(error.value)
    assert f"{mirror.url}/uci/isolet.zip: HTTP 404" in text
    assert "RAPIDNN_DATA" in text
    assert str(tmp_path / "downloads") in text
    assert "\n" not in text
