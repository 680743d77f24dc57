"""Composing a large network reads its weights layer by layer: peak memory stays near the largest layer's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests.zoo import NETWORKS
from tests.zoo.initial import initialise
from tests.zoo.onnx_file import write_onnx

_COMPOSE = """
import resource, sys
import numpy as np
import rapidnn
composed = rapidnn.compose(sys.argv[1], np.load(sys.argv[2]), weights=64, inputs=64, threads=1)
unit = 1 if sys.platform == "darwin" else 1024
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit, composed.program.output_shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alexnet", "resnet152", "vgg16"])
def test_composing_stays_under_twice_the_largest_layer_and_2_gib(name: str, tmp_path: Path) -> None:
    network = NETWORKS[name]
    x = torch.randn(2, *network.shape, generator=torch.Generator().manual_seed(1))
    module = initialise(network.factory(), 0, x)
    path = write_onnx(module, x.numpy(), tmp_path / "network.onnx")
    np.save(tmp_path / "x.npy", x.numpy())
    largest = max(
        4 * part.weight.numel() for part in module.modules() if isinstance(part, nn.Conv2d | nn.Linear)
    )
    del module
    command = [sys.executable, "-c", _COMPOSE, str(path), str(tmp_path / "x.npy")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak, shape = done.stdout.split(maxsplit=1)
    assert shape.strip() == "(1000,)"
    assert int(peak) < 2 * largest + 2**31, (
        f"peak {int(peak) / 2**20:.0f} MiB, largest layer {largest / 2**20:.0f}"
    )
