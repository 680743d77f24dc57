"""Tables as ``$readmemh`` files, and references into them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Reference = dict[str, Any]
"""``file``, ``first`` word and number of ``words`` in it, ``bits`` of a word, whether it is ``signed``, ``shape``."""


def hex_words(values: NDArray[np.integer[Any]], bits: int) -> str:
    """A word a line, two's complement, as ``$readmemh`` reads it."""
    digits = -(-bits // 4)
    words = values.astype(np.int64).reshape(-1) & ((1 << bits) - 1)
    return "".join(f"{word:0{digits}x}\n" for word in words.tolist())


class Memories:
    """The files of an image, by name; tables of one file have one width."""

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}
        self._words: dict[str, int] = {}
        self._known: dict[tuple[str, bytes], Reference] = {}

    @property
    def files(self) -> dict[str, str | bytes]:
        """Text by name."""
        return {name: "".join(parts) for name, parts in self._texts.items()}

    def store(self, file: str, values: NDArray[Any], bits: int, *, signed: bool) -> Reference:
        """Append a table in C order; one that the file already holds is referred to again."""
        table = np.ascontiguousarray(values, np.int64)
        key = (file, table.tobytes())
        if key not in self._known:
            first = self._words.get(file, 0)
            self._texts.setdefault(file, []).append(hex_words(table, bits))
            self._words[file] = first + table.size
            self._known[key] = {
                "file": file,
                "first": first,
                "words": table.size,
                "bits": bits,
                "signed": signed,
            }
        return self._known[key] | {"shape": list(table.shape)}
