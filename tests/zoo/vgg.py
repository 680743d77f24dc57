"""VGG-16: the shipped network, and the same trunk under a classifier for 32x32 images."""

from __future__ import annotations

from torch import nn

from rapidnn.networks.vgg import VGG16


def vgg16_for_32() -> nn.Module:
    """The trunk leaves one place of a 32x32 image, so the first dense layer reads 512 values instead of 25,088."""
    module = VGG16()
    module.classifier[0] = nn.Linear(512, 4096)
    return module
