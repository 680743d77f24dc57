"""A small search that tests share, also those that run it in another process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from torch import nn

import rapidnn

SPACE = """
per_layer: true
compose: {weights: [2, 4, 16], inputs: [2, 8]}
hardware: {rna.columns: [128, 1024], rna.neurons_per_block: [1, 4]}
"""


def data(count=600):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((count, 12)).astype(np.float32)
    return x, (x @ rng.standard_normal((12, 4))).argmax(1)


@cache
def network():
    """A trained network as a file, since importing a module takes a second each time."""
    import torch

    torch.manual_seed(0)
    x, y = data()
    made = nn.Sequential(nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 4))
    optimizer = torch.optim.Adam(made.parameters(), 0.02)
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.cross_entropy(made(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    path = Path(tempfile.mkdtemp()) / "net.onnx"
    inputs = (torch.from_numpy(x[:2]),)
    torch.onnx.export(
        made.eval(), inputs, path, verbose=False, dynamo=True, dynamic_shapes=({0: torch.export.Dim("n")},)
    )
    atexit.register(shutil.rmtree, path.parent)
    return path


def search(folder, space, trials=40, **options):
    x, y = data()
    return rapidnn.explore(
        network(),
        x[:100],
        (x, y),
        folder=folder,
        space=space,
        objectives="loss,energy",
        trials=trials,
        **options,
    )


def points(found):
    return [(t.figures["loss"], t.figures["energy"]) for t in found.front]
