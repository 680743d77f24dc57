"""The built-in networks that leave through every door, composed on real data, and 100 real inputs each."""

import functools
import os
from pathlib import Path

import pytest

import rapidnn
from rapidnn.data.datasets import load_data
from rapidnn.networks.resolve import resolve

RESNET = Path(os.environ.get("RAPIDNN_DATA", "")) / "models" / "resnet20-12fca82f.npz"
NAMES = [
    "digits-cnn",
    "mnist-mlp",
    pytest.param(
        "resnet20",
        marks=pytest.mark.skipif(
            not RESNET.is_file(), reason="RAPIDNN_DATA has no models/resnet20-12fca82f.npz"
        ),
    ),
]


@functools.cache
def built_in(name):
    """``(composed at 16 and 16 codes, 100 inputs)``; ResNet-20 with its public weights, the others untrained."""
    data = load_data({"digits-cnn": "digits", "mnist-mlp": "mnist", "resnet20": "cifar10"}[name])
    found = resolve(name, RESNET if name == "resnet20" else None)
    x = data.preprocess.apply(data.x_train[:200]).reshape(200, *found.input_shape)
    return rapidnn.compose(found.module, x[:100], weights=16, inputs=16), x[100:]
