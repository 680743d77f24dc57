"""``rapidnn hardware``: the machine descriptions and where each constant comes from."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from rapidnn.cli import options
from rapidnn.cli.console import Terminal

app = typer.Typer(
    help="Machine descriptions: list them, or show every constant with its source.", no_args_is_help=True
)


@app.command("list")
def list_names(as_json: options.Json = False) -> None:
    """Names of the built-in machine descriptions."""
    from rapidnn.machine import hardware_names

    names = list(hardware_names())
    Terminal("hardware list", as_json=as_json).result({"hardware": names}, *names)


@app.command("show")
def show(
    name: Annotated[
        str, typer.Argument(help="A built-in machine's name or a .yaml file.", show_default=False)
    ],
    changes: options.Overrides = None,
    as_json: options.Json = False,
) -> None:
    """Every constant of a machine: value, unit, technology node, confidence and source."""
    from rapidnn.machine import load_hardware

    described = load_hardware(name, options.overrides(changes))
    constants = described.constants
    table = Table(title=described.title)
    for column in ("constant", "value", "unit", "node nm", "confidence", "source"):
        table.add_column(column, overflow="fold")
    for key, record in constants.items():
        node = "" if record.node_nm is None else f"{record.node_nm:g}"
        table.add_row(key, str(record.value), record.unit, node, record.confidence, record.source)
    result = {
        "hardware": described.name,
        "title": described.title,
        "constants": {key: record.model_dump(mode="json") for key, record in constants.items()},
    }
    Terminal("hardware show", as_json=as_json).result(result, table)
