"""Inception-v3 (Szegedy et al. 2015, table 1) without the auxiliary classifier."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


class Conv(nn.Module):
    """Convolution, batch normalisation, ReLU; kernels of several extents keep the size unless told otherwise."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int], stride: int = 1) -> None:
        super().__init__()
        keeps = stride == 1 and kernel != 1
        padding = "same" if keeps else 0
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class Narrow(Conv):
    """A 3x3 convolution without padding."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3)
        self.conv.padding = (0, 0)


class Mixed(nn.Module):
    """Branches side by side, joined over channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def pooled(inputs: int, outputs: int) -> nn.Sequential:
    """Average over 3x3 (padding counts), then 1x1."""
    return nn.Sequential(nn.AvgPool2d(3, 1, 1), Conv(inputs, outputs, 1))


def fine(inputs: int, pool: int) -> Mixed:
    """The module of figure 5, on the 35x35 grid."""
    return Mixed(
        Conv(inputs, 64, 1),
        nn.Sequential(Conv(inputs, 48, 1), Conv(48, 64, 5)),
        nn.Sequential(Conv(inputs, 64, 1), Conv(64, 96, 3), Conv(96, 96, 3)),
        pooled(inputs, pool),
    )


def middle(width: int) -> Mixed:
    """The module of figure 6 with n = 7, on the 17x17 grid."""
    rows, columns = (1, 7), (7, 1)
    return Mixed(
        Conv(768, 192, 1),
        nn.Sequential(Conv(768, width, 1), Conv(width, width, rows), Conv(width, 192, columns)),
        nn.Sequential(
            Conv(768, width, 1),
            Conv(width, width, columns),
            Conv(width, width, rows),
            Conv(width, width, columns),
            Conv(width, 192, rows),
        ),
        pooled(768, 192),
    )


def coarse(inputs: int) -> Mixed:
    """The module of figure 7, on the 8x8 grid."""

    def split() -> Mixed:
        return Mixed(Conv(384, 384, (1, 3)), Conv(384, 384, (3, 1)))

    return Mixed(
        Conv(inputs, 320, 1),
        nn.Sequential(Conv(inputs, 384, 1), split()),
        nn.Sequential(Conv(inputs, 448, 1), Conv(448, 384, 3), split()),
        pooled(inputs, 192),
    )


def reduce_35() -> Mixed:
    """From 35x35 to 17x17 (figure 10)."""
    return Mixed(
        Conv(288, 384, 3, 2),
        nn.Sequential(Conv(288, 64, 1), Conv(64, 96, 3), Conv(96, 96, 3, 2)),
        nn.MaxPool2d(3, 2),
    )


def reduce_17() -> Mixed:
    """From 17x17 to 8x8."""
    return Mixed(
        nn.Sequential(Conv(768, 192, 1), Conv(192, 320, 3, 2)),
        nn.Sequential(
            Conv(768, 192, 1), Conv(192, 192, (1, 7)), Conv(192, 192, (7, 1)), Conv(192, 192, 3, 2)
        ),
        nn.MaxPool2d(3, 2),
    )


class InceptionV3(nn.Module):
    """A stem, eleven mixed modules, global average pooling and one dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(3, 32, 3, 2),
            Narrow(32, 32),
            Conv(32, 64, 3),
            nn.MaxPool2d(3, 2),
            Conv(64, 80, 1),
            Narrow(80, 192),
            nn.MaxPool2d(3, 2),
        )
        self.mixed = nn.Sequential(
            fine(192, 32),
            fine(256, 64),
            fine(288, 64),
            reduce_35(),
            middle(128),
            middle(160),
            middle(160),
            middle(192),
            reduce_17(),
            coarse(1280),
            coarse(2048),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout()
        self.fc = nn.Linear(2048, 1000)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.avgpool(self.mixed(self.stem(x))))
        return self.fc(torch.flatten(x, 1))
