"""How many elements each window of an average pool divides by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph import ops
from rapidnn.graph.shapes import Shape, infer_shape


def pool_divisors(op: ops.AvgPool, source: Shape) -> NDArray[np.int64]:
    """Divisor of every output position, int64 of the result's spatial shape; ``source`` is the input's spatial shape.

    Without ``count_include_pad`` the real elements of the window; with it the explicit padding counts too, but not
    what a ceil-mode window overhangs beyond that padding (the convention PyTorch and ONNX share).
    """
    result = infer_shape("average pool", op, [(1, *source)])[1:]
    divisors = np.ones((), np.int64)
    axes = zip(op.kernel, op.stride, op.padding, source, result, strict=True)
    for kernel, stride, (before, after), extent, count in axes:
        starts = np.arange(count) * stride - before
        low, high = (-before, extent + after) if op.count_include_pad else (0, extent)
        inside = np.minimum(starts + kernel, high) - np.maximum(starts, low)
        divisors = np.multiply.outer(divisors, np.maximum(inside, 1))
    return divisors
