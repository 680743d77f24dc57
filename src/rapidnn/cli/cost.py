"""``rapidnn cost``: time, energy, area and lifetime of the machine that would run an artifact."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import rich.rule
import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import DataError


def cost(
    artifact: options.ArtifactFile,
    data: options.Data = None,
    split: options.Split = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
    exact: Annotated[
        bool, typer.Option("--exact", help="Count the codes of all neurons, not of a sample.")
    ] = False,
    statistics: Annotated[
        Path | None,
        typer.Option(
            "--statistics", metavar="FILE", help="Take counted statistics from a file.", show_default=False
        ),
    ] = None,
    save_statistics: Annotated[
        Path | None,
        typer.Option(
            "--save-statistics", metavar="FILE", help="Write the counted statistics.", show_default=False
        ),
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="List every bit that moves or is written, by structure.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="R", help="State lifetimes at R inputs/s too.", show_default=False),
    ] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Estimate the machine from the real codes of real inputs, with a breakdown by component and by layer."""
    import rapidnn
    from rapidnn.machine import ProgramStatistics, estimate_program, load_hardware
    from rapidnn.machine.network import collect_statistics
    from rapidnn.report import text

    terminal = Terminal("cost", as_json=as_json)
    overrides = options.overrides(changes)
    composed = rapidnn.load(artifact)
    described = load_hardware(hardware, overrides)
    if statistics is not None:
        if data is not None:
            raise DataError(f"--statistics {statistics} replaces --data {data}; give one of the two")
        source, count = str(statistics), 0
        counted = ProgramStatistics.load(statistics)
    else:
        with terminal.progress() as stages:
            found = sources.data_set(data or composed.info.get("data"), None, stages)
            x, _ = sources.labelled(found, split, samples)
            source, count = found.name, len(x)
            counted = collect_statistics(
                composed,
                composed.preprocess.apply(x),
                exact=exact,
                seed=seed,
                progress=lambda done, total: stages("run", done, total),
            )
    if save_statistics is not None:
        counted.save(save_statistics)
    estimated = estimate_program(composed.program, counted, described)
    result = {"artifact": str(artifact), "data": source, "samples": count, **estimated.to_json()}
    tables = [*text.cost_tables(estimated)]
    result["lifetime_at"] = None
    if rate is not None:
        result["lifetime_at"] = {"inputs_per_s": rate, **_finite(estimated.lifetime_at(rate))}
        tables.append(text.lifetime_table(estimated, rate))
    if audit:
        tables.append(text.audit_table(estimated))
    terminal.result(result, rich.rule.Rule(f"{hardware}: {artifact}"), *tables)


def _finite(lifetimes: dict[str, float]) -> dict[str, float | None]:
    """Lifetimes in seconds as JSON has them: none where no cell is written."""
    return {f"{name}_s": None if math.isinf(s) else s for name, s in lifetimes.items()}
