"""Files that a benchmark builds once: each is named by the digest of all that decides its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from rapidnn.errors import DataError
from rapidnn.files import atomic_path

_MAKERS = ("graph", "frontends", "composer", "tables", "networks", "execute", "bench")
"""Packages whose source decides what is built."""


class Store:
    """A folder of built files.

    Parameters
    ----------
    folder
        Made when the first file is built.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, suffix: str, recipe: dict[str, Any], build: Callable[[Path], None]) -> Path:
        """The file of a recipe, built into place atomically if it is not there.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        path = self.folder / f"{digest(recipe)}{suffix}"
        if not path.is_file():
            try:
                with atomic_path(path) as temporary:
                    build(temporary)
            except OSError as error:
                raise DataError(
                    f"cannot write the benchmark cache {self.folder}: {error.strerror or error}; set RAPIDNN_CACHE"
                ) from error
        return path


def digest(recipe: dict[str, Any]) -> str:
    """SHA-256, hexadecimal, of a recipe, of our sources, and of the versions that build from it."""
    whole = {"recipe": recipe, "sources": _sources(), "versions": versions()}
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of rapidnn and of what it is measured against."""
    from importlib.metadata import version

    from rapidnn import __version__

    return {"rapidnn": __version__} | {name: version(name) for name in ("torch", "onnxruntime", "numpy")}


@cache
def _sources() -> str:
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for package in _MAKERS:
        for path in sorted((root / package).rglob("*.py")):
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
