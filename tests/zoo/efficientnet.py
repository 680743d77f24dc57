"""EfficientNet-B0 (Tan and Le 2019, table 1)."""

from __future__ import annotations

import torch
from torch import nn

_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
"""Expansion, kernel, stride, channels, repeats."""


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution that keeps the size, batch normalisation."""
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class SqueezeExcite(nn.Module):
    """Each channel times a sigmoid of a small network over all channels' means."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate = self.fc2(self.act(self.fc1(x.mean((2, 3), keepdim=True))))
        return torch.sigmoid(gate) * x


class MBConv(nn.Module):
    """Expand, filter each channel, squeeze-and-excite, project; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [] if expansion == 1 else [*conv(inputs, hidden, 1), nn.SiLU(inplace=True)]
        self.block = nn.Sequential(
            *expand,
            *conv(hidden, hidden, kernel, stride, hidden),
            nn.SiLU(inplace=True),
            SqueezeExcite(hidden, inputs // 4),
            *conv(hidden, outputs, 1),
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.block(x) + x if self.shortcut else self.block(x)


class EfficientNetB0(nn.Module):
    """Sixteen MBConv blocks between a 3x3 stem and a 1x1 head."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*conv(3, 32, 3, 2), nn.SiLU(inplace=True)]
        channels = 32
        for expansion, kernel, stride, outputs, repeats in _STAGES:
            for place in range(repeats):
                layers.append(MBConv(channels, outputs, kernel, 1 if place else stride, expansion))
                channels = outputs
        self.features = nn.Sequential(*layers, *conv(channels, 1280, 1), nn.SiLU(inplace=True))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2, inplace=True), nn.Linear(1280, 1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
