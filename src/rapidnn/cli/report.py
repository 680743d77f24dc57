"""``rapidnn report``: everything about an artifact as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.files import check_output


def report(
    artifact: options.ArtifactFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="The HTML file to write.")] = Path(
        "report.html"
    ),
    data: options.Data = None,
    split: options.Split = None,
    limit: options.Limit = None,
    network: options.FloatNet = None,
    weights: options.Weights = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            metavar="RIVALS",
            help="Add a comparison with other machines: isaac,pipelayer,dadiannao,eyeriss,gtx1080,h200.",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Evaluate an artifact, estimate its machine, and write one self-contained HTML report.

    With --network it compares with the float network and draws its weights and activations beside the codebooks.
    """
    import rapidnn
    from rapidnn.execute.evaluate import evaluate
    from rapidnn.machine.description import load_hardware
    from rapidnn.machine.estimate import estimate_program
    from rapidnn.machine.network import collect_statistics
    from rapidnn.report import write_report
    from rapidnn.report.distributions import distributions

    terminal = Terminal("report", as_json=as_json)
    overrides = options.overrides(changes)
    check_output(output, artifact, weights)
    composed = rapidnn.load(artifact)
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, y = sources.labelled(found, split, limit)
        graph = expected = None
        if network is not None:
            graph, expected = sources.float_results(network, weights, composed.preprocess, x, stages)
        evaluation = evaluate(
            composed,
            x,
            y,
            float_outputs=expected,
            progress=lambda done, total: stages("evaluate", done, total),
        )
        inputs = composed.preprocess.apply(x[:samples])
        described = load_hardware(hardware, overrides)
        statistics = collect_statistics(composed, inputs, seed=seed)
        compared = None
        if against is not None:
            names = [name.strip() for name in against.split(",") if name.strip()]
            compared = rapidnn.compare(
                composed, inputs, names, hardware=hardware, overrides=overrides, seed=seed
            )
        counted = distributions(composed, inputs, graph)
    write_report(
        output,
        composed,
        evaluation=evaluation,
        cost=estimate_program(composed.program, statistics, described),
        title=f"{artifact.stem} on {found.name}",
        statistics=statistics,
        counted=counted,
        comparison=compared,
    )
    result = {"artifact": str(artifact), "report": str(output), "size_kib": output.stat().st_size / 1024}
    terminal.result(result, f"report: {output}")
