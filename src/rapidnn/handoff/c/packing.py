"""Codes packed to their bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rapidnn.tables.program import UInt8


def bits_of(size: int) -> int:
    """Bits of a code into ``size`` values; 0 for one value."""
    return (size - 1).bit_length()


def pack_rows(codes: UInt8, bits: int) -> UInt8:
    """Rows ``(R, K)`` of codes as bytes ``(R, ceil(K * bits / 8))``: low bits first, a row starts a byte."""
    rows, count = codes.shape
    planes = (codes[:, :, np.newaxis] >> np.arange(bits, dtype=np.uint8)) & 1
    return np.packbits(planes.reshape(rows, count * bits), axis=1, bitorder="little")


def padded_table(table: NDArray[np.integer], bits: int) -> NDArray[np.integer]:
    """Rows along the last axis filled up with zeros to ``2**bits``, so that a shift finds a row."""
    missing = (1 << bits) - table.shape[-1]
    return np.pad(table, [(0, 0)] * (table.ndim - 1) + [(0, missing)])
