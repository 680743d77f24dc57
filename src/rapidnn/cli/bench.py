"""``rapidnn bench``: benchmarks of the simulator itself."""

from __future__ import annotations

from typing import Annotated

import typer

from rapidnn.cli import options
from rapidnn.cli.console import Terminal

app = typer.Typer(help="Benchmarks of the simulator itself.", no_args_is_help=True)


@app.callback()
def bench() -> None:
    """Benchmarks of the simulator itself."""


@app.command("simulate")
def simulate(
    network: Annotated[
        list[str] | None,
        typer.Option("--network", metavar="NAME", help="A built-in network. Repeatable.", show_default=False),
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option("--batch", metavar="N", help="A batch size. Repeatable.", show_default=False),
    ] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(
            "--threads",
            metavar="N",
            help="Threads of every engine; default 1. Repeatable.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out VGG-16, and take fewer rounds.")] = False,
    rounds: Annotated[
        int | None,
        typer.Option("--rounds", help="Samples per engine; default 7, or 5 if quick.", show_default=False),
    ] = None,
    reference_samples: Annotated[
        int | None,
        typer.Option(
            "--reference-samples",
            help="Samples compared with the reference; default 8, or 1 for a network of over 1 GMAC a sample.",
            show_default=False,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Our engines beside PyTorch and ONNX Runtime: interleaved rounds, medians, and a check of every integer."""
    from rapidnn.bench import simulate as measure

    terminal = Terminal("bench simulate", as_json=as_json)
    with terminal.progress() as stages:
        found = measure(
            network,
            batch,
            threads=threads or (1,),
            quick=quick,
            rounds=rounds,
            reference_samples=reference_samples,
            progress=stages,
        )
    terminal.result(found.to_json(), found.rows_table(), found.means_table())


@app.command("cluster")
def cluster(
    points: Annotated[
        list[int] | None,
        typer.Option(
            "--points",
            metavar="N",
            help="Number of weights, put to every engine; default 1e5, 1e6 and 16e6, as each can bear. Repeatable.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(
            "--size", metavar="K", help="Codebook size; default 16 and 64. Repeatable.", show_default=False
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights", metavar="NAME", help="normal, outlier or vgg16. Repeatable.", show_default=False
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="At most 1e6 weights, rivals at most 1e5, no VGG-16.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Optimal clustering beside scikit-learn and kmeans1d: time, memory, and the error over the optimum."""
    from rapidnn.bench.cluster import cluster as measure

    terminal = Terminal("bench cluster", as_json=as_json)
    with terminal.progress() as stages:
        found = measure(points, size, workloads=weights, quick=quick, progress=stages)
    for engine in found.left_out:
        terminal.notice(f"{engine.engine} is left out: {engine.reason}")
    terminal.result(found.to_json(), found.table())
