"""Weight codebooks and weight codes of one layer."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.composer.cluster import cluster_all, encode
from rapidnn.composer.pieces import spread
from rapidnn.composer.points import weighted_points
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError
from rapidnn.tables.program import Float64, Int32, UInt8


@dataclass(frozen=True, eq=False)
class WeightCodebooks:
    """``values`` int32 ``(G, w)``, ``scales`` float64 ``(G,)``, ``codes`` uint8 of the weight's shape.

    G is 1, or the number of output channels; channels that share a codebook have equal rows. Shorter codebooks are
    filled up with their last value, which no code refers to.
    """

    values: Int32
    scales: Float64
    bits: int
    codes: UInt8


def channels_together(granularity: str, channels: int) -> int:
    """How many of a layer's ``channels`` output channels share a codebook.

    ``granularity`` is ``layer`` (all), ``channel`` (each has its own) or ``group:N`` (each N consecutive ones share;
    the last group may be smaller).

    Raises
    ------
    ComposeError
        If it is none of these.
    """
    if granularity == "layer":
        return channels
    if granularity == "channel":
        return 1
    group = re.fullmatch(r"group:([1-9][0-9]*)", granularity)
    if group is None:
        raise ComposeError(
            f"granularity={granularity!r}: expected 'layer', 'channel' or 'group:N', N at least 1"
        )
    return min(int(group[1]), channels)


def weight_codebooks(
    weight: NDArray[np.float32],
    size: int,
    settings: Settings,
    *,
    importance: NDArray[np.floating] | None = None,
    hold_zero: bool = False,
    threads: int | None = None,
) -> WeightCodebooks:
    """Cluster a layer's weights ``(O, ...)`` per layer, output channel or group of channels, and encode them.

    The artifact stores one codebook, or one per output channel: a group's codebook is stored once per channel of it.

    Parameters
    ----------
    weight
        float32, output channels first; may be memory-mapped.
    size
        At most this many values a codebook, 1 to 256.
    settings
        Gives ``granularity`` (see :func:`channels_together`) and ``operand_bits``.
    importance
        Weight of each element's squared error, as :func:`~rapidnn.composer.points.weighted_points` takes it.
    hold_zero
        Whether every codebook must have the exact value 0.
    threads
        Default as many as there are processors; the result does not depend on it.
    """
    channels = len(weight)
    together = channels_together(settings.granularity, channels)
    parts = [slice(at, at + together) for at in range(0, channels, together)]
    # Few parts leave processors idle, so each is counted on several; many parts keep them busy by themselves.
    inner = threads if len(parts) == 1 else 1
    points = spread(
        lambda part: weighted_points(
            weight[part], None if importance is None else importance[part], size=size, threads=inner
        ),
        parts,
        threads,
    )
    books = cluster_all(points, size, settings.operand_bits, hold_zero=hold_zero, threads=threads)
    codes = np.empty(weight.shape, np.uint8)
    for part, book in zip(parts, books, strict=True):
        codes[part] = encode(weight[part], book.values, book.scale, threads=threads)
    longest = max(len(book.values) for book in books)
    values = np.stack([np.pad(book.values, (0, longest - len(book.values)), mode="edge") for book in books])
    scales = np.array([book.scale for book in books])
    if len(parts) > 1:
        rows = np.arange(channels) // together
        values, scales = values[rows], scales[rows]
    return WeightCodebooks(values, scales, books[0].bits, codes)
