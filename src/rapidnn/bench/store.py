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


class Store:
    """A folder of built files.

    Parameters
    ----------
    folder
        Made when the first file is built.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(
        self, suffix: str, recipe: dict[str, Any], sources: tuple[str, ...], build: Callable[[Path], None]
    ) -> Path:
        """The file of a recipe, built into place atomically if it is not there.

        ``sources`` are the files and folders of this package whose code decides the content.

        Raises
        ------
        DataError
            If it cannot be written.
        """
        whole = {"recipe": recipe, "sources": _digest(sources), "versions": versions()}
        name = hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
        path = self.folder / f"{name}{suffix}"
        if not path.is_file():
            try:
                with atomic_path(path) as temporary:
                    build(temporary)
            except OSError as error:
                raise DataError(
                    f"cannot write the benchmark cache {self.folder}: {error.strerror or error}; set RAPIDNN_CACHE"
                ) from error
        return path


def versions() -> dict[str, str]:
    """Versions of rapidnn and of what it is measured against."""
    from importlib.metadata import version

    from rapidnn import __version__

    return {"rapidnn": __version__} | {name: version(name) for name in ("torch", "onnxruntime", "numpy")}


@cache
def _digest(sources: tuple[str, ...]) -> str:
    root = Path(__file__).parents[1]
    found = hashlib.sha256()
    for source in sources:
        for path in sorted((root / source).rglob("*.py")) or [root / source]:
            found.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()
