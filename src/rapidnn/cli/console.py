"""Where a command writes: results to stdout as tables or as JSON, progress and notices to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from rapidnn import __version__


class Terminal:
    """The output of one command.

    With ``json`` only one object ``{schema, command, version, result}`` goes to stdout; tables are shown otherwise.
    """

    def __init__(self, command: str, *, as_json: bool) -> None:
        self.command = command
        self.as_json = as_json
        self.out = Console()
        self.err = Console(stderr=True)

    def result(self, result: dict[str, Any], *shown: RenderableType) -> None:
        """Print the command's result: as JSON, or as the given tables and lines."""
        if self.as_json:
            document = {
                "schema": f"rapidnn/{self.command.replace(' ', '-')}/1",
                "command": self.command,
                "version": __version__,
                "result": result,
            }
            sys.stdout.write(json.dumps(document, allow_nan=False, default=_plain) + "\n")
            return
        for item in shown:
            self.out.print(item)

    def notice(self, message: str) -> None:
        """A remark the user should see, on stderr."""
        self.err.print(message, style="yellow", highlight=False, soft_wrap=True)

    @contextmanager
    def progress(self) -> Iterator[Stages]:
        """Progress bars on a terminal; nothing otherwise."""
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = self.err.is_terminal and not self.as_json
        with Progress(*columns, console=self.err, transient=True, disable=not shown) as bars:
            yield Stages(bars)


def _plain(value: Any) -> Any:
    """NumPy values as JSON has them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


class Stages:
    """Progress by named stages: call it with the stage, what is done, and what there is to do."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show that ``done`` of ``total`` (None: not known) is done in a stage."""
        if stage not in self._tasks:
            self._tasks[stage] = self._bars.add_task(stage, total=total)
        self._bars.update(self._tasks[stage], completed=done, total=total)

    def note(self, stage: str, text: str) -> None:
        """Show a remark beside a stage's name, in place of the one before."""
        if stage in self._tasks:
            self._bars.update(self._tasks[stage], description=f"{stage} ({text})")
