"""Arrays as contiguous pieces of a fixed type, so that native code streams over what does not fit in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Item = TypeVar("Item")
Result = TypeVar("Result")

_PIECE = 1 << 20


def pieces(
    arrays: Sequence[NDArray[Any]], types: Sequence[DTypeLike], *, write_last: bool = False
) -> Iterator[tuple[NDArray[Any], ...]]:
    """Arrays of one shape as 1-D contiguous pieces of the given types, in C order.

    What is contiguous and of its type already (a memory-mapped array too) comes as one piece and is never copied;
    else at most a million elements are, at a time. With ``write_last`` what is written to the last array's pieces
    goes to that array.
    """
    plain = [np.asarray(array) for array in arrays]
    if all(a.flags.c_contiguous and a.dtype == t for a, t in zip(plain, types, strict=True)):
        yield tuple(array.reshape(-1) for array in plain)
        return
    inputs: list[list[Literal["readonly", "writeonly"]]] = [["readonly"] for _ in plain]
    walk = np.nditer(
        plain,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[*inputs[:-1], ["writeonly"]] if write_last else inputs,
        op_dtypes=[np.dtype(t) for t in types],
        order="C",
        casting="same_kind",
        buffersize=_PIECE,
    )
    with walk:
        for piece in walk:
            yield piece if isinstance(piece, tuple) else (piece,)


def spread(work: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None) -> list[Result]:
    """``work`` of every item, in their order, on several threads (default as many as there are processors)."""
    most = min(thread_count(threads), len(items))
    if most <= 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(most) as pool:
        return list(pool.map(work, items))


def thread_count(threads: int | None) -> int:
    """The given number of threads, or as many as there are processors."""
    return threads or os.cpu_count() or 1
