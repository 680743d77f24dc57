"""Import of a file compared with onnxruntime on samples that the import has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rapidnn.frontends import import_model
from rapidnn.graph import ops
from rapidnn.graph.float_exec import run_float
from rapidnn.graph.ir import Graph
from tests.frontends.onnx_models import floats, run


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def check(file: Path, *shape: int, count: int = 3) -> Graph:
    x = floats(count, *shape)
    graph = import_model(file, floats(count, *shape))
    wanted = run(file, x)
    np.testing.assert_allclose(run_float(graph, x), wanted, atol=1e-4 * np.abs(wanted).max())
    return graph


def kinds(graph: Graph) -> list[str]:
    return [ops.op_name(n.op) for n in graph][1:]
