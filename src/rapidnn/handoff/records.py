"""What an export reports."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Export:
    """A finished export.

    ``files`` are the names in ``folder``, ``files_bytes`` their sizes together. For C, ``flash_bytes`` are those of the
    constant tables (the machine code, a few KiB, comes on top and depends on the compiler) and ``ram_bytes`` those of
    the static buffers, without the caller's own input and output; None for every other kind.
    """

    kind: str
    folder: str
    files: tuple[str, ...]
    files_bytes: int
    flash_bytes: int | None = None
    ram_bytes: int | None = None


@dataclass(frozen=True)
class Content:
    """The files of an export before they are written, by name; and the C export's sizes."""

    files: dict[str, str | bytes]
    flash_bytes: int | None = None
    ram_bytes: int | None = None
