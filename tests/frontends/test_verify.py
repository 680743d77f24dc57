from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rapidnn.errors import ModelError
from rapidnn.frontends import import_model, registry
from rapidnn.frontends.context import NodeContext
from rapidnn.frontends.verify import differs
from rapidnn.graph import ops, passes
from rapidnn.graph.ir import Graph, Node
from tests.frontends.onnx_models import floats, node, save

NODES = [
    node("Relu", ["x"], "r", name="first"),
    node("Tanh", ["r"], "t", name="second"),
    node("MatMul", ["t", "w"], "y", name="third"),
]


def break_tanh(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(ctx: NodeContext) -> str:
        return ctx.emit(ops.Activation("sigmoid"), ctx.edge(0))

    monkeypatch.setitem(registry.handler_table(), "Tanh", wrong)


def test_a_wrong_handler_is_found_by_its_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    break_tanh(monkeypatch)
    with pytest.raises(
        ModelError, match=r"differs from the original by .* first node that differs is 'second'"
    ):
        import_model(save(tmp_path, NODES, {"w": floats(3, 2)}), floats(5, 3))


@pytest.mark.parametrize("batch", [1, 4])
def test_found_with_a_fixed_batch_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    break_tanh(monkeypatch)
    with pytest.raises(ModelError, match="first node that differs is 'second'"):
        import_model(save(tmp_path, NODES, {"w": floats(3, 2)}, (batch, 3)), floats(5, 3))


def test_found_in_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    break_tanh(monkeypatch)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    with pytest.raises(ModelError, match="first node that differs is '1'"):
        import_model(module, floats(4, 3))


def test_a_wrong_pass_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(graph: Graph) -> Graph:
        doubled = Node("twice", ops.Add(), (graph.output, graph.output))
        return Graph((*graph.nodes, doubled), "twice")

    monkeypatch.setattr(passes, "run_passes", wrong)
    with pytest.raises(ModelError, match="agrees before the graph's passes"):
        import_model(save(tmp_path, NODES, {"w": floats(3, 2)}), floats(4, 3))


class OnlyInPairs(nn.Module):
    """Computes something else for batches of other sizes than the exported one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x) if len(x) == 2 else torch.tanh(x)


def test_a_wrong_export_is_told_apart() -> None:
    with pytest.raises(ModelError, match="exported ONNX model, which itself differs from the module"):
        import_model(OnlyInPairs(), floats(4, 3))


def test_tolerance_is_relative_to_the_largest_output() -> None:
    wanted = np.array([1000, 0], np.float32)
    check: Callable[[float], bool] = lambda gap: differs(wanted + np.float32(gap), wanted)  # noqa: E731
    assert not check(0.09)
    assert check(0.2)
    assert differs(np.array([np.nan], np.float32), np.ones(1, np.float32))
