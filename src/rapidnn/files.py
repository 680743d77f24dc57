"""Files that are whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rapidnn.errors import DataError

UMASK = os.umask(0)
os.umask(UMASK)  # reading it means setting it, so it is read once, before there are threads


def check_output(target: Path, *inputs: Path | None) -> None:
    """Refuse a result's path before the work starts: a folder, under a file, not writable, or one of the inputs.

    Raises
    ------
    DataError
        In one line that says what is wrong with the path.
    """
    if target.is_dir():
        raise DataError(f"{target}: a folder; give the name of a file to write")
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise DataError(f"{target}: cannot be written: {parent} is not a writable folder")
    for source in inputs:
        if source is not None and source.exists() and source.resolve() == target.resolve():
            raise DataError(f"{target}: is also an input, which writing would destroy; give another name")


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place when the block ends well, and vanishes when it does not.

    The content reaches the disk before the name changes, so a crash at any moment leaves the old file or the new one.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~UMASK)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
