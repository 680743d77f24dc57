"""The imported graph is compared with the original; where they differ, the first node that does is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.frontends.parse import Parsed
from rapidnn.frontends.quiet import first_line
from rapidnn.frontends.source import Source, open_session, run_batches
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float32]

_TOLERANCE = 1e-4
"""Largest difference allowed, of the largest output (SPEC section 2, step 1)."""
_MAX_SAMPLES = 16
_MAX_ELEMENTS = 2**24
"""Elements of the largest edge for all samples together: keeps the check within 64 MiB a value."""


def verify(graph: Graph, parsed: Parsed, source: Source, sample: Array) -> None:
    """Check that ``graph`` computes what the original does on at most 16 samples.

    Raises
    ------
    ModelError
        If a value is not finite, or the outputs differ by more than 1e-4 of the largest output; the message
        names the first node.
    """
    largest = max(int(np.prod(shape, dtype=np.int64)) for shape in graph.shapes.values())
    x = sample[: max(1, min(_MAX_SAMPLES, _MAX_ELEMENTS // largest))]
    wanted = source.run(x)
    found = _run_finite(graph, x)
    if found.shape != wanted.shape:
        raise ModelError(f"the imported graph gives shape {found.shape[1:]}, the original {wanted.shape[1:]}")
    if differs(found, wanted):
        gap, top = float(np.abs(found - wanted).max()), float(np.abs(wanted).max())
        raise ModelError(
            f"the imported graph differs from the original by {gap:.3g} (largest output {top:.3g}, allowed "
            f"{_TOLERANCE:g} of it): {_blame(parsed, source, x, wanted)}"
        )


def differs(found: Array, wanted: Array) -> bool:
    """Whether two values are further apart than the tolerance (or not comparable for a NaN)."""
    gap = np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max(initial=0.0)
    return not gap <= _TOLERANCE * np.abs(wanted).max(initial=0.0)


def _run_finite(graph: Graph, x: Array) -> Array:
    def observe(name: str, value: torch.Tensor) -> None:
        if not bool(value.isfinite().all()):
            raise ModelError(
                f"node {name!r} gives NaN or infinite values on the sample; check weights and inputs"
            )

    try:
        return run_float(graph, x, observe)
    except (RuntimeError, MemoryError) as error:  # torch's word for sizes it cannot allocate or index
        raise ModelError(f"the imported graph cannot be run: {first_line(error)}") from error


def _blame(parsed: Parsed, source: Source, x: Array, wanted: Array) -> str:
    """Which step went wrong: a node's handler, the passes, or the export."""
    theirs = _onnx_values(parsed, source, x)
    first: list[str] = []

    def observe(name: str, value: torch.Tensor) -> None:
        if not first and name in theirs and differs(value.numpy(), theirs[name]):
            first.append(name)

    ours = run_float(parsed.graph, x, observe)
    if first:
        return f"the first node that differs is {first[0]!r}"
    if differs(ours, wanted):
        return "every node agrees with the exported ONNX model, which itself differs from the module"
    return "every node agrees before the graph's passes, which changed the result"


def _onnx_values(parsed: Parsed, source: Source, x: Array) -> dict[str, Array]:
    """The ONNX model's own value of every edge of the parsed graph, by onnxruntime."""
    import onnx
    import onnx_ir as ir

    proto = ir.to_proto(source.model)
    present = {output.name for output in proto.graph.output}
    edges = {node.name: parsed.values[node.name] for node in parsed.graph if node.name in parsed.values}
    edges.pop(parsed.graph.input.name, None)
    for value in edges.values():
        if value not in present:
            proto.graph.output.append(onnx.helper.make_tensor_value_info(value, onnx.TensorProto.FLOAT, None))
    session = open_session(proto.SerializeToString(), source.folder)
    results = run_batches(session, x, source.batch, list(edges.values()))
    return dict(zip(edges, results, strict=True))
