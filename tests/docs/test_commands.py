"""Every command line in the documentation is one that the program takes: its commands and options exist."""

import pytest
import typer

from rapidnn.cli.main import app
from tests.docs.blocks import PAGES, ROOT, blocks, command_lines

LINES = [
    pytest.param(line, id=f"{page.relative_to(ROOT)}: {' '.join(line)[:60]}")
    for page in PAGES
    for block in blocks(page)
    if block.language in ("", "bash", "text")
    for line in command_lines(block)
]


def test_there_are_commands_to_check():
    assert len(LINES) > 40


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_of_the_docs(line):
    command, words = typer.main.get_command(app), line[1:]
    while getattr(command, "commands", None):
        assert words, f"{line}: which command?"
        assert words[0] in command.commands, f"there is no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help"}
    for word in words:
        if word.startswith("-") and not word.lstrip("-")[:1].isdigit():
            assert word.partition("=")[0] in known, f"{' '.join(line)}: there is no option {word}"
