"""VGG-16 for ImageNet (Simonyan and Zisserman 2015, configuration D), without batch normalisation."""

from __future__ import annotations

import torch
from torch import nn

_PLAN = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")
"""Channels of the 3x3 convolutions, M a 2x2 max pool: table 1 of the paper, column D."""


class VGG16(nn.Module):
    """13 convolutions and 3 dense layers, 138,357,544 parameters; input ``(N, 3, 224, 224)``, 1000 logits.

    Parameters are named ``features.<i>`` and ``classifier.<i>``, as published weights usually are.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for step in _PLAN:
            if isinstance(step, int):
                layers += [nn.Conv2d(channels, step, 3, padding=1), nn.ReLU()]
                channels = step
            else:
                layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 1000),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits."""
        logits: torch.Tensor = self.classifier(torch.flatten(self.features(x), 1))
        return logits
