"""ResNet-20 and ResNet-56 for CIFAR-10 (He et al. 2016, section 4.2), with option-A shortcuts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut.

    Where the block halves the image and doubles the channels, the shortcut takes every second pixel and adds
    zero channels, half before and half after (option A).
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride = stride
        self.pad = (outputs - inputs) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``relu(branch + shortcut)``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride != 1:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(y + x)


class ResNet(nn.Module):
    """6n + 2 layers: a convolution, three groups of n blocks (16, 32, 64 channels), mean over pixels, linear.

    Input ``(N, 3, 32, 32)``, 10 logits. Parameters are named ``conv1``, ``bn1``, ``layer<g>.<b>.conv1`` and
    so on, ``linear``: the names of the widely used public weights.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self._group(16, 16, 1, blocks)
        self.layer2 = self._group(16, 32, 2, blocks)
        self.layer3 = self._group(32, 64, 2, blocks)
        self.linear = nn.Linear(64, 10)

    @staticmethod
    def _group(inputs: int, outputs: int, stride: int, blocks: int) -> nn.Sequential:
        first = Block(inputs, outputs, stride)
        return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(blocks - 1)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        logits: torch.Tensor = self.linear(x)
        return logits


def resnet20() -> nn.Module:
    """Three blocks a group."""
    return ResNet(3)


def resnet56() -> nn.Module:
    """Nine blocks a group."""
    return ResNet(9)
