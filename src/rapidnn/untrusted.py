"""Reading files that a stranger may have made: bounded before they are read, plain data only, one kind of error."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from rapidnn.errors import DataError

LIMIT_VARIABLE = "RAPIDNN_LIMIT_BYTES"
"""Environment variable: what a file may unpack to, in bytes."""
DEFAULT_LIMIT_BYTES = 8 << 30
MOST_TEXT_BYTES = 64 << 20
"""JSON and YAML beyond this are none of ours."""
_MOST_DEPTH = 60
_SHOWN = 300


class UnreadableError(DataError, ValueError):
    """A file that cannot be what it should be; the message is one line."""


def limit_bytes() -> int:
    """How much a compressed file may unpack to.

    Raises
    ------
    UnreadableError
        If the environment's limit is no positive whole number.
    """
    given = os.environ.get(LIMIT_VARIABLE, "")
    if not given:
        return DEFAULT_LIMIT_BYTES
    if not given.isdecimal() or int(given) < 1:
        raise UnreadableError(f"{LIMIT_VARIABLE}={given!r}: expected a positive number of bytes")
    return int(given)


def one_line(error: BaseException | str) -> str:
    """What an error says, as one line of bounded length; its kind where it says nothing."""
    text = f"missing {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _SHOWN]).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + " ..."


def read_text(path: Path) -> str:
    """A text file in UTF-8, refused before reading if it is too long.

    Raises
    ------
    UnreadableError
        If it is missing, too long, or not text.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MOST_TEXT_BYTES + 1)
        if len(content) > MOST_TEXT_BYTES:
            raise UnreadableError(f"it has more than {MOST_TEXT_BYTES >> 20} MiB")
        return content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableError(one_line(error)) from None


def parse_json(text: str) -> Any:
    """JSON of finite numbers.

    Raises
    ------
    UnreadableError
        If it is none, is nested too deeply, or holds a number that is not finite or has thousands of digits.
    """
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"not JSON: {one_line(error)}") from None


def _no_constant(word: str) -> float:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is not finite")
    return value


class _Loader(yaml.SafeLoader):
    """Plain data without aliases (a few lines of them can stand for gigabytes) and of bounded depth."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise yaml.YAMLError("it is nested too deeply")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def parse_yaml(text: str) -> Any:
    """YAML of plain data, one document.

    Raises
    ------
    UnreadableError
        If it is none, has aliases or is nested too deeply.
    """
    try:
        return yaml.load(text, _Loader)
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        OverflowError,
        RecursionError,
    ) as error:
        # The safe loader's constructors raise their own kinds on dates and numbers that are none.
        raise UnreadableError(f"not valid YAML: {one_line(error)}") from None


def read_npz(path: Path, wanted: Callable[[str], bool]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """The wanted arrays of an ``.npz`` by name, and the names of all its members.

    What members unpack to is taken from the archive's directory and refused before any is read; an array must be as
    long as its header says and no longer than its member.

    Raises
    ------
    UnreadableError
        If the file is damaged, too large, or holds pickled objects.
    """
    limit = limit_bytes()
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            chosen = {name: info for name, info in members.items() if wanted(name)}
            total = sum(info.file_size for info in chosen.values())
            if total > limit:
                raise UnreadableError(
                    f"its arrays unpack to {total} bytes, over the limit of {limit}; {LIMIT_VARIABLE} raises it"
                )
            return {name: _array(archive, info) for name, info in chosen.items()}, list(members)
    except (
        Exception
    ) as error:  # zip, its compressors and NumPy's headers each raise their own kinds on damaged bytes
        raise UnreadableError(one_line(error)) from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """One member, its declared size checked against the member's before memory is taken for it."""
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        if version not in ((1, 0), (2, 0)):
            raise UnreadableError(f"an array of format version {version}")
        shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise UnreadableError("an array of Python objects")
    if any(not 0 <= extent < 2**31 for extent in shape) or dtype.itemsize == 0:
        raise UnreadableError(f"an array of shape {shape} and type {dtype}")
    if math.prod(shape) * dtype.itemsize > info.file_size:
        raise UnreadableError(f"an array of shape {shape}, type {dtype}, in {info.file_size} bytes")
    with archive.open(info) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))
