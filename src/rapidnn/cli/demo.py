"""``rapidnn demo``: the whole way once, on scikit-learn's digits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Stages, Terminal
from rapidnn.data import DataSet

NETWORK = "digits-cnn"
SIZE = 16
CALIBRATION = 500
COST_SAMPLES = 32
RIVALS = ("isaac", "pipelayer", "gtx1080")
SIZES = (4, 8, 16, 32)
"""Codebook sizes that the report draws accuracy and energy against."""


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the results.")] = Path(
        "rapidnn-demo"
    ),
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train a small CNN on real digits, compose it, evaluate it bit-true, cost it, and write a report."""
    import rapidnn
    from rapidnn.execute.evaluate import evaluate
    from rapidnn.machine.description import load_hardware
    from rapidnn.machine.estimate import estimate_program
    from rapidnn.machine.network import DEFAULT_HARDWARE, collect_statistics
    from rapidnn.report import text, write_report
    from rapidnn.report.distributions import distributions
    from rapidnn.report.sizes import composed_points

    terminal = Terminal("demo", as_json=as_json)
    weights, artifact, page = out / "digits-cnn.safetensors", out / "digits-cnn.rapidnn", out / "report.html"
    made = sources.float_network(NETWORK, None, seed)
    with terminal.progress() as stages:
        data = sources.data_set(None, made, stages)
        prepare = data.preprocess
        _train(made, data, weights, seed, stages)
        calibration, validation = sources.calibration_and_validation(data, prepare, CALIBRATION, seed)
        composed = rapidnn.compose(
            made.model, calibration, SIZE, SIZE, validation=validation, preprocess=prepare, progress=stages
        )
        composed.info |= {"network": NETWORK, "data": data.name, "seed": seed, "random_weights": False}
        composed.save(artifact)
        x, y = data.split("test")
        graph, expected = sources.float_results(NETWORK, weights, prepare, x, stages)
        evaluation = evaluate(composed, x, y, float_outputs=expected)
        inputs = prepare.apply(x[:COST_SAMPLES])
        statistics = collect_statistics(composed, inputs, seed=seed)
        hardware = load_hardware(DEFAULT_HARDWARE)
        cost = estimate_program(composed.program, statistics, hardware)
        sizes = composed_points(
            made.model, calibration, validation, prepare, inputs, hardware, SIZES, seed=seed, progress=stages
        )
        write_report(
            page,
            composed,
            evaluation=evaluation,
            cost=cost,
            title="rapidnn demo: digits",
            statistics=statistics,
            counted=distributions(composed, inputs, graph),
            comparison=rapidnn.compare(composed, inputs, RIVALS, seed=seed),
            sizes=sizes,
        )
    files = {"weights": str(weights), "artifact": str(artifact), "report": str(page)}
    terminal.result(
        {**files, "evaluation": evaluation.to_json(), "cost": cost.to_json()},
        text.layer_table(composed.program),
        text.evaluation_table(evaluation),
        *text.cost_tables(cost),
        f"weights:  {weights}",
        f"artifact: {artifact}",
        f"report:   {page}  (open it in a browser)",
    )


def _train(made: sources.FloatNetwork, data: DataSet, weights: Path, seed: int, stages: Stages) -> None:
    from rapidnn.networks import save_weights
    from rapidnn.networks import train as training

    training.train(
        made.module(),
        data,
        training.recipe(NETWORK),
        seed=seed,
        progress=lambda report: stages("train", report.epoch, report.epochs),
    )
    save_weights(made.module(), weights)
