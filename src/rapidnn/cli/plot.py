"""``rapidnn plot``: figures for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.files import check_output

_NAMES = "accuracy-sizes, cost-sizes, energy-breakdown, weights, activation-table, comparison"


def plot(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{_NAMES}.", show_default=False)],
    artifact: options.ArtifactFile,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The figure: .pdf, .svg or .png.", show_default=False),
    ],
    layer: Annotated[
        str | None,
        typer.Option("--layer", help="Of weights and activation-table: which layer.", show_default=False),
    ] = None,
    data: options.Data = None,
    split: options.Split = None,
    network: options.FloatNet = None,
    weights: options.Weights = None,
    against: Annotated[
        str, typer.Option(help="Of comparison: isaac, pipelayer, dadiannao, eyeriss, gtx1080, h200.")
    ] = "isaac,pipelayer,dadiannao,gtx1080",
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Draw a figure of a composed network for a paper; needs matplotlib (the extra plot)."""
    import rapidnn
    from rapidnn.plot import FIGURES, draw, save
    from rapidnn.plot.draw import check_name, check_suffix
    from rapidnn.plot.style import check_matplotlib

    terminal = Terminal("plot", as_json=as_json)
    check_name(name)
    check_suffix(output)
    check_output(output, artifact, weights)
    check_matplotlib()
    overrides = options.overrides(changes)
    composed = rapidnn.load(artifact)
    x = graph = None
    with terminal.progress() as stages:
        if FIGURES[name].needs_inputs or (name == "weights" and network is not None):
            found = sources.data_set(data or composed.info.get("data"), None, stages)
            raw, _ = sources.labelled(found, split, samples)
            x = composed.preprocess.apply(raw)
            if network is not None:
                graph, _ = sources.float_results(network, weights, composed.preprocess, raw, stages)
        figure = draw(
            name,
            composed,
            x,
            graph=graph,
            layer=layer,
            hardware=hardware,
            overrides=overrides,
            against=[rival.strip() for rival in against.split(",") if rival.strip()],
            seed=seed,
        )
    save(figure, output)
    result = {"figure": name, "artifact": str(artifact), "output": str(output)}
    terminal.result(result, f"{name}: {output}")
