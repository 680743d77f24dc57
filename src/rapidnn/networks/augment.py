"""Random changes to a raw training batch that leave its label true."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rapidnn.data import Layout

Augment = Literal["none", "shift", "shift-flip"]


def augment(
    x: NDArray[Any], kind: Augment, pixels: int, layout: Layout, rng: np.random.Generator
) -> NDArray[Any]:
    """A changed copy of a raw batch of images, of its shape and type.

    ``shift`` moves every image by up to ``pixels`` each way, filling with 0; ``shift-flip`` also mirrors half
    of them left to right. Feature vectors (fewer than two axes a sample) have no such changes and are
    returned as they are.
    """
    if kind == "none" or x.ndim < 3:
        return x
    rows = 1 if layout == "nhwc" or x.ndim == 3 else 2
    pads = [(0, 0)] * x.ndim
    pads[rows] = pads[rows + 1] = (pixels, pixels)
    padded = np.pad(x, pads)
    height, width = x.shape[rows], x.shape[rows + 1]
    out = np.empty_like(x)
    offsets = rng.integers(0, 2 * pixels + 1, (len(x), 2))
    flips = rng.random(len(x)) < 0.5 if kind == "shift-flip" else np.zeros(len(x), np.bool_)
    lead = (slice(None),) * (rows - 1)
    for i, (top, left) in enumerate(offsets):
        window = padded[i][(*lead, slice(top, top + height), slice(left, left + width))]
        out[i] = np.flip(window, axis=rows) if flips[i] else window
    return out
