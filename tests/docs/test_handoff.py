"""The commands of the page on hand-off, kind by kind, as a reader runs them after the demo."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT, SHELL, blocks, blocks_of, sections

HANDOFF = ROOT / "docs" / "handoff.md"
TOOLS = ("riscv64-unknown-elf-gcc", "verilator", "iverilog", "yosys", "cc ")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder in which the page's first command has run."""
    folder = tmp_path_factory.mktemp("handoff")
    run_block(blocks(HANDOFF)[0].text, folder)
    return folder


def run_block(text, folder):
    """What a block of shell prints, in a folder."""
    environment = os.environ | {"PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-c", text], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-800:]}\n{done.stderr[-800:]}"
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", [title for title in sections(HANDOFF) if title])
def test_every_export_is_followed_to_its_end(kind, demo):
    found = blocks_of(sections(HANDOFF)[kind])
    for block in found:
        if block.title is not None:
            (demo / block.title).write_text(block.text)
        elif block.language in SHELL:
            missing = [tool for tool in TOOLS if tool in block.text and shutil.which(tool.strip()) is None]
            if missing:
                pytest.skip(f"{missing[0]} is not installed")
            assert "False" not in run_block(block.text, demo)
