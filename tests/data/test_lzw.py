from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapidnn.data.lzw import decompress
from rapidnn.errors import DataError
from tests.data.compress import compress

LIMIT = 1 << 24


def samples() -> list[bytes]:
    rng = np.random.default_rng(0)
    words = b"".join(b"%.4f, " % v for v in rng.uniform(-1, 1, 30_000))
    return [b"", b"a", b"aaaa" * 50, bytes(range(256)) * 9, rng.bytes(3000), words]


@pytest.mark.parametrize("bits", [10, 12, 16])
@pytest.mark.parametrize("block", [True, False])
@pytest.mark.parametrize("index", range(6))
def test_round_trip(index: int, block: bool, bits: int) -> None:
    data = samples()[index]
    assert decompress(compress(data, bits, block=block), limit_bytes=LIMIT) == data


@given(st.binary(max_size=600), st.integers(10, 12), st.lists(st.integers(0, 600), max_size=3))
def test_round_trip_with_clear_codes_anywhere(data: bytes, bits: int, clears: list[int]) -> None:
    assert decompress(compress(data, bits, clear_after=set(clears)), limit_bytes=LIMIT) == data


@pytest.mark.skipif(shutil.which("gzip") is None, reason="gzip, which also reads .Z, is not installed")
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_the_tests_encoder_writes_what_another_decoder_reads(bits: int) -> None:
    data = samples()[5]
    packed = compress(data, bits, clear_after={700, 5000})
    unpacked = subprocess.run(["gzip", "-dc"], input=packed, capture_output=True, check=True).stdout
    assert unpacked == data == decompress(packed, limit_bytes=LIMIT)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not begin"),
        (b"\x1f\x8b\x90abc", "does not begin"),
        (b"\x1f\x9d\x91\x00\x00", "flag byte 0x91"),
        (b"\x1f\x9d\x89\x00\x00", "flag byte 0x89"),
        (b"\x1f\x9d\x90\xff\xff\xff", "damaged"),
    ],
)
def test_damage_is_named(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        decompress(data, limit_bytes=LIMIT)


def test_a_bomb_is_stopped() -> None:
    with pytest.raises(DataError, match="more than the 1000 bytes"):
        decompress(compress(b"a" * 100_000, 16), limit_bytes=1000)
