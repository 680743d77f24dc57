"""``rapidnn train``: a built-in network on its data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rapidnn.cli import options, sources
from rapidnn.cli.console import Terminal
from rapidnn.errors import ModelError
from rapidnn.files import check_output


def train(
    network: Annotated[
        str, typer.Argument(metavar="NET", help="A built-in network's name.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Weights to write (.safetensors).")],
    data: options.Data = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: the network's recipe.")] = None,
    seed: options.Seed = 0,
    as_json: options.Json = False,
) -> None:
    """Train a built-in network by its recipe and write its weights."""
    from rapidnn.networks import names, save_weights
    from rapidnn.networks import train as training

    terminal = Terminal("train", as_json=as_json)
    if network not in names():
        raise ModelError(f"unknown network {network!r}; the built-in ones are {', '.join(names())}")
    check_output(output)
    how = training.recipe(network)
    how = how if epochs is None else replace(how, epochs=epochs)
    made = sources.float_network(network, None, seed)
    with terminal.progress() as stages:
        found = sources.data_set(data, made, stages)
        prepare = (
            found.preprocess if made.input_shape is None else found.preprocess.for_shape(made.input_shape)
        )
        trained = training.train(
            made.module(),
            found,
            how,
            preprocess=prepare,
            seed=seed,
            progress=lambda report: stages("train", report.epoch, report.epochs),
        )
    save_weights(made.module(), output)
    last = trained.reports[-1]
    result = {
        "network": network,
        "data": found.name,
        "weights": str(output),
        "epochs": last.epochs,
        "seed": seed,
        "threads": trained.threads,
        "samples": trained.samples,
        "train_loss": last.loss,
        "train_accuracy": last.train_accuracy,
    }
    terminal.result(
        result,
        f"trained {network} on {found.name}: {last.epochs} epochs, accuracy {last.train_accuracy:.2%} on the "
        f"(augmented) training samples",
        f"weights: {output}",
    )
