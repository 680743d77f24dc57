"""Stored words: products as bits of two's complement, and codes that detect or correct wrong bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Int64 = NDArray[np.int64]

CODES = ("none", "parity", "secded")


@dataclass(frozen=True)
class WordCode:
    """How a word of ``data_bits`` is stored: as it is, with a parity bit, or with an extended Hamming code.

    SEC-DED places data at the positions 1, 2, 3, ... that are no powers of two; check bit c is the parity of the
    positions that have bit c; the last bit is the parity of all (Hamming 1950). A detected error that cannot be
    corrected reads as 0: the product adds nothing.
    """

    name: str
    data_bits: int

    @property
    def check_bits(self) -> int:
        """Bits stored beside the data."""
        if self.name == "none":
            return 0
        return 1 if self.name == "parity" else self._hamming + 1

    @property
    def stored_bits(self) -> int:
        """Bits of a stored word."""
        return self.data_bits + self.check_bits

    @property
    def _hamming(self) -> int:
        checks = 2
        while 2**checks < self.data_bits + checks + 1:
            checks += 1
        return checks

    def _positions(self) -> list[int]:
        return [p for p in range(1, self.data_bits + self._hamming + 1) if p & (p - 1)]

    def encode(self, words: Int64) -> Int64:
        """Stored form of data words, both as non-negative integers; data lie in the low bits."""
        if self.name == "none":
            return words
        if self.name == "parity":
            return words | _parity(words) << self.data_bits
        stored = words | self._checks(words) << self.data_bits
        return stored | _parity(stored) << (self.stored_bits - 1)

    def decode(self, stored: Int64) -> Int64:
        """Data words of stored ones."""
        data = stored & ((1 << self.data_bits) - 1)
        if self.name == "none":
            return data
        odd = _parity(stored).astype(bool)
        if self.name == "parity":
            return np.where(odd, 0, data)
        kept = stored >> self.data_bits & ((1 << self._hamming) - 1)
        syndrome = self._checks(data) ^ kept
        flips = np.zeros(1 << self._hamming, np.int64)
        flips[self._positions()] = 1 << np.arange(self.data_bits, dtype=np.int64)
        # An odd number of wrong bits is taken for one, at the syndrome; an even number is only detected.
        corrected = data ^ np.where(odd, flips[syndrome], 0)
        return np.where(~odd & (syndrome != 0), 0, corrected)

    def _checks(self, words: Int64) -> Int64:
        found = np.zeros_like(words)
        for c in range(self._hamming):
            mask = sum(1 << d for d, p in enumerate(self._positions()) if p >> c & 1)
            found |= _parity(words & mask) << c
        return found


def _parity(words: Int64) -> Int64:
    return np.asarray(np.bitwise_count(words) & 1, np.int64)


def to_bits(values: NDArray[np.integer], bits: int) -> Int64:
    """Two's complement of ``bits`` bits, as non-negative integers."""
    return np.asarray(values.astype(np.int64) & ((1 << bits) - 1), np.int64)


def from_bits(words: Int64, bits: int) -> Int64:
    """The inverse of :func:`to_bits`."""
    sign = np.int64(1) << (bits - 1)
    return np.asarray((words ^ sign) - sign, np.int64)
