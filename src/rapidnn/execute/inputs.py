"""What an executor checks of its input."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.tables.program import Program


def check_input(program: Program, x: NDArray[Any]) -> NDArray[np.float32]:
    """``x`` as float32, if it is a batch of the network's inputs.

    Raises
    ------
    DataError
        On another shape, a non-numeric type, or NaN. Infinities are allowed: they take the end codes.
    """
    result = as_input(program, x)
    refuse_nan(result)
    return result


def as_input(program: Program, x: NDArray[Any]) -> NDArray[np.float32]:
    """As :func:`check_input`, but NaN is let through."""
    if x.shape[1:] != program.input_shape or x.ndim != len(program.input_shape) + 1:
        wanted = ", ".join(map(str, program.input_shape))
        raise DataError(f"input has shape {x.shape}, expected (batch, {wanted})")
    if x.dtype.kind not in "fiub":
        raise DataError(f"input has type {x.dtype}, expected numbers")
    result = np.asarray(x, np.float32)
    if not result.flags.aligned:  # a view into a file's bytes, say; the kernels read whole floats
        result = result.copy()
    return result


def refuse_nan(x: NDArray[np.float32]) -> None:
    """Raise DataError where a sample holds NaN."""
    bad = np.isnan(x)
    if bad.any():
        sample = int(np.argwhere(bad)[0][0])
        raise DataError(f"input sample {sample} holds NaN; replace or drop it")


def as_array(x: Any) -> NDArray[Any]:
    """An array or tensor as a NumPy array, without importing torch."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float().numpy() if x.dtype.is_floating_point else x.numpy()  # NumPy has no bfloat16
    return np.asarray(x)
