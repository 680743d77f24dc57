"""Every page's blocks run as they stand, one after another, in a folder of their own; the site builds strictly.

The tutorial, the guides and the README begin in an empty folder. The reference pages begin where the tutorial ends.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import reader
from tests.docs.blocks import PAGES, ROOT, SHELL, SHOWN, Block, blocks

HANDOFF = ROOT / "docs" / "handoff.md"  # followed kind by kind in test_handoff.py
EMPTY = [ROOT / "docs" / "tutorial.md", *sorted((ROOT / "docs" / "howto").glob("*.md"))]
FOLLOWED = [
    page
    for page in PAGES
    if page.parent.name != "benchmarks"
    and page != HANDOFF
    and any(b.language not in SHOWN for b in blocks(page))
]
TOOLS = ("cc", "riscv64-unknown-elf-gcc", "verilator")
"""Programs that a block may name and a machine may lack: then the block is left out, and the test says so."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_what_it_is(page):
    for block in blocks(page):
        assert block.language in (*SHELL, "python", *SHOWN), block.text


def test_python_blocks_are_python():
    for page in PAGES:
        for block in blocks(page):
            if block.language == "python":
                compile(block.text, str(page), "exec")


@pytest.fixture(scope="session")
def tutorial_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tutorial")
    reader.tutorial_files(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED, ids=lambda page: page.stem)
def test_every_block_runs(page, tmp_path, monkeypatch, request):
    monkeypatch.syspath_prepend(str(tmp_path))
    namespace: dict[str, object] = {"__name__": "__docs__"}
    if page not in EMPTY:
        made = request.getfixturevalue("tutorial_folder")
        namespace |= reader.names(made)
        for file in made.iterdir():
            shutil.copy(file, tmp_path)
        if page.stem == "reliability":
            namespace |= reader.mnist_names(tmp_path, monkeypatch)
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {
        "PYTHONPATH": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    missing = [tool for block in blocks(page) if (tool := run_block(block, page, namespace, environment))]
    if missing:
        pytest.skip(f"the other blocks ran; not installed: {', '.join(missing)}")


def run_block(
    block: Block, page: Path, namespace: dict[str, object], environment: dict[str, str]
) -> str | None:
    """Run a block by its language's rule; the name of a program it needs and that is not here, instead."""
    if block.title is not None:
        Path(block.title).write_text(block.text)
    elif block.language == "python":
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(block.text, str(page), "exec"), namespace)
    elif block.language in SHELL:
        for tool in TOOLS:
            if tool in block.text.split() and shutil.which(tool) is None:
                return tool
        done = subprocess.run(
            ["bash", "-e", "-c", block.text], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block.text}\n{done.stdout[-800:]}\n{done.stderr[-800:]}"
    return None


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
