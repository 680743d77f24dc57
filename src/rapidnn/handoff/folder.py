"""Folders that are whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from rapidnn.errors import DataError
from rapidnn.files import UMASK

MARK = "export.json"
"""Every export holds this file; a folder without it is not ours to replace."""


def check_folder(target: Path, *inputs: Path) -> None:
    """Refuse a folder that cannot be written, or whose content is not an earlier export.

    Raises
    ------
    DataError
        In one line that says what is wrong with the path.
    """
    try:
        _check(target, inputs)
    except (OSError, ValueError) as error:  # a name too long, a folder that may not be read
        raise _unwritable(target, error) from None


def write_folder(target: Path, files: dict[str, str | bytes]) -> None:
    """Write ``files`` (by name, subfolders with ``/``) as the folder ``target``: whole, or not at all.

    They are written beside it under another name, which takes the folder's place at the end; what its user added to an
    earlier export is there too by then. A symbolic link stays one: what it points to is written.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    check_folder(target)
    target = target.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name[:40]}.", suffix=".part"))
    except OSError as error:
        raise _unwritable(target, error) from None
    try:
        for name, content in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                # Names in an artifact may hold what UTF-8 cannot.
                file.write(content.encode(errors="backslashreplace") if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o777 & ~UMASK)
        _take_place(temporary, target)
    except OSError as error:
        raise _unwritable(target, error) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check(target: Path, inputs: tuple[Path, ...]) -> None:
    if target.exists() and not target.is_dir():
        raise DataError(f"{target}: a file; an export is a folder, give another name")
    if target.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise DataError(f"{target}: holds the current folder, which cannot be replaced; give another name")
    if target.is_dir() and any(target.iterdir()) and _written(target) is None:
        raise DataError(f"{target}: holds other files; give a new or an empty folder, or an earlier export's")
    if any(target.resolve() in source.resolve().parents for source in inputs if target.is_dir()):
        raise DataError(f"{target}: holds the artifact, which writing would destroy; give another folder")
    parent = target.resolve().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise DataError(f"{target}: cannot be written: {parent} is not a writable folder")


def _take_place(temporary: Path, target: Path) -> None:
    """Rename over the target; a folder that holds files must first step aside."""
    if not target.exists():
        temporary.rename(target)
        return
    _bring_along(target, temporary)
    aside = temporary.with_suffix(".old")
    try:
        target.rename(aside)
        temporary.rename(target)
    except BaseException:  # an interruption too must not leave the target's place empty
        if aside.exists() and not target.exists():
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _bring_along(earlier: Path, later: Path) -> None:
    """What the user added to an earlier export, as further links to the same files."""
    written = _written(earlier) or set()
    for path in earlier.iterdir():
        if path.name in written or (later / path.name).exists():
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, later / path.name, symlinks=True, copy_function=_link)
        else:
            _link(path, later / path.name)


def _link(source: str | Path, place: str | Path) -> None:
    """A hard link, or a copy where the file system has none."""
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, place, follow_symlinks=False)


def _written(folder: Path) -> set[str] | None:
    """Top-level names that an earlier export wrote; None if there was none."""
    try:
        mark = json.loads((folder / MARK).read_text("utf-8"))
        if "rapidnn" not in mark or not isinstance(mark["files"], list):
            return None
        return {MARK, *(str(name).split("/")[0] for name in mark["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _unwritable(target: Path, error: OSError | ValueError) -> DataError:
    reason = error.strerror if isinstance(error, OSError) else None
    return DataError(f"{target}: cannot be written ({reason or error})")
