from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from rapidnn.data import load_data
from rapidnn.errors import ModelError
from rapidnn.networks import build, data_set, input_shape, names, resolve, skeleton
from rapidnn.networks.train import accuracy, predict

REAL = os.environ.get("RAPIDNN_DATA", "")
MODELS = Path(REAL) / "models"

PARAMETERS = {
    # dense layers (inputs + 1) * outputs, convolutions (inputs * 9 + 1) * outputs, summed by hand
    "digits-cnn": 160 + 4640 + 513 * 64 + 65 * 10,
    "mnist-mlp": 785 * 512 + 513 * 512 + 513 * 10,
    "isolet-mlp": 618 * 512 + 513 * 512 + 513 * 26,
    "har-mlp": 562 * 512 + 513 * 512 + 513 * 6,
    "har-inertial-mlp": 1153 * 512 + 513 * 512 + 513 * 6,
    "cifar10-cnn": 896 + 18496 + 36928 + 16385 * 512 + 513 * 10,
    "cifar100-cnn": 896 + 18496 + 36928 + 16385 * 512 + 513 * 100,
    "resnet20": 269_722,  # 0.27 M in He et al. 2016, table 6
    "resnet56": 853_018,  # 0.85 M in the same table
    "vgg16": 138_357_544,
}


def test_every_network_is_counted() -> None:
    assert set(PARAMETERS) == set(names())


@pytest.mark.parametrize("name", names())
def test_parameters_and_output_shape(name: str) -> None:
    module = skeleton(name)
    assert sum(p.numel() for p in module.parameters()) == PARAMETERS[name]
    assert not module.training
    with torch.inference_mode():
        out = module(torch.empty(2, *input_shape(name), device="meta"))
    classes = {"isolet": 26, "har": 6, "har-inertial": 6, "cifar100": 100, None: 1000}
    assert out.shape == (2, classes.get(data_set(name), 10))


@pytest.mark.parametrize("name", [n for n in names() if n != "vgg16"])
def test_random_weights_are_seeded_and_keep_the_scale(name: str) -> None:
    before = torch.get_rng_state()
    module = build(name, 1)
    assert torch.equal(before, torch.get_rng_state())
    assert not module.training
    again, other = build(name, 1).state_dict(), build(name, 2).state_dict()
    for key, value in module.state_dict().items():
        assert torch.equal(value, again[key])
    assert any(not torch.equal(value, other[key]) for key, value in module.state_dict().items())
    x = torch.randn(16, *input_shape(name), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        scale = float(module(x).std())
    assert 0.2 < scale < 5


@pytest.mark.parametrize("ask", [build, input_shape, data_set, skeleton, resolve])
def test_unknown_names_list_the_known_ones(ask) -> None:
    with pytest.raises(
        ModelError, match="unknown network 'resnet21'; the built-in ones are digits-cnn, mnist-mlp"
    ):
        ask("resnet21")


def test_importing_and_asking_does_not_import_torch() -> None:
    code = (
        "import sys, rapidnn.networks as n, rapidnn.data; n.names(), n.input_shape('vgg16'); "
        "sys.exit('torch' in sys.modules or 'sklearn' in sys.modules or 'PIL' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(
    not MODELS.is_dir(), reason="RAPIDNN_DATA names no folder with the public ResNets in models/"
)
@pytest.mark.parametrize(
    ("name", "file", "want"),
    [("resnet20", "resnet20-12fca82f.npz", 0.915), ("resnet56", "resnet56-4bfd9763.npz", 0.926)],
)
def test_public_resnet_weights(name: str, file: str, want: float) -> None:
    network = resolve(name, MODELS / file)
    assert not network.random
    data = load_data("cifar10")
    x, y = data.split("test")
    if name == "resnet56" or len(x) != 1000:
        x, y, want = x[:10], y[:10], 0.0  # the weights load; the accuracy of the small one is check enough
    logits = predict(network.module, x, data.preprocess)
    assert logits.dtype == np.float32
    assert accuracy(logits, y) >= want
