"""``rapidnn report``: everything about an artifact as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError
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
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Evaluate an artifact, estimate its machine, and write one self-contained HTML report."""
    import rapidnn
    from rapidnn.execute.evaluate import evaluate
    from rapidnn.report import write_report

    terminal = Terminal("report", as_json=as_json)
    overrides = options.overrides(changes)
    check_output(output, artifact, weights)
    composed = rapidnn.load(artifact)
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, y = sources.labelled(found, split, limit)
        expected = None
        if network is not None:
            _, expected = sources.float_results(network, weights, composed.preprocess, x, stages)
        evaluation = evaluate(
            composed,
            x,
            y,
            float_outputs=expected,
            progress=lambda done, total: stages("evaluate", done, total),
        )
        cost = rapidnn.estimate(
            composed,
            composed.preprocess.apply(x[:samples]),
            hardware=hardware,
            overrides=overrides,
            seed=seed,
        )
    try:
        write_report(
            output, composed, evaluation=evaluation, cost=cost, title=f"{artifact.stem} on {found.name}"
        )
    except OSError as error:
        raise DataError(f"{output}: cannot be written ({error.strerror or error})") from None
    result = {"artifact": str(artifact), "report": str(output), "size_kib": output.stat().st_size / 1024}
    terminal.result(result, f"report: {output}")
