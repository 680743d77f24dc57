"""A study's folder: what was composed and counted, by content, so that no trial makes it twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
from rapidnn.files import atomic_path


class Store:
    """JSON documents in a folder under the digest of what they were made from.

    Writing is atomic, so a document is whole or absent, and two processes may write the same one.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.source = source
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None

    def path(self, settings: Settings, kind: str) -> Path:
        """Where the document of a kind for these settings lies."""
        text = json.dumps([self.source, asdict(settings)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.{kind}.json"

    def get(self, settings: Settings, kind: str) -> dict[str, Any] | None:
        """A stored document, or None; one that cannot be read counts as absent and is made again."""
        try:
            found = json.loads(self.path(settings, kind).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def put(self, settings: Settings, kind: str, document: dict[str, Any]) -> None:
        """Store a document.

        Raises
        ------
        DataError
            If the folder cannot be written, for example because the disk is full.
        """
        path = self.path(settings, kind)
        try:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
