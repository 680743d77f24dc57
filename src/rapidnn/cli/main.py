"""The ``rapidnn`` command: its sub-commands and exit codes (SPEC section 4)."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from rapidnn import __version__
from rapidnn.cli import (
    bench,
    compare,
    compose,
    cost,
    demo,
    evaluate,
    explore,
    export,
    faults,
    hardware,
    inspect,
    plot,
    report,
    reproduce,
    run_network,
    trace,
    train,
)
from rapidnn.errors import RapidnnError

OK, INTERNAL, USER, INTERRUPTED = 0, 1, 2, 130

# Typer's own errors all derive from one class, which it does not export under a public name.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name="rapidnn",
    help="Neural networks as lookup tables: exact outputs, and the cost of the in-memory machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "train": train.train,
    "compose": compose.compose,
    "evaluate": evaluate.evaluate,
    "run": run_network.run,
    "cost": cost.cost,
    "compare": compare.compare,
    "explore": explore.explore,
    "export": export.export,
    "reproduce": reproduce.reproduce,
    "faults": faults.faults,
    "inspect": inspect.inspect,
    "report": report.report,
    "plot": plot.plot,
    "trace": trace.trace,
}
for name, command in _COMMANDS.items():
    app.command(name)(command)
app.add_typer(hardware.app, name="hardware")
app.add_typer(bench.app, name="bench")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"rapidnn {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Neural networks as lookup tables: exact outputs, and the cost of the in-memory machine."""


def exit_code(arguments: list[str] | None = None) -> int:
    """Run a command line; every error of the user becomes one line on stderr."""
    try:
        code = app(args=arguments, standalone_mode=False) or OK
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        return code
    except RapidnnError as error:
        return _complain(str(error))
    except _UsageError as error:
        message = getattr(error, "format_message", error.__str__)()
        return _complain(f"{message} (see rapidnn --help)")
    except (KeyboardInterrupt, typer.Abort):
        print("rapidnn: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return INTERNAL
    except Exception:  # a fault of ours: the traceback is for the report of it
        traceback.print_exc()
        print("rapidnn: internal fault; please report it with the lines above", file=sys.stderr)
        return INTERNAL


def _complain(message: str) -> int:
    print("rapidnn: " + " ".join(message.split()), file=sys.stderr)
    return USER
