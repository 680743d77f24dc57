"""GoogLeNet (Szegedy et al. 2014, table 1) with batch normalisation, without the auxiliary classifiers.

The widely published weights have 3x3 kernels where the paper's third branch has 5x5, and so has this network.
"""

from __future__ import annotations

import torch
from torch import nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(outputs, eps=1e-3),
        nn.ReLU(inplace=True),
    )


class Inception(nn.Module):
    """Four branches joined: 1x1, 3x3, "5x5" and pooling, with 1x1 reductions."""

    def __init__(
        self, inputs: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int
    ) -> None:
        super().__init__()
        self.branch1 = conv(inputs, one, 1)
        self.branch2 = nn.Sequential(conv(inputs, three[0], 1), conv(*three, 3, padding=1))
        self.branch3 = nn.Sequential(conv(inputs, five[0], 1), conv(*five, 3, padding=1))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv(inputs, pool, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class GoogLeNet(nn.Module):
    """A stem and nine inception modules in three stages."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv(3, 64, 7, 2, 3),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            conv(64, 64, 1),
            conv(64, 192, 3, padding=1),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        self.stage3 = nn.Sequential(
            Inception(192, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64),
            nn.MaxPool2d(3, 2, ceil_mode=True),
        )
        self.stage4 = nn.Sequential(
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128),
            nn.MaxPool2d(2, 2, ceil_mode=True),
        )
        self.stage5 = nn.Sequential(
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage5(self.stage4(self.stage3(self.stem(x))))
        return self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))
