"""Weights as files: written as safetensors, read from safetensors or ``.npz``, checked name by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rapidnn import untrusted
from rapidnn.errors import ModelError
from rapidnn.files import atomic_path

if TYPE_CHECKING:
    import torch
    from torch import nn

_SHOWN = 3
"""How many names an error lists before it counts the rest."""


def save_weights(module: nn.Module, path: Path) -> None:
    """Write a module's parameters and buffers as safetensors, names as in the module tree; atomic.

    Raises
    ------
    ModelError
        If the file cannot be written.
    """
    from safetensors.torch import save_file

    tensors = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    try:
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)
    except OSError as error:
        raise ModelError(f"cannot write weights to {path}: {error.strerror or error}") from None


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from a ``.safetensors`` or ``.npz`` file, on the CPU.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or of another kind.
    """
    if not path.is_file():
        raise ModelError(f"weights file {path} does not exist")
    if path.suffix not in (".safetensors", ".npz"):
        raise ModelError(f"weights file {path} is of an unknown kind; use .safetensors or .npz")
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        arrays, _ = untrusted.read_npz(path, lambda _: True)
        return {name: torch.from_numpy(array) for name, array in arrays.items()}
    except (SafetensorError, OSError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(f"weights file {path} cannot be read: {untrusted.one_line(error)}") from None


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a module, in place, from a weights file; all or nothing.

    Every parameter and buffer must be there under its name in the module tree, in its shape, and finite. Only
    batch normalisation's ``num_batches_tracked``, a training counter, may be absent. Values are cast to the
    module's types.

    Raises
    ------
    ModelError
        On a missing, unexpected, mis-shaped or non-finite tensor; the message names it and the file.
    """
    given = read_weights(path)
    wanted = module.state_dict()
    needed = {name for name in wanted if not name.endswith("num_batches_tracked")}
    if missing := sorted(needed - set(given)):
        raise ModelError(f"weights file {path} lacks {_listed(missing)}, which the network has")
    if unexpected := sorted(set(given) - set(wanted)):
        raise ModelError(f"weights file {path} holds {_listed(unexpected)}, which the network has not")
    for name, value in given.items():
        if value.shape != wanted[name].shape:
            raise ModelError(
                f"weights file {path}: {name} has shape {tuple(value.shape)}, "
                f"the network expects {tuple(wanted[name].shape)}"
            )
    check_finite(given, f"weights file {path}")
    module.load_state_dict(given, strict=False)


def check_finite(tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Refuse NaN and infinite weights.

    Raises
    ------
    ModelError
        On the first tensor that holds one.
    """
    import torch

    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ModelError(f"{where}: {name} holds NaN or infinite values; the network cannot be used")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
