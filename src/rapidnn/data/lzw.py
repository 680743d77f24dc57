"""Decoder of ``.Z`` files (UNIX compress, LZW), the form in which ISOLET's archive holds its tables.

The format: two magic bytes, one flag byte (bits 0-4 the greatest code width, bit 7 "block mode": code 256
clears the table), then codes of 9 bits and more, least significant bit first. Codes come in groups of eight,
n bytes at width n; when the width changes, the rest of the current group is filling.
"""

from __future__ import annotations

from rapidnn.errors import DataError

_MAGIC = b"\x1f\x9d"
_CLEAR = 256
_FIRST_WIDTH = 9


def decompress(data: bytes, *, limit_bytes: int) -> bytes:
    """The content of a ``.Z`` file.

    Raises
    ------
    DataError
        If the data is not in the format, is damaged, or unpacks to more than ``limit_bytes``.
    """
    if len(data) < 3 or data[:2] != _MAGIC:
        raise DataError("not a .Z file: it does not begin with the bytes 1f 9d")
    greatest, block = data[2] & 0x1F, bool(data[2] & 0x80)
    # At a greatest width of 9 the known decoders disagree on when the width changes, and nothing uses it.
    if not _FIRST_WIDTH < greatest <= 16 or data[2] & 0x60:
        raise DataError(f"not a .Z file of a known kind: flag byte {data[2]:#04x}")
    return _Decoder(greatest, block, limit_bytes).run(memoryview(data)[3:])


class _Decoder:
    """Table and output of one run; `run` walks the groups of eight codes."""

    def __init__(self, greatest: int, block: bool, limit_bytes: int) -> None:
        self.greatest = greatest
        self.block = block
        self.limit = limit_bytes
        self.out: list[bytes] = []
        self.size = 0
        self.reset()

    def reset(self) -> None:
        """The table of single bytes (and the place of the clear code), with no code before."""
        self.table = [bytes((value,)) for value in range(256)] + ([b""] if self.block else [])
        self.previous: bytes | None = None
        self.width = _FIRST_WIDTH

    def run(self, body: memoryview) -> bytes:
        """Decode all groups."""
        at = 0
        while at < len(body):
            chunk = body[at : at + self.width]
            at += len(chunk)
            self.group(int.from_bytes(chunk, "little"), len(chunk) * 8 // self.width)
        return b"".join(self.out)

    def group(self, bits: int, codes: int) -> None:
        """Decode up to eight codes; stop early, dropping the filling, where the width changes."""
        width, mask = self.width, (1 << self.width) - 1
        for _ in range(codes):
            code = bits & mask
            bits >>= width
            if code == _CLEAR and self.block:
                self.reset()
                return
            self.code(code)
            if len(self.table) > mask and width < self.greatest:
                self.width = width + 1
                return

    def code(self, code: int) -> None:
        """Emit one code's string and learn the next one."""
        previous, table = self.previous, self.table
        if code < len(table):
            entry = table[code]
        elif code == len(table) and previous is not None and len(table) < 1 << self.greatest:
            entry = previous + previous[:1]
        else:
            raise DataError(f"damaged .Z file: code {code} is not in the table")
        if previous is not None and len(table) < 1 << self.greatest:
            table.append(previous + entry[:1])
        self.size += len(entry)
        if self.size > self.limit:
            raise DataError(f".Z file unpacks to more than the {self.limit} bytes expected")
        self.out.append(entry)
        self.previous = entry
