from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import numpy as np
import pytest

from rapidnn.data.download import fetch
from rapidnn.errors import DataError
from tests.data.server import Mirror

CONTENT = np.random.default_rng(0).bytes(700_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def get(mirror: Mirror, target: Path, *, sha256: str = DIGEST, attempts: int = 4, **options) -> Path:
    return fetch([f"{mirror.url}/f.bin"], target, sha256=sha256, attempts=attempts, wait_s=0.01, **options)


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []


def test_whole_file_with_progress(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    seen: list[tuple[str, int, int | None]] = []
    target = get(mirror, tmp_path / "d" / "f.bin", progress=lambda *args: seen.append(args))
    assert target.read_bytes() == CONTENT
    assert leftovers(target.parent) == ["f.bin"]
    assert seen[-1] == ("f.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_file_already_there_is_not_asked_for(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(CONTENT)
    get(mirror, tmp_path / "f.bin")
    assert mirror.requests == []


def test_a_damaged_file_there_is_fetched_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    (tmp_path / "f.bin").write_bytes(CONTENT[:-1])
    assert get(mirror, tmp_path / "f.bin").read_bytes() == CONTENT


def test_resumes_after_the_connection_was_cut(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    mirror.cut["f.bin"] = [300_000, 100_000]
    target = get(mirror, tmp_path / "f.bin")
    assert target.read_bytes() == CONTENT
    assert [wanted for _, wanted in mirror.requests] == [None, "bytes=300000-", "bytes=400000-"]


def test_the_next_run_resumes_what_this_one_left(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    mirror.cut["f.bin"] = [500_000]
    with pytest.raises(DataError, match="cut after 500000 of 700000 bytes"):
        get(mirror, tmp_path / "f.bin", attempts=1)
    assert leftovers(tmp_path) == ["f.bin.part"]
    assert get(mirror, tmp_path / "f.bin").read_bytes() == CONTENT
    assert mirror.requests[-1][1] == "bytes=500000-"
    assert leftovers(tmp_path) == ["f.bin"]


def test_a_server_without_ranges_sends_it_all_again(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    mirror.ranges = False
    mirror.cut["f.bin"] = [300_000]
    assert get(mirror, tmp_path / "f.bin").read_bytes() == CONTENT


def test_a_complete_part_needs_no_more_bytes(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    (tmp_path / "f.bin.part").write_bytes(CONTENT)
    assert get(mirror, tmp_path / "f.bin").read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"x" * 1000, CONTENT + b"x", b"x" * len(CONTENT)])
def test_a_foreign_part_is_thrown_away(mirror: Mirror, tmp_path: Path, part: bytes) -> None:
    mirror.files["f.bin"] = CONTENT
    (tmp_path / "f.bin.part").write_bytes(part)
    assert get(mirror, tmp_path / "f.bin").read_bytes() == CONTENT


def test_wrong_checksum_leaves_nothing(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT[:-1] + b"x"
    with pytest.raises(DataError, match=f"expected {DIGEST}: not the published file") as error:
        get(mirror, tmp_path / "f.bin")
    assert leftovers(tmp_path) == []
    assert "\n" not in str(error.value)


def test_passing_trouble_is_waited_out_and_lasting_trouble_is_not(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["f.bin"] = CONTENT
    mirror.refuse["f.bin"] = [503, 429]
    get(mirror, tmp_path / "f.bin")
    assert len(mirror.requests) == 3
    mirror.refuse["f.bin"] = [403] * 4
    with pytest.raises(DataError, match="HTTP 403"):
        get(mirror, tmp_path / "g.bin")
    assert len(mirror.requests) == 4


def test_the_second_home_is_tried(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["b/f.bin"] = CONTENT
    urls = [f"{mirror.url}/a/f.bin", f"{mirror.url}/b/f.bin"]
    assert fetch(urls, tmp_path / "f.bin", sha256=DIGEST, wait_s=0.01).read_bytes() == CONTENT


def test_offline_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}/f.bin"
    with pytest.raises(DataError, match=r"cannot fetch f.bin") as error:
        fetch([url], tmp_path / "f.bin", sha256=DIGEST, attempts=2, wait_s=0.01, advice="set X")
    assert url in str(error.value)
    assert str(error.value).endswith("; set X")
    assert "\n" not in str(error.value)
    assert leftovers(tmp_path) == []


def test_other_schemes_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(CONTENT)
    with pytest.raises(DataError, match="not an http or https address"):
        fetch([(tmp_path / "f.bin").as_uri()], tmp_path / "g.bin", sha256=DIGEST)
