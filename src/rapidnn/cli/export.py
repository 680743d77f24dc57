"""``rapidnn export``: an artifact in the form another tool or chip runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.handoff.export import KINDS, check_kind
from rapidnn.handoff.folder import check_folder


def export(
    artifact: options.ArtifactFile,
    to: Annotated[
        str, typer.Option("--to", metavar="KIND", help=f"One of {', '.join(KINDS)}.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="The folder to write.", show_default=False)
    ],
    data: options.Data = None,
    level: options.Level = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Write an artifact for another tool: C, ONNX, PyTorch, memory images, Verilog (docs/handoff.md)."""
    import rapidnn

    terminal = Terminal("export", as_json=as_json)
    check_kind(to)
    check_folder(output, artifact)
    composed = rapidnn.load(artifact)
    if level is not None:
        composed = composed.at_level(level)
    x = None
    if to == "verilog":  # the only kind that brings vectors
        with terminal.progress() as stages:
            found = sources.data_set(data or composed.info.get("data"), None, stages)
            x = composed.preprocess.apply(sources.labelled(found, None, 20)[0])
    done = rapidnn.export(composed, to, output, hardware=hardware, overrides=options.overrides(changes), x=x)
    table = Table(title=f"{artifact} as {to}")
    for column in ("what", "value"):
        table.add_column(column, overflow="fold")
    table.add_row("folder", done.folder)
    table.add_row("files", f"{_some(done.files)} ({done.files_bytes / 1024:.1f} KiB)")
    if done.flash_bytes is not None:
        table.add_row("flash", f"{done.flash_bytes / 1024:.1f} KiB of constants, and the code")
    if done.ram_bytes is not None:
        table.add_row("RAM", f"{done.ram_bytes / 1024:.1f} KiB of static buffers")
    terminal.result({"artifact": str(artifact), "level": level, **asdict(done)}, table)


def _some(files: tuple[str, ...], most: int = 6) -> str:
    return ", ".join(files[:most]) + (f" and {len(files) - most} more" if len(files) > most else "")
