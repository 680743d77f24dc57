"""Random weights and batch-norm statistics that keep every activation of a deep network at a sane scale."""

from __future__ import annotations

import torch
from torch import nn

WEIGHTED = nn.Conv2d | nn.Linear


def initialise(module: nn.Module, seed: int, x: torch.Tensor) -> nn.Module:
    """Fill parameters and statistics in place and switch to evaluation mode; returns the module.

    Weights start He-normal (He et al. 2015, eq. 10). ``x`` then runs through once, and on the way each weighted layer
    is divided by the standard deviation of its own output (Mishkin and Matas 2015), and each batch norm takes
    statistics of what it reads, off by random factors, as if they came from other data. Biases, scales and shifts are
    random too: no term is left that could be dropped unnoticed. Shifts of normalisation are positive in the mean: with
    shifts around 0 each normalised ReLU layer enlarges a relative error by a quarter, and a 152-layer network's own
    rounding in float32 by a thousand, which no trained network does.
    """
    generator = torch.Generator().manual_seed(seed)
    known: set[int] = set()
    for part in module.modules():
        if isinstance(part, WEIGHTED):
            nn.init.kaiming_normal_(part.weight, nonlinearity="relu", generator=generator)
        elif isinstance(part, nn.BatchNorm2d | nn.LayerNorm):
            nn.init.uniform_(part.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(part.bias, 0.0, 1.0, generator=generator)
            known.add(id(part.bias))
        else:
            continue
        known.add(id(part.weight))
    for parameter in module.parameters():
        if id(parameter) not in known:
            nn.init.normal_(parameter, std=0.2, generator=generator)
    module.eval()
    _settle(module, x, generator)
    return module


def _settle(module: nn.Module, x: torch.Tensor, generator: torch.Generator) -> None:
    def rescale(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        layer.weight.data /= output.std()
        return layer.forward(inputs[0])

    def observe(norm: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        var, mean = torch.var_mean(inputs[0], dim=(0, 2, 3))
        # A channel that hardly varies on so few samples of noise must not be blown up.
        var = var.clamp_min(float(var.mean()) / 4)
        factor = torch.empty_like(var).uniform_(0.7, 1.4, generator=generator)
        shift = torch.empty_like(var).uniform_(-0.2, 0.2, generator=generator)
        norm.running_var.copy_(var * factor)
        norm.running_mean.copy_(mean + shift * var.sqrt())

    handles = []
    for part in module.modules():
        if isinstance(part, WEIGHTED):
            handles.append(part.register_forward_hook(rescale))
        elif isinstance(part, nn.BatchNorm2d):
            handles.append(part.register_forward_pre_hook(observe))
    with torch.no_grad():
        module(x)
    for handle in handles:
        handle.remove()
