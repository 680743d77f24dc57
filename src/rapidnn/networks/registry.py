"""The built-in networks by name. torch is imported when one is built, not before."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidnn.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BuiltIn:
    """A built-in network: its factory (``module:function`` here), input shape, and data set's name."""

    factory: str
    input_shape: tuple[int, ...]
    data_set: str | None


BUILT_IN: dict[str, BuiltIn] = {
    "digits-cnn": BuiltIn("cnn:digits_cnn", (1, 8, 8), "digits"),
    "mnist-mlp": BuiltIn("mlp:mnist_mlp", (784,), "mnist"),
    "isolet-mlp": BuiltIn("mlp:isolet_mlp", (617,), "isolet"),
    "har-mlp": BuiltIn("mlp:har_mlp", (561,), "har"),
    "har-inertial-mlp": BuiltIn("mlp:har_inertial_mlp", (1152,), "har-inertial"),
    "cifar10-cnn": BuiltIn("cnn:cifar10_cnn", (3, 32, 32), "cifar10"),
    "cifar100-cnn": BuiltIn("cnn:cifar100_cnn", (3, 32, 32), "cifar100"),
    "resnet20": BuiltIn("resnet:resnet20", (3, 32, 32), "cifar10"),
    "resnet56": BuiltIn("resnet:resnet56", (3, 32, 32), "cifar10"),
    "vgg16": BuiltIn("vgg:VGG16", (3, 224, 224), None),
}
"""Built-in networks by name."""


def names() -> tuple[str, ...]:
    """Names of the built-in networks."""
    return tuple(BUILT_IN)


def input_shape(name: str) -> tuple[int, ...]:
    """Shape of one input sample.

    Raises
    ------
    ModelError
        If the name is unknown.
    """
    return _entry(name).input_shape


def data_set(name: str) -> str | None:
    """Name of the data set the network is for; None for ``vgg16`` (ImageNet is not among those fetched).

    Raises
    ------
    ModelError
        If the name is unknown.
    """
    return _entry(name).data_set


def skeleton(name: str) -> nn.Module:
    """The module on torch's meta device: its structure and parameter shapes, no memory.

    Raises
    ------
    ModelError
        If the name is unknown.
    """
    import torch

    module_name, function = _entry(name).factory.split(":")
    factory = getattr(importlib.import_module(f"rapidnn.networks.{module_name}"), function)
    with torch.device("meta"):
        module: nn.Module = factory()
    return module.eval()


def build(name: str, seed: int = 0) -> nn.Module:
    """A built-in network with random weights, float32 on the CPU, in eval mode; one seed, one set of weights.

    Raises
    ------
    ModelError
        If the name is unknown.
    """
    module = skeleton(name).to_empty(device="cpu")
    from rapidnn.networks.initial import initialise

    initialise(module, seed)
    return module


def _entry(name: str) -> BuiltIn:
    if name not in BUILT_IN:
        raise ModelError(f"unknown network {name!r}; the built-in ones are {', '.join(BUILT_IN)}")
    return BUILT_IN[name]
