from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.server import Mirror, serve


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serve() as running:
        yield running


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads the user's data or cache, or asks a proxy for 127.0.0.1."""
    for name in ("RAPIDNN_DATA", "RAPIDNN_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAPIDNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
