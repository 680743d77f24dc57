"""Damage: bytes flipped, cut, repeated and spliced, and JSON values replaced by those of a hostile writer."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np

WORDS = (
    b"\x00" * 4,
    b"\xff" * 4,
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\x00" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
)
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 7, 255, 256, 65536, 2**31 - 1, 2**31, -(2**31), 2**63, 2**64, -(2**63), 10**30,
    10**400, 0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), "", "a", "..", "/etc/passwd",
    "../../x", "\x00", "é" * 50, "nan", "1e999", [], [0], [[]], {}, {"type": "Program"}, {"tensor": "x"},
    [1] * 300, "x" * 5000,
)  # fmt: skip


def damaged_bytes(data: bytes, rng: np.random.Generator, other: bytes = b"") -> bytes:
    """One damaged form of a file's bytes."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(len(out) + 1))
        match int(rng.integers(8)):
            case 0 | 1 if out:
                for _ in range(int(rng.integers(1, 6))):
                    out[int(rng.integers(len(out)))] ^= 1 << int(rng.integers(8))
            case 2:
                word = WORDS[int(rng.integers(len(WORDS)))]
                out[at : at + len(word)] = word
            case 3:
                del out[at:]
            case 4:
                del out[at : at + int(rng.integers(1, 32))]
            case 5:
                piece = out[at : at + int(rng.integers(1, 64))]
                out[at:at] = piece * int(rng.integers(1, 4))
            case 6:
                out[at:at] = rng.bytes(int(rng.integers(1, 16)))
            case _:
                start = int(rng.integers(len(other) + 1))
                out[at : at + 64] = other[start : start + int(rng.integers(64))]
    return bytes(out)


def damaged_json(document: Any, rng: np.random.Generator, times: int = 0) -> Any:
    """A copy with one to three values replaced, deleted, repeated or swapped."""
    changed = copy.deepcopy(document)
    for _ in range(times or int(rng.integers(1, 4))):
        places = list(_places(changed))
        if not places:
            return changed
        holder, key = places[int(rng.integers(len(places)))]
        match int(rng.integers(6)):
            case 0:
                del holder[key]
            case 1:
                other, k = places[int(rng.integers(len(places)))]
                holder[key] = copy.deepcopy(other[k])
            case 2 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case 2:
                holder[str(key) + "x"] = holder.pop(key)
            case 3 if isinstance(holder[key], int | float) and not isinstance(holder[key], bool):
                step = (1, -1, holder[key], -2 * holder[key])[int(rng.integers(4))]
                holder[key] = holder[key] + step
            case _:
                holder[key] = copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])
    return changed


def json_text(document: Any, rng: np.random.Generator) -> bytes:
    """The text of a document; now and then nested beyond reason, or with a number of many digits."""
    text = json.dumps(document)
    kind = int(rng.integers(40))
    if kind == 0:
        depth = int(rng.integers(1000, 200_000))
        text = text[: len(text) // 2] + "[" * depth + "]" * depth + text[len(text) // 2 :]
    elif kind == 1:
        depth = int(rng.integers(1000, 200_000))
        text = '{"a":' * depth + "1" + "}" * depth
    elif kind == 2:
        text = text.replace("1", "1" * int(rng.integers(5000, 20_000)), 1)
    return text.encode()


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key, item in value.items():
            yield value, key
            yield from _places(item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield value, index
            if index < 50:
                yield from _places(item)
