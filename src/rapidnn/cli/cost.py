"""``rapidnn cost``: time, energy, area and lifetime of the machine that would run an artifact."""

from __future__ import annotations

import math
from typing import Annotated

import rich.rule
import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal


def cost(
    artifact: options.ArtifactFile,
    data: options.Data = None,
    split: options.Split = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
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
    from rapidnn.report import text

    terminal = Terminal("cost", as_json=as_json)
    overrides = options.overrides(changes)
    composed = rapidnn.load(artifact)
    with terminal.progress() as stages:
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, _ = sources.labelled(found, split, samples)
        estimated = rapidnn.estimate(
            composed,
            composed.preprocess.apply(x),
            hardware=hardware,
            overrides=overrides,
            seed=seed,
            progress=lambda done, total: stages("run", done, total),
        )
    result = {"artifact": str(artifact), "data": found.name, "samples": len(x), **estimated.to_json()}
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
