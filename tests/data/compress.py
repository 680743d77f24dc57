"""A plain LZW encoder in the ``.Z`` format, written for the decoder's tests."""

from __future__ import annotations

from collections.abc import Collection

CLEAR = 256


def compress(data: bytes, bits: int = 16, *, block: bool = True, clear_after: Collection[int] = ()) -> bytes:
    """``data`` as a ``.Z`` file with codes of at most ``bits`` bits; a clear code after the codes of these numbers."""
    writer = _Writer(bits)
    first = 257 if block else 256
    table, free, text = {bytes((v,)): v for v in range(256)}, first, b""
    for byte in data:
        longer = text + bytes((byte,))
        if longer in table:
            text = longer
            continue
        writer.put(table[text], free)
        if free < 1 << bits:
            table[longer] = free
            free += 1
        text = bytes((byte,))
        if block and writer.count in clear_after:
            writer.put(CLEAR, 0)
            writer.clear()
            table, free = {bytes((v,)): v for v in range(256)}, first
    if text:
        writer.put(table[text], free)
    writer.flush(whole=False)
    return bytes((0x1F, 0x9D, bits | (0x80 if block else 0))) + bytes(writer.out)


class _Writer:
    """Groups of eight codes of one width; a group is filled up when the width changes."""

    def __init__(self, bits: int) -> None:
        self.bits, self.width, self.out, self.group, self.count = bits, 9, bytearray(), [], 0

    def put(self, code: int, free: int) -> None:
        self.group.append(code)
        self.count += 1
        if len(self.group) == 8:
            self.flush()
        # The decoder's table is one entry behind at this point, so its width changes exactly here.
        if free > (1 << self.width) - 1 and self.width < self.bits:
            self.flush()
            self.width += 1

    def clear(self) -> None:
        self.flush()
        self.width = 9

    def flush(self, *, whole: bool = True) -> None:
        value = sum(code << (i * self.width) for i, code in enumerate(self.group))
        size = self.width if whole else -(-len(self.group) * self.width // 8)
        if self.group:
            self.out += value.to_bytes(size, "little")
        self.group = []
