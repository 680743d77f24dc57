"""Reading members of downloaded archives: by exact name, never onto disk, never longer than expected."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from pathlib import Path

from rapidnn.errors import DataError

_DAMAGED = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError)


def read_gzip(path: Path, *, limit_bytes: int) -> bytes:
    """The content of a ``.gz`` file, refused if it is longer than ``limit_bytes``."""
    try:
        with gzip.open(path, "rb") as stream:
            content = stream.read(limit_bytes + 1)
    except _DAMAGED as error:
        raise _damaged(path.name, error) from None
    return _within(content, limit_bytes, path.name)


def read_zip_member(archive: Path | bytes, member: str, *, limit_bytes: int, shown: str) -> bytes:
    """One member of a zip file, refused if longer than ``limit_bytes``; errors call the file ``shown``."""
    try:
        with zipfile.ZipFile(archive if isinstance(archive, Path) else io.BytesIO(archive)) as opened:
            if member not in opened.namelist():
                raise DataError(f"{shown} does not hold {member!r}: not the published archive")
            if opened.getinfo(member).file_size > limit_bytes:
                raise DataError(f"{shown}: {member!r} is longer than the {limit_bytes} bytes expected")
            with opened.open(member) as stream:
                content = stream.read(limit_bytes + 1)
    except _DAMAGED as error:
        raise _damaged(shown, error) from None
    return _within(content, limit_bytes, f"{shown}: {member}")


def read_tar_members(path: Path, members: dict[str, int]) -> dict[str, bytes]:
    """Members of a ``.tar.gz`` in one pass, each a plain file of exactly the given number of bytes."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|gz") as opened:
            for info in opened:
                if info.name not in members:
                    continue
                stream = opened.extractfile(info) if info.isreg() else None
                if stream is None or info.size != members[info.name]:
                    raise DataError(
                        f"{path.name}: {info.name!r} has {info.size} bytes, {members[info.name]} are expected"
                    )
                found[info.name] = stream.read()
    except _DAMAGED as error:
        raise _damaged(path.name, error) from None
    for name, size in members.items():
        if len(found.get(name, b"")) != size:
            raise DataError(f"{path.name} does not hold {name!r} whole: not the published archive")
    return found


def _within(content: bytes, limit_bytes: int, shown: str) -> bytes:
    if len(content) > limit_bytes:
        raise DataError(f"{shown} unpacks to more than the {limit_bytes} bytes expected")
    return content


def _damaged(shown: str, error: Exception) -> DataError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DataError(f"{shown} is truncated or damaged ({reason}); delete it and fetch it again")
