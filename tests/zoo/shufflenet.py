"""ShuffleNet-v2 x1.0 (Ma et al. 2018, table 5)."""

from __future__ import annotations

import torch
from torch import nn


def shuffle(x: torch.Tensor, groups: int) -> torch.Tensor:
    """Channel ``g * n + i`` of ``groups`` groups of n goes to ``i * groups + g``."""
    batch, channels, height, width = x.size()
    x = x.view(batch, groups, channels // groups, height, width)
    return torch.transpose(x, 1, 2).contiguous().view(batch, channels, height, width)


def pointwise(inputs: int, outputs: int) -> list[nn.Module]:
    """1x1 convolution, batch normalisation, ReLU."""
    return [nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


def depthwise(channels: int, stride: int) -> list[nn.Module]:
    """3x3 convolution of each channel, batch normalisation."""
    return [
        nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
    ]


class Unit(nn.Module):
    """One half of the channels passes by (or is filtered, where the size halves), the other is transformed."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        half = outputs // 2
        self.branch1 = nn.Sequential(*depthwise(inputs, 2), *pointwise(inputs, half)) if stride > 1 else None
        self.branch2 = nn.Sequential(
            *pointwise(inputs if stride > 1 else half, half), *depthwise(half, stride), *pointwise(half, half)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.branch1 is None:
            kept, changed = x.chunk(2, dim=1)
            out = torch.cat((kept, self.branch2(changed)), dim=1)
        else:
            out = torch.cat((self.branch1(x), self.branch2(x)), dim=1)
        return shuffle(out, 2)


class ShuffleNetV2(nn.Module):
    """A stem, three stages of 4, 8 and 4 units, a 1x1 head."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, 24, 3, 2, 1, bias=False), nn.BatchNorm2d(24), nn.ReLU(inplace=True)
        )
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        channels = 24
        for index, (width, repeats) in enumerate(((116, 4), (232, 8), (464, 4)), start=2):
            units = [Unit(channels, width, 2), *(Unit(width, width, 1) for _ in range(repeats - 1))]
            setattr(self, f"stage{index}", nn.Sequential(*units))
            channels = width
        self.conv5 = nn.Sequential(*pointwise(channels, 1024))
        self.fc = nn.Linear(1024, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(x)))))
        return self.fc(self.conv5(x).mean([2, 3]))
