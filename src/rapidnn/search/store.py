"""A study's folder: what was composed and counted, by content, so that no trial makes it twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rapidnn import untrusted
from rapidnn.composer.settings import Settings
from rapidnn.errors import DataError
from rapidnn.files import atomic_path


class Store:
    """JSON documents in a folder under the digest of what they were made from.

    ``source`` stands for the network and its data. Writing is atomic, so a document is whole or absent. Only the
    process that leads a search reads and writes it; workers get and give documents with their tasks.
    """

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self.source = source

    def path(self, of: Settings | str) -> Path:
        """Where the document of these settings, or of this name, lies."""
        text = json.dumps([self.source, of if isinstance(of, str) else asdict(of)], sort_keys=True)
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"

    def get(self, of: Settings | str) -> dict[str, Any]:
        """A stored document, or an empty one; one that cannot be read counts as absent and is made again."""
        try:
            found = untrusted.parse_json(untrusted.read_text(self.path(of)))
        except untrusted.UnreadableError:
            return {}
        return found if isinstance(found, dict) else {}

    def put(self, of: Settings | str, document: dict[str, Any]) -> None:
        """Store a document.

        Raises
        ------
        DataError
            If the folder cannot be written, for example because the disk is full.
        """
        path = self.path(of)
        try:
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(document, sort_keys=True), encoding="utf-8")
        except OSError as error:
            raise DataError(
                f"{path}: cannot be written ({error.strerror or error}); the trials before are kept, and the same "
                "command goes on"
            ) from None
