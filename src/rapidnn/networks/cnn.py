"""The paper's CIFAR networks and a small one for scikit-learn's digits."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn


def cifar_cnn(classes: int) -> nn.Module:
    """C32 3x3, pool 2x2, C64 3x3, C64 3x3, FC512, FC ``classes``, ReLU but at the end (FACTS 1b, recalled).

    What is recalled does not say how the convolutions pad; here they keep the size (padding 1), so the first
    dense layer has 64 x 16 x 16 = 16,384 inputs. Input ``(N, 3, 32, 32)``.
    """
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 32, 3, padding=1),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 64, 3, padding=1),
            relu2=nn.ReLU(),
            conv3=nn.Conv2d(64, 64, 3, padding=1),
            relu3=nn.ReLU(),
            flatten=nn.Flatten(),
            fc1=nn.Linear(64 * 16 * 16, 512),
            relu4=nn.ReLU(),
            drop1=nn.Dropout(0.5),
            fc2=nn.Linear(512, classes),
        )
    )


def cifar10_cnn() -> nn.Module:
    """`cifar_cnn` with 10 classes."""
    return cifar_cnn(10)


def cifar100_cnn() -> nn.Module:
    """`cifar_cnn` with 100 classes."""
    return cifar_cnn(100)


def digits_cnn() -> nn.Module:
    """C16 3x3, C32 3x3, pool 2x2, FC64, FC10 for 8 x 8 digits; trains in seconds. Input ``(N, 1, 8, 8)``."""
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(1, 16, 3, padding=1),
            relu1=nn.ReLU(),
            conv2=nn.Conv2d(16, 32, 3, padding=1),
            relu2=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            fc1=nn.Linear(32 * 4 * 4, 64),
            relu3=nn.ReLU(),
            drop1=nn.Dropout(0.2),
            fc2=nn.Linear(64, 10),
        )
    )
