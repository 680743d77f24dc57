"""``rapidnn cost``: time, energy, area and lifetime of the machine that would run an artifact."""

from __future__ import annotations

import rich.rule

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal


def cost(
    artifact: options.ArtifactFile,
    data: options.Data = None,
    split: options.Split = None,
    hardware: options.Hardware = "rapidnn-hpca20",
    changes: options.Overrides = None,
    samples: options.Samples = 32,
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
    terminal.result(result, rich.rule.Rule(f"{hardware}: {artifact}"), *text.cost_tables(estimated))
