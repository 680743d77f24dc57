"""Random weights that keep the scale of activations from layer to layer."""

from __future__ import annotations

import torch
from torch import nn

from rapidnn.networks.resnet import Block


def initialise(module: nn.Module, seed: int) -> None:
    """Fill a module's parameters in place, the same for the same seed; the global generator is left alone.

    Weights are normal with variance 2 / fan-in before a ReLU (He et al. 2015, eq. 10) and 1 / fan-in in the
    last layer, biases 0, batch normalisation the identity. A residual branch ends with a batch-norm weight of
    1 / sqrt(number of blocks): with running statistics still at their start, nothing else would keep a sum of
    that many branches near its first scale (the variance grows by (1 + 1/n)**n < e).
    """
    generator = torch.Generator().manual_seed(seed)
    weighted = [m for m in module.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    for layer in weighted:
        last = layer is weighted[-1]
        nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if last else "relu", generator=generator)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    for norm in (m for m in module.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.reset_parameters()
    blocks = [m for m in module.modules() if isinstance(m, Block)]
    for block in blocks:
        nn.init.constant_(block.bn2.weight, len(blocks) ** -0.5)
