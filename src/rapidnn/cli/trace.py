"""``rapidnn trace``: one neuron's journey through an RNA block, executed gate by gate."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError
from rapidnn.files import check_output


def trace(
    artifact: options.ArtifactFile,
    layer: Annotated[
        str, typer.Option("--layer", metavar="L", help="A layer that accumulates.", show_default=False)
    ],
    neuron: Annotated[
        str,
        typer.Option("--neuron", metavar="C[,Y,X]", help="Channel and position (default: the middle)."),
    ] = "0",
    data: options.Data = None,
    split: options.Split = None,
    sample: Annotated[int, typer.Option("--sample", min=0, help="Which input of the split.")] = 0,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    cycles: Annotated[bool, typer.Option("--cycles", help="List every cycle.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", help="Draw the rows by cycle: .svg or .html.", show_default=False
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Execute one neuron on a real input: codes, counts, addends, NOR programmes, searches, and the next code."""
    import rapidnn
    from rapidnn.machine.micro.network import trace_neuron
    from rapidnn.machine.micro.plot import check_plot, write_plot
    from rapidnn.machine.micro.trace import cycle_lines, journey

    terminal = Terminal("trace", as_json=as_json)
    overrides = options.overrides(changes)
    if plot is not None:
        check_plot(plot)
        check_output(plot, artifact)
    composed = rapidnn.load(artifact)
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, _ = sources.labelled(found, split, None)
        if sample >= len(x):
            raise DataError(f"--sample {sample}: {found.name} has {len(x)} inputs in this split, from 0")
        done = trace_neuron(
            composed,
            composed.preprocess.apply(x[sample : sample + 1]),
            layer,
            _numbers(neuron),
            hardware,
            overrides=overrides,
            events=cycles or plot is not None,
        )
    if plot is not None:
        write_plot(done, plot)
    shown = [*journey(done), *(["", *cycle_lines(done.events)] if cycles else [])]
    if plot is not None:
        shown += ["", f"drawn in {plot}"]
    result = {
        "artifact": str(artifact),
        "data": found.name,
        "split": sources.split_name(found, split),
        "plot": None if plot is None else str(plot),
        "exact": done.exact,
        **asdict(done),
        "sample": sample,
        "events": [asdict(event) for event in done.events] if cycles else [],
    }
    terminal.result(result, Text("\n".join(shown)))


def _numbers(neuron: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in neuron.split(","))
    except ValueError:
        raise DataError(f"--neuron {neuron!r}: expected a channel, or channel,y,x such as 3,5,7") from None
