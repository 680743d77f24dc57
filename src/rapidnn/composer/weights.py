"""Weight codebooks and weight codes of one layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.cluster import cluster_all, encode, weighted_points
from rapidnn.composer.settings import Settings
from rapidnn.tables.program import Float64, Int32, UInt8


@dataclass(frozen=True, eq=False)
class WeightCodebooks:
    """``values`` int32 ``(G, w)``, ``scales`` float64 ``(G,)``, ``codes`` uint8 of the weight's shape.

    G is 1, or the number of output channels. Shorter codebooks are filled up with their last value, which no code
    refers to.
    """

    values: Int32
    scales: Float64
    bits: int
    codes: UInt8


def weight_codebooks(weight: NDArray[np.float32], size: int, settings: Settings) -> WeightCodebooks:
    """Cluster a layer's weights ``(O, ...)`` per layer or per output channel and encode them."""
    parts = [weight] if settings.granularity == "layer" else list(weight)
    books = cluster_all([weighted_points(part) for part in parts], size, settings.operand_bits)
    codes = np.empty(weight.shape, np.uint8)
    for part, book, target in zip(parts, books, [codes] if len(parts) == 1 else list(codes), strict=True):
        target[...] = encode(part, book.values, book.scale)
    longest = max(len(book.values) for book in books)
    values = np.stack([np.pad(book.values, (0, longest - len(book.values)), mode="edge") for book in books])
    return WeightCodebooks(values, np.array([book.scale for book in books]), books[0].bits, codes)
