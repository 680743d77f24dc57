"""Pictures in folders by class."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from rapidnn.data.datasets import load_data
from tests.hostile.mutate import damaged_bytes
from tests.hostile.target import Rng, Target


def image(kind: str) -> Target:
    from PIL import Image

    rng = np.random.default_rng(0)
    pictures = []
    for mode, shape in (("L", (7, 9)), ("RGB", (7, 9, 3)), ("P", (7, 9))):
        stream = io.BytesIO()
        picture = Image.fromarray(rng.integers(0, 255, shape, np.uint8), "RGB" if mode == "RGB" else "L")
        picture = picture.convert(mode)
        if kind == "jpeg" and mode == "P":
            picture = picture.convert("L")
        picture.save(stream, kind)
        pictures.append(stream.getvalue())

    def mutate(rng: Rng) -> bytes:
        base = pictures[int(rng.integers(len(pictures)))]
        data = damaged_bytes(base, rng, pictures[0])
        return _repaired_png(data) if kind == "png" and rng.random() < 0.7 else data

    def read(path: Path) -> object:
        return load_data(path.parents[1])

    return Target(f"image-{kind}", f"images/a/p.{kind}", mutate, read, pictures[0])


def _repaired_png(data: bytes) -> bytes:
    """With the checksums of its chunks made right again, so that damage reaches the decoder."""
    import zlib

    out, at = bytearray(data[:8]), 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        body = data[at + 4 : at + 8 + size]
        if at + 12 + size > len(data):
            break
        out += data[at : at + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        at += 12 + size
    return bytes(out + data[at:])
