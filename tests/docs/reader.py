"""What readers of the reference pages have at hand: the files that "ten minutes" leaves, and their own network."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rapidnn.cli.main import exit_code

WEIGHTS, ARTIFACT = "digits.safetensors", "digits.rapidnn"
FEW = 150


def tutorial_files(folder: Path) -> None:
    """The trained network and the artifact of docs/tutorial.md, by its commands."""
    weights, artifact = str(folder / WEIGHTS), str(folder / ARTIFACT)
    train = ["train", "digits-cnn", "--data", "digits", "--epochs", "6", "-o", weights]
    compose = ["compose", "digits-cnn", "--weights", weights, "--data", "digits", "-w", "16", "-u", "16"]
    assert exit_code([*train, "--json"]) == 0
    assert exit_code([*compose, "-o", artifact, "--json"]) == 0


def names(folder: Path) -> dict[str, Any]:
    """The names that Python blocks take as given: a module, calibration and labelled data, a composed network."""
    import rapidnn
    from rapidnn.data import load_data
    from rapidnn.networks import resolve

    composed = rapidnn.load(folder / ARTIFACT)
    x_fit, y_fit, x_val, y_val = load_data("digits").validation_split()
    x, x_val = composed.preprocess.apply(x_fit), composed.preprocess.apply(x_val)
    return {
        "np": np,
        "rapidnn": rapidnn,
        "module": resolve("digits-cnn", folder / WEIGHTS).module,
        "composed": composed,
        "calibration": x[:300],
        "x": x[:FEW],
        "labels": y_fit[:FEW],
        "x_val": x_val,
        "y_val": y_val,
    }


def mnist_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A small network's ``net.rapidnn`` on MNIST, of which a few samples lie in the data folder; and the names of both.

    A perceptron of a size that anyone would train has so many blocks that the page's thousand maps take a quarter hour.
    """
    import rapidnn
    from rapidnn.data import load_data

    known = os.environ.get("RAPIDNN_DATA")
    if known is None or not (Path(known) / "mnist.npz").is_file():
        pytest.skip("no mnist.npz in RAPIDNN_DATA")
    with np.load(Path(known) / "mnist.npz", allow_pickle=False) as whole:
        few = {name: whole[name][: FEW if name.endswith("test") else 1000] for name in whole.files}
    (folder / "data").mkdir()
    np.savez(folder / "data" / "mnist.npz", **few)
    monkeypatch.setenv("RAPIDNN_DATA", str(folder / "data"))
    data = load_data("mnist")
    prepare = data.preprocess.for_shape((784,))
    x, labels = data.split("train")
    inputs = prepare.apply(x[:FEW])
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(784, 12), nn.ReLU(), nn.Linear(12, 10)).eval()
    composed = rapidnn.compose(module, inputs, preprocess=prepare, recover="none")
    composed.save(folder / "net.rapidnn")
    return {"composed": composed, "x": inputs, "labels": labels[:FEW]}
