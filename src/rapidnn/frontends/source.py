"""Where a network comes from: its ONNX model, and a way to run the original for comparison."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError, ModelError
from rapidnn.frontends.external import check_external
from rapidnn.frontends.quantised import remove_activation_pairs
from rapidnn.frontends.quiet import evaluation_mode, first_line, quiet
from rapidnn.frontends.structure import checked

if TYPE_CHECKING:
    import onnx_ir as ir
    import torch

Array = NDArray[np.float32]

_FREE_BATCH = 2
"""Batch size the parser assumes where the model leaves it open: 1 would hide reshapes that mix samples."""

_MAX_BATCH = 4096


@dataclass(frozen=True, eq=False)
class Source:
    """A network before import.

    ``run`` maps a batch of any size to the original's output. ``batch`` is the batch size of the shapes
    written into ``model``. ``folder`` is where external data lies.
    """

    label: str
    model: ir.Model
    batch: int
    run: Callable[[Array], Array]
    folder: Path | None


def module_source(module: torch.nn.Module, sample: Array) -> Source:
    """Export a module to an ONNX model in memory (nothing is written to disk, weights are shared).

    The exporter's optimiser stays off: it would fuse batch normalisation in float32, merge equal weights and
    lose the layers' names, and our own passes do what is needed of it.
    """
    import torch

    _check_forward(module)
    device = next((p.device for p in module.parameters()), torch.device("cpu"))

    def run(x: Array) -> Array:
        with quiet(), evaluation_mode(module), torch.no_grad():
            result = module(torch.tensor(x, device=device))
        return _one_tensor(result, len(x))

    example = np.concatenate([sample, sample])[:2] if len(sample) == 1 else sample[:2]
    try:
        run(example)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        raise DataError(
            f"the module rejects a batch of shape {example.shape}: {first_line(error)}"
        ) from error
    try:
        with quiet(), evaluation_mode(module), torch.no_grad():
            program = torch.onnx.export(
                module, (torch.tensor(example, device=device),), dynamo=True, verbose=False, optimize=False
            )
    except Exception as error:  # the exporter raises whatever the module's own code makes it raise
        raise ModelError(f"the module cannot be exported to ONNX: {first_line(error)}") from error
    assert program is not None
    model = checked(program.model, "the exported module")
    return Source("module", model, len(example), run, None)


def file_source(path: Path, sample: Array) -> Source:
    """Open an ONNX file; the original is run by onnxruntime."""
    import onnx_ir as ir

    if not path.is_file():
        raise ModelError(f"{path}: no such file; give the path of an .onnx file")
    try:
        with quiet():
            model = ir.load(path, format="protobuf")
    except Exception as error:  # protobuf, onnx and onnx_ir each raise their own kinds on damaged bytes
        raise ModelError(f"{path}: not an ONNX file, or a truncated one ({first_line(error)})") from error
    check_external(model, path)
    model = checked(model, str(path))
    batch = _file_batch(model, path, sample)
    stripped = remove_activation_pairs(model) > 0

    def run(x: Array) -> Array:
        if stripped:
            session = open_session(ir.to_proto(model).SerializeToString(), path.parent)
        else:
            session = open_session(os.fspath(path))
        return run_batches(session, x, batch, None)[0]

    return Source(str(path), model, batch or _FREE_BATCH, run, path.parent)


def open_session(model: str | bytes, folder: Path | None = None) -> Any:
    """An onnxruntime session that neither optimises nor keeps second copies of weights."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.disable_prepacking", "1")
    if folder is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(folder))
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        where = model if isinstance(model, str) else "the model"
        raise ModelError(f"{where}: onnxruntime cannot load it: {first_line(error)}") from error


def run_batches(session: Any, x: Array, batch: int | None, outputs: list[str] | None) -> list[NDArray[Any]]:
    """Run a session on ``x``, in pieces of ``batch`` samples (the last filled up) where that is fixed."""
    size = batch or len(x)
    pieces = []
    for start in range(0, len(x), size):
        piece = x[start : start + size]
        full = np.concatenate([piece, np.repeat(piece[-1:], size - len(piece), axis=0)])
        try:
            results = session.run(outputs, {session.get_inputs()[0].name: full})
        except Exception as error:
            raise ModelError(f"onnxruntime cannot run the model: {first_line(error)}") from error
        pieces.append([np.asarray(r)[: len(piece)] if np.ndim(r) else np.asarray(r) for r in results])
    return [np.concatenate(column) if column[0].ndim else column[0] for column in zip(*pieces, strict=True)]


def _check_forward(module: torch.nn.Module) -> None:
    import torch

    for name, tensor in module.named_parameters():
        if tensor.dtype != torch.float32:
            raise ModelError(
                f"parameter {name!r} is {tensor.dtype}; only float32 is supported: call .float()"
            )
    needed = [
        p
        for p in inspect.signature(module.forward).parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    if len(needed) > 1:
        names = ", ".join(p.name for p in needed)
        raise ModelError(f"the module's forward takes several inputs ({names}); one is supported")


def _one_tensor(result: Any, count: int) -> Array:
    import torch

    if not isinstance(result, torch.Tensor):
        raise ModelError(f"the module returns a {type(result).__name__}; one tensor is supported")
    if result.dtype != torch.float32:
        raise ModelError(f"the module returns {result.dtype}; float32 is supported")
    if result.ndim < 1 or result.shape[0] != count:
        raise ModelError(
            f"the module turns {count} samples into shape {tuple(result.shape)}; batch first is needed"
        )
    return np.asarray(result.numpy(force=True))


def _file_batch(model: ir.Model, path: Path, sample: Array) -> int | None:
    """The batch size a file fixes (None: free), after a check of the sample against its input shape."""
    value = next(v for v in model.graph.inputs if not v.is_initializer())
    if value.shape is None:
        return None
    dims = [d if isinstance(d, int) and d > 0 else None for d in value.shape]
    shown = tuple("N" if d is None else d for d in dims)
    if len(dims) != sample.ndim or any(
        d not in (None, n) for d, n in zip(dims[1:], sample.shape[1:], strict=True)
    ):
        raise DataError(f"samples have shape {sample.shape[1:]}, but {path} takes {shown} (batch first)")
    if dims[0] is not None and dims[0] > _MAX_BATCH:
        raise ModelError(
            f"{path}: it is made for batches of {dims[0]} samples; export it with a free batch, or one of at most "
            f"{_MAX_BATCH}"
        )
    return dims[0]
