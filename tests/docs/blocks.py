"""Code blocks of the documentation's pages, in order."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "benchmarks" / "README.md"])
SHELL = ("", "bash")
SHOWN = ("text", "json", "yaml")
"""Languages of blocks that are read and not run: output, files, and commands that take hours or another machine."""
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced block: ``language`` is empty for a plain one, ``title`` a file's name where the block is a file."""

    language: str
    title: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    return blocks_of(page.read_text("utf-8"))


def sections(page: Path) -> dict[str, str]:
    """A page's parts by their headings of the second level; what comes before the first has an empty one."""
    parts = re.split(r"^## (.+)\n", page.read_text("utf-8"), flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def blocks_of(markdown: str) -> list[Block]:
    """Blocks of a page or a part of one."""
    found = []
    for language, rest, text in _FENCE.findall(markdown):
        title = re.search(r'title="([^"]+)"', rest)
        found.append(Block(language, title[1] if title else None, text))
    return found


def command_lines(block: Block) -> list[list[str]]:
    """The ``rapidnn`` command lines of a block of shell, without comments, as words."""
    joined = block.text.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines() if line.startswith("rapidnn ")]
    return [[word for word in line if word != "[...]"] for line in lines]
