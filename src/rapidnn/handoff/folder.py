"""Folders that are whole or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from rapidnn.errors import DataError

MARK = "export.json"
"""Every export holds this file; a folder without it is not ours to replace."""


def check_folder(target: Path, *inputs: Path) -> None:
    """Refuse a folder that cannot be written, or whose content is not an earlier export.

    Raises
    ------
    DataError
        In one line that says what is wrong with the path.
    """
    if target.exists() and not target.is_dir():
        raise DataError(f"{target}: a file; an export is a folder, give another name")
    if target.is_dir() and any(target.iterdir()) and not (target / MARK).is_file():
        raise DataError(f"{target}: holds other files; give a new or an empty folder, or an earlier export's")
    if any(target.resolve() in source.resolve().parents for source in inputs if target.is_dir()):
        raise DataError(f"{target}: holds the artifact, which writing would destroy; give another folder")
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise DataError(f"{target}: cannot be written: {parent} is not a writable folder")


def write_folder(target: Path, files: dict[str, str | bytes]) -> None:
    """Write ``files`` (by name, subfolders with ``/``) as the folder ``target``: whole, or not at all.

    They are written beside it under another name, which takes the folder's place at the end.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    check_folder(target)
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(
            tempfile.mkdtemp(dir=target.absolute().parent, prefix=f".{target.name}.", suffix=".part")
        )
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None
    try:
        for name, content in files.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        _take_place(temporary, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _take_place(temporary: Path, target: Path) -> None:
    """Rename over the target; a folder that holds files must first step aside, and what its user added moves on."""
    if not target.exists():
        temporary.rename(target)
        return
    aside = temporary.with_suffix(".old")
    target.rename(aside)
    try:
        temporary.rename(target)
    except OSError:
        aside.rename(target)
        raise
    written = _written(aside)
    for path in aside.iterdir():
        if path.name not in written and not (target / path.name).exists():
            path.rename(target / path.name)
    shutil.rmtree(aside, ignore_errors=True)


def _written(folder: Path) -> set[str]:
    """Top-level names that an earlier export wrote."""
    try:
        files = json.loads((folder / MARK).read_text("utf-8"))["files"]
        return {MARK, *(str(name).split("/")[0] for name in files)}
    except (OSError, ValueError, KeyError, TypeError):
        return {MARK}
