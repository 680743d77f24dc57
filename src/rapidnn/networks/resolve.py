"""From what the user wrote (a built-in's name or ``package.module:factory``) to a module with weights."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapidnn.errors import ModelError
from rapidnn.networks import registry
from rapidnn.networks.weights import check_finite, load_weights

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class Network:
    """A float network ready to import.

    ``input_shape`` (without the batch) and ``data_set`` are None where only the user knows them. ``random``
    says that its weights are a built-in's random ones: no accuracy can be expected of it.
    """

    name: str
    module: nn.Module
    input_shape: tuple[int, ...] | None
    data_set: str | None
    random: bool


def resolve(spec: str, weights: Path | None = None, *, seed: int = 0) -> Network:
    """A network by name, with weights from a file if one is given; in eval mode.

    Parameters
    ----------
    spec
        A name of `registry.names`, or ``package.module:factory``: a module-level callable without arguments
        that returns a ``torch.nn.Module``; the working directory is searched too.
    weights
        ``.safetensors`` or ``.npz``, names as in the module tree.
    seed
        For a built-in's random weights.

    Raises
    ------
    ModelError
        If the network or its weights cannot be had, or a weight is not finite.
    """
    if ":" in spec:
        network = Network(spec, _from_factory(spec), None, None, random=False)
    else:
        known = registry.input_shape(spec), registry.data_set(spec)
        network = Network(spec, registry.build(spec, seed), *known, random=weights is None)
    if weights is not None:
        load_weights(network.module, weights)
    else:
        check_finite(network.module.state_dict(), f"network {spec}")
    return network


def _from_factory(spec: str) -> nn.Module:
    from torch import nn

    module_name, _, function = spec.partition(":")
    with _working_directory_on_path():
        try:
            factory: Any = importlib.import_module(module_name)
        except Exception as error:  # whatever the user's module raises is the user's to mend
            raise ModelError(
                f"cannot import {module_name!r} for network {spec!r}: {_reason(error)}"
            ) from None
        for part in function.split("."):
            if not hasattr(factory, part):
                raise ModelError(f"{module_name!r} has no {function!r}; NET is package.module:factory")
            factory = getattr(factory, part)
        if not callable(factory):
            raise ModelError(f"{spec!r} is not callable; a factory without arguments is expected")
        try:
            built = factory()
        except Exception as error:  # as above
            raise ModelError(f"{spec!r} failed to build its network: {_reason(error)}") from None
    if not isinstance(built, nn.Module):
        raise ModelError(f"{spec!r} returned a {type(built).__name__}; a torch.nn.Module is expected")
    return built.eval()


@contextmanager
def _working_directory_on_path() -> Iterator[None]:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)


def _reason(error: Exception) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
