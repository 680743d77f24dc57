"""MobileNet-v2 (Sandler et al. 2018, table 2) and MobileNet-v3-small (Howard et al. 2019, table 2)."""

from __future__ import annotations

import torch
from torch import nn

_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, repeats, stride."""

_V3_SMALL = (
    (3, 16, 16, True, False, 2),
    (3, 72, 24, False, False, 2),
    (3, 88, 24, False, False, 1),
    (5, 96, 40, True, True, 2),
    (5, 240, 40, True, True, 1),
    (5, 240, 40, True, True, 1),
    (5, 120, 48, True, True, 1),
    (5, 144, 48, True, True, 1),
    (5, 288, 96, True, True, 2),
    (5, 576, 96, True, True, 1),
    (5, 576, 96, True, True, 1),
)
"""Kernel, expanded channels, channels, squeeze-and-excitation, hard swish (else ReLU), stride."""


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    stride: int = 1,
    groups: int = 1,
    act: type[nn.Module] | None = None,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Convolution that keeps the size, batch normalisation, perhaps an activation."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=eps),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act()]))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        expand = [] if expansion == 1 else [conv(inputs, hidden, 1, act=nn.ReLU6)]
        self.conv = nn.Sequential(
            *expand, conv(hidden, hidden, 3, stride, hidden, nn.ReLU6), conv(hidden, outputs, 1)
        )
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """Seventeen inverted residuals between a 3x3 stem and a 1x1 head."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(3, 32, 3, 2, act=nn.ReLU6)]
        channels = 32
        for expansion, outputs, repeats, stride in _V2:
            for place in range(repeats):
                layers.append(InvertedResidual(channels, outputs, 1 if place else stride, expansion))
                channels = outputs
        layers.append(conv(channels, 1280, 1, act=nn.ReLU6))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), 1)
        return self.classifier(torch.flatten(x, 1))


class SqueezeExcite(nn.Module):
    """Each channel times a hard sigmoid of a small network over all channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = divisible(channels // 4)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1)
        self.relu = nn.ReLU()
        self.fc2 = nn.Conv2d(squeezed, channels, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(self.fc2(self.relu(self.fc1(self.avgpool(x)))))


def divisible(value: float, by: int = 8) -> int:
    """The nearest multiple of ``by``, one up where that loses over a tenth."""
    rounded = max(by, int(value + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * value else rounded


class Bneck(nn.Module):
    """An inverted residual with squeeze-and-excitation after the depthwise filter."""

    def __init__(self, inputs: int, row: tuple[int, int, int, bool, bool, int]) -> None:
        super().__init__()
        kernel, hidden, outputs, squeeze, swish, stride = row
        act = nn.Hardswish if swish else nn.ReLU
        layers: list[nn.Module] = [] if hidden == inputs else [conv(inputs, hidden, 1, act=act, eps=1e-3)]
        layers.append(conv(hidden, hidden, kernel, stride, hidden, act, 1e-3))
        if squeeze:
            layers.append(SqueezeExcite(hidden))
        layers.append(conv(hidden, outputs, 1, eps=1e-3))
        self.block = nn.Sequential(*layers)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.block(x)
        if self.shortcut:
            y += x
        return y


class MobileNetV3Small(nn.Module):
    """Eleven bnecks between a 3x3 stem and a 1x1 head."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [conv(3, 16, 3, 2, act=nn.Hardswish, eps=1e-3)]
        channels = 16
        for row in _V3_SMALL:
            layers.append(Bneck(channels, row))
            channels = row[2]
        layers.append(conv(channels, 576, 1, act=nn.Hardswish, eps=1e-3))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(576, 1024), nn.Hardswish(inplace=True), nn.Dropout(0.2), nn.Linear(1024, 1000)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))
