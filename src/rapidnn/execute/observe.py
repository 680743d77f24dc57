"""Codes of a native run: the executor's own pass, with chosen edges kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError

if TYPE_CHECKING:
    from rapidnn.execute.native import NativeNetwork


def observe_native(
    network: NativeNetwork, x: NDArray[Any], edges: Iterable[str], *, threads: int
) -> dict[str, NDArray[np.uint8]]:
    """Run a batch and return the codes on the named edges, uint8 ``(N, *shape)`` each.

    They are those that any executor gives. The arrays may be views with the channel axis last in memory.

    Raises
    ------
    DataError
        If the input has another shape or holds NaN, or an edge has no codes.
    """
    names = list(dict.fromkeys(edges))
    for name in names:
        if name not in network.storage:
            raise DataError(f"edge {name!r} has no codes; it cannot be observed")
    stored = [network.storage[name] for name in names]
    buffers = network.watch(x, [place.edge for place in stored], threads=threads)
    return {name: place.natural(buffer) for name, place, buffer in zip(names, stored, buffers, strict=True)}
