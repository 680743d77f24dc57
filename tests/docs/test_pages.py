"""Pages a newcomer follows run as they stand, block after block, in an empty folder; the site builds strictly."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks

FOLLOWED = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_every_block_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    namespace: dict[str, object] = {"__name__": "__docs__"}
    found = blocks(page)
    assert found or page.stem == "report"
    for block in found:
        if block.title is not None:
            Path(block.title).write_text(block.text)
        elif block.language == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(block.text, str(page), "exec"), namespace)
        elif block.language == "bash":
            done = subprocess.run(
                ["bash", "-e", "-c", block.text], env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{block.text}\n{done.stdout[-800:]}\n{done.stderr[-800:]}"
        else:
            pytest.fail(f"{page.name}: a block of {block.language!r} is not run by any rule")


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    commands = (tmp_path / "site" / "cli.html").read_text("utf-8")
    assert "rapidnn compose" in commands
    assert "--max-loss" in commands
    assert "https://fonts" not in (tmp_path / "site" / "index.html").read_text("utf-8")
