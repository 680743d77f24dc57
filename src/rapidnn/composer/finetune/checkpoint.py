"""A training's state as one safetensors file: parameters, optimiser, best choices, reports."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rapidnn import untrusted
from rapidnn.errors import ComposeError
from rapidnn.files import atomic_path

_VERSION = 1


def fingerprint(*parts: Any) -> str:
    """A digest of arrays and JSON values: what a checkpoint must agree with to be resumed."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype} {part.shape}".encode())
            digest.update(np.ascontiguousarray(part).view(np.uint8).data)
        else:
            digest.update(json.dumps(part, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def save_checkpoint(path: Path, tensors: Mapping[str, torch.Tensor], state: Mapping[str, Any]) -> None:
    """Write tensors and JSON state atomically.

    Raises
    ------
    ComposeError
        If the file cannot be written.
    """
    from safetensors.torch import save_file

    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    try:
        with atomic_path(path) as temporary:
            save_file(plain, temporary, {"finetune": json.dumps({"version": _VERSION, **state})})
    except OSError as error:
        raise ComposeError(f"cannot write checkpoint {path}: {error.strerror or error}") from None


def load_checkpoint(path: Path, expected: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors and state of a checkpoint of the same training.

    Raises
    ------
    ComposeError
        If the file is damaged, foreign, or of a training with another network, data or settings.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            state = untrusted.parse_json((file.metadata() or {}).get("finetune", "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise ComposeError(
            f"checkpoint {path} cannot be read: {untrusted.one_line(error)}; delete it to start anew"
        ) from None
    if not isinstance(state, dict) or state.get("version") != _VERSION:
        raise ComposeError(f"{path} is not a fine-tuning checkpoint of this version; give another name")
    if state.get("fingerprint") != expected:
        raise ComposeError(
            f"checkpoint {path} belongs to another training (network, data, sizes, epochs, seed or threads differ); "
            f"give another name or delete it"
        )
    return tensors, state


def prefixed(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors under ``prefix/``."""
    return {f"{prefix}/{name}": value for name, value in tensors.items()}


def under(prefix: str, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of :func:`prefixed`: those under ``prefix/``, without it."""
    return {n.removeprefix(f"{prefix}/"): v for n, v in tensors.items() if n.startswith(f"{prefix}/")}


def choice_arrays(tensors: Mapping[str, torch.Tensor]) -> list[NDArray[Any]]:
    """Tensors as arrays in the order of their names, for a fingerprint."""
    return [tensors[name].detach().cpu().numpy() for name in sorted(tensors)]
