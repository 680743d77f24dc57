"""``rapidnn explore``: the search for a design."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Stages, Terminal
from rapidnn.errors import ComposeError, DataError
from rapidnn.files import atomic_path

_TRIALS = 200
_SHOWN = 5
"""Designs whose commands are printed; the page has those of all."""


def explore(
    network: Annotated[
        str | None,
        typer.Argument(
            metavar="[NET]",
            help="A network as compose takes it, or F.rapidnn (its machine alone); the study's with --resume.",
            show_default=False,
        ),
    ] = None,
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
    trials: Annotated[
        int | None,
        typer.Option(min=1, help="Finished trials in all; default 200, or the study's.", show_default=False),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    cluster: options.Cluster = None,
    sampler: Annotated[str, typer.Option(help="nsga2, nsga3 or tpe.")] = "nsga2",
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            metavar="URL",
            help="An Optuna storage, URL or URL#STUDY, in place of the folder's journal.",
            show_default=False,
        ),
    ] = None,
    calibration: Annotated[int, typer.Option(min=1, help="Training samples to calibrate on.")] = 1000,
    predict: Annotated[
        bool, typer.Option(help="Leave out measurements of designs that the predicted loss gives no hope.")
    ] = True,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study as it was begun; give --trials for more.")
    ] = False,
    front: Annotated[
        bool, typer.Option("--front", help="Show what the study has found so far; search nothing.")
    ] = False,
    hardware: options.Hardware = "rapidnn-hpca20",
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Search codebook sizes and machine parameters for accuracy, energy, latency and area at once.

    Losses are measured bit-true on a tenth of the training data that is held out. Interrupt at any moment; the same
    command, or --resume, goes on. rapidnn compose --from-study rebuilds a trial's artifact.
    """
    terminal = Terminal("explore", as_json=as_json)
    study = storage or str(folder)
    if front or resume:
        if network is not None:
            raise DataError(
                f"NET {network!r}: --{'front' if front else 'resume'} takes it from the study; leave it out"
            )
        if front:
            _show_front(terminal, study, folder)
            return
        began = _began(study)
        began["trials"] = trials or began["trials"]
    else:
        if network is None:
            raise DataError(
                "which network? give NET (rapidnn explore --help), or --resume to go on with a study"
            )
        began = {
            **sources.origin(network, weights, data, calibration, seed),
            "space": None if space is None else str(space.absolute()),
            "objectives": objectives,
            "constraints": list(constraint or ()),
            "trials": trials or _TRIALS,
            "sampler": sampler,
            "hardware": sources.absolute(hardware),
            "predict": predict,
        }
    found = _search(terminal, began, folder, workers, cluster, storage, fixed_space=study if resume else None)
    _present(terminal, found, began, study, folder)


def _began(study: str) -> dict[str, Any]:
    from rapidnn.search.archive import read_study

    origin = read_study(study).origin
    if origin is None or "trials" not in origin:
        raise DataError(f"{study}: was begun from Python; go on with it there (rapidnn.explore)")
    return dict(origin)


def _search(
    terminal: Terminal,
    began: dict[str, Any],
    folder: Path,
    workers: int,
    cluster: str | None,
    storage: str | None,
    *,
    fixed_space: str | None,
) -> Any:
    import rapidnn
    from rapidnn.search import show
    from rapidnn.search.archive import read_study

    space = began["space"] if fixed_space is None else read_study(fixed_space).space
    with terminal.progress() as stages:
        model, inputs, validation = _network(began, stages)
        return rapidnn.explore(
            model,
            inputs,
            validation,
            folder=folder,
            space=space,
            **{key: began[key] for key in ("objectives", "constraints", "trials", "sampler", "hardware")},
            seed=began["seed"],
            predict=began["predict"],
            workers=workers,
            cluster=cluster,
            storage=storage,
            origin=began,
            progress=stages,
            watch=lambda found: stages.note("trials", show.status(found)),
        )


def _network(began: dict[str, Any], stages: Stages) -> tuple[Any, Any, Any]:
    import rapidnn

    network, data, seed = began["network"], began["data"], began["seed"]
    if network.endswith(".rapidnn"):
        composed = rapidnn.load(Path(network))
        found = sources.data_set(data or composed.info.get("data"), None, stages)
        x, _ = sources.labelled(found, None if found.single else "train", began["calibration"])
        return composed, composed.preprocess.apply(x), None
    made = sources.float_network(network, sources.optional_path(began["weights"]), seed)
    if made.random:
        raise ComposeError(
            f"{network} is untrained, so its losses mean nothing: give --weights FILE (see rapidnn train)"
        )
    found = sources.data_set(data, made, stages)
    prepare = sources.preprocessing(found, made.input_shape, shape=None, mean=None, std=None, divisor=None)
    samples, validation = sources.calibration_and_validation(found, prepare, began["calibration"], seed)
    return made.model, samples, validation


def _show_front(terminal: Terminal, study: str, folder: Path) -> None:
    from rapidnn.search.archive import read_study

    recorded = read_study(study)
    _present(terminal, recorded.exploration, dict(recorded.origin or {}), study, folder)


def _present(terminal: Terminal, found: Any, began: dict[str, Any], study: str, folder: Path) -> None:
    from rapidnn.report.study import write_study
    from rapidnn.search import show

    network = str(began.get("network", "network"))
    artifact = network if network.endswith(".rapidnn") else None
    # A storage's URL may hold a password, which results and pages leave out.
    name = study if "://" not in study else "STORAGE"
    files = {kind: folder / f"front.{kind}" for kind in ("json", "csv", "html")}
    commands = {str(t.number): show.command(found, t, name, artifact) for t in found.front}
    document = {"network": network, **found.to_json(), "commands": commands}
    try:
        show.write_csv(found, files["csv"])
        write_study(files["html"], found, network, name, artifact)
        with atomic_path(files["json"]) as temporary:
            temporary.write_text(json.dumps(document, allow_nan=False), encoding="utf-8")
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from None
    result: dict[str, Any] = {**document, "files": {kind: str(path) for kind, path in files.items()}}
    lines = [f"trial {number}: {line}" for number, line in list(commands.items())[:_SHOWN]]
    terminal.result(result, show.front_table(found), *lines, f"front: {files['html']} and {files['csv']}")
