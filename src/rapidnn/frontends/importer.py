"""The import from end to end: get an ONNX model, parse it, run the passes, compare with the original."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError, ModelError
from rapidnn.graph.ir import Graph

if TYPE_CHECKING:
    import torch


def import_model(model: torch.nn.Module | str | Path, sample: NDArray[np.float32]) -> Graph:
    """Float graph of a network, equal to the original in evaluation mode on ``sample``.

    Weights are read-only views of the module's or the file's own memory wherever possible: after training a
    module further, import it again.

    Parameters
    ----------
    model
        A ``torch.nn.Module`` with one tensor input and one tensor output (its training mode is restored), or
        the path of an ONNX file (operator set 7 or newer).
    sample
        Real preprocessed inputs, float32, shape ``(N, ...)`` with N >= 1. The first 16 at most are run.

    Raises
    ------
    ModelError
        If the model cannot be read, holds an unsupported operator (all are named) or non-finite weights, would
        make far more values than it is given (a damaged shape), or if the graph differs from the original by over
        1e-4 of the largest output (SPEC section 2, step 1).
    DataError
        If the sample is not finite float32 or does not have the network's input shape.
    """
    from rapidnn.frontends.extent import check_extent
    from rapidnn.frontends.parse import parse
    from rapidnn.frontends.source import file_source, module_source
    from rapidnn.frontends.verify import verify
    from rapidnn.graph.passes import run_passes

    _check_sample(sample)
    if isinstance(model, str | Path):
        source = file_source(Path(model), sample)
    else:
        _check_module(model)
        source = module_source(model, sample)
    parsed = parse(source.model, source.batch, sample.shape[1:])
    check_extent(parsed.graph, source)
    graph = run_passes(parsed.graph)
    verify(graph, parsed, source, sample)
    return graph


def _check_sample(sample: NDArray[np.float32]) -> None:
    if not isinstance(sample, np.ndarray) or sample.dtype != np.float32:
        kind = sample.dtype if isinstance(sample, np.ndarray) else type(sample).__name__
        raise DataError(
            f"the sample must be a float32 array, not {kind}; convert it with .astype(numpy.float32)"
        )
    if sample.ndim < 2 or sample.shape[0] < 1:
        raise DataError(f"the sample must be a batch of shape (N, ...) with N >= 1, not {sample.shape}")
    if not np.isfinite(sample[:16]).all():
        raise DataError("the sample holds NaN or infinite values; only finite inputs can be imported with")


def _check_module(model: object) -> None:
    import torch

    if not isinstance(model, torch.nn.Module):
        raise ModelError(
            f"a model is a torch.nn.Module or the path of an .onnx file, not {type(model).__name__}"
        )
