"""The paper's multi-layer perceptrons."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int, *, dropout: float = 0.2) -> nn.Sequential:
    """``inputs - hidden... - outputs`` with ReLU between, and dropout after each hidden layer in training.

    Input float32 ``(N, inputs)``, output logits ``(N, outputs)``.
    """
    layers: list[tuple[str, nn.Module]] = []
    width = inputs
    for index, units in enumerate(hidden, 1):
        layers += [
            (f"fc{index}", nn.Linear(width, units)),
            (f"relu{index}", nn.ReLU()),
            (f"drop{index}", nn.Dropout(dropout)),
        ]
        width = units
    layers.append((f"fc{len(hidden) + 1}", nn.Linear(width, outputs)))
    return nn.Sequential(OrderedDict(layers))


def mnist_mlp() -> nn.Module:
    """784-512-512-10 (FACTS 1b, recalled)."""
    return mlp(784, (512, 512), 10)


def isolet_mlp() -> nn.Module:
    """617-512-512-26 (FACTS 1b, recalled)."""
    return mlp(617, (512, 512), 26)


def har_mlp() -> nn.Module:
    """561-512-512-6.

    FACTS 1b recalls 19 outputs, but UCI HAR's 561-feature form has 6 activities, so 6 it is here.
    """
    return mlp(561, (512, 512), 6)


def har_inertial_mlp() -> nn.Module:
    """1152-512-512-6, on the 9 x 128 raw signals of UCI HAR laid end to end."""
    return mlp(9 * 128, (512, 512), 6)
