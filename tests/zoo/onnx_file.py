"""A network's ONNX export, as a user's script would write it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rapidnn.frontends.quiet import quiet

_LARGE = 100_000_000
"""Bytes of weights beyond which they go to a file of their own, well under protobuf's 2 GiB."""


def write_onnx(module: nn.Module, x: NDArray[np.float32], path: Path) -> Path:
    """Export ``module`` with the exporter's optimiser on and a fixed batch of two; returns ``path``."""
    size = sum(4 * parameter.numel() for parameter in module.parameters())
    with quiet(), torch.no_grad():
        torch.onnx.export(
            module,
            (torch.from_numpy(x[:2]),),
            path,
            dynamo=True,
            external_data=size > _LARGE,
            verbose=False,
        )
    return path
