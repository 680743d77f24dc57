"""``rapidnn explore``: the search for a design."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import ComposeError, DataError
from rapidnn.files import atomic_path


def explore(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NET",
            help="A network as compose takes it, or F.rapidnn (its machine alone).",
            show_default=False,
        ),
    ],
    data: options.Data = None,
    weights: options.Weights = None,
    folder: Annotated[
        Path, typer.Option("-o", "--output", help="The study's folder; the same command on it goes on.")
    ] = Path("study"),
    space: Annotated[
        Path | None, typer.Option("--space", help="A YAML file of what may be chosen.", show_default=False)
    ] = None,
    objectives: Annotated[
        str, typer.Option(help="Of loss, energy, latency, interval, area, power, edp, wear.")
    ] = "loss,energy,latency,area",
    constraint: Annotated[
        list[str] | None, typer.Option("--constraint", help="Such as 'loss<=0.005'. Repeatable.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished trials in all.")] = 200,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    sampler: Annotated[str, typer.Option(help="nsga2, nsga3 or tpe.")] = "nsga2",
    storage: Annotated[
        str | None, typer.Option("--storage", help="An Optuna storage URL, in place of the folder's journal.")
    ] = None,
    calibration: Annotated[int, typer.Option(min=1, help="Training samples to calibrate on.")] = 1000,
    hardware: options.Hardware = "rapidnn-hpca20",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Search codebook sizes and machine parameters for accuracy, energy, latency and area at once.

    Losses are measured bit-true on a tenth of the training data that is held out. Interrupt at any moment; the same
    command goes on.
    """
    import rapidnn
    from rapidnn.search import show

    terminal = Terminal("explore", as_json=as_json)
    settings = {
        "folder": folder,
        "space": space,
        "objectives": objectives,
        "constraints": constraint or (),
        "trials": trials,
        "workers": workers,
        "sampler": sampler,
        "storage": storage,
        "hardware": hardware,
        "seed": seed,
    }
    with terminal.progress() as stages:
        model, inputs, validation = _network(network, data, weights, calibration, seed, stages)
        found = rapidnn.explore(model, inputs, validation, progress=stages, **settings)  # type: ignore[arg-type]
    files = {kind: folder / f"front.{kind}" for kind in ("json", "csv", "html")}
    document = {"network": network, **found.to_json()}
    rebuilt = " ".join(
        [network, *(["--weights", str(weights)] if weights else []), *(["--data", data] if data else [])]
    )
    try:
        show.write_csv(found, files["csv"])
        show.write_page(found, files["html"], rebuilt)
        with atomic_path(files["json"]) as temporary:
            temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None
    result: dict[str, Any] = {**document, "files": {kind: str(path) for kind, path in files.items()}}
    commands = [f"trial {trial.number}: {show.command(trial, rebuilt)}" for trial in found.front[:3]]
    terminal.result(result, show.front_table(found), *commands, f"front: {files['html']} and {files['csv']}")


def _network(
    network: str, data: str | None, weights: Path | None, calibration: int, seed: int, stages: Any
) -> tuple[Any, Any, Any]:
    import rapidnn

    if network.endswith(".rapidnn"):
        composed = rapidnn.load(Path(network))
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, _ = sources.labelled(found, None if found.single else "train", calibration)
        return composed, composed.preprocess.apply(x), None
    made = sources.float_network(network, weights, seed)
    if made.random:
        raise ComposeError(
            f"{network} is untrained, so its losses mean nothing: give --weights FILE (see rapidnn train)"
        )
    found = sources.data_set(data, made, stages)
    prepare = sources.preprocessing(found, made.input_shape, shape=None, mean=None, std=None, divisor=None)
    samples, validation = sources.calibration_and_validation(found, prepare, calibration, seed)
    return made.model, samples, validation
