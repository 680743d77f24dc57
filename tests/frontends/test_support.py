from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from rapidnn.errors import DataError, ModelError
from rapidnn.frontends import support_report
from tests.frontends.checking import ints
from tests.frontends.onnx_models import floats, node, save


def test_every_node_is_listed(tmp_path: Path) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", name="conv"),
        node("Softplus", ["c"], "s", name="soft"),
        node("Reshape", ["s", "shape"], "r", name="flat"),
        node("Softmax", ["r"], "p", name="prob"),
        node("Constant", [], "k", value_float=2.0, name="two"),
        node("Mul", ["p", "k"], "m", name="scale"),
        node("LRN", ["m"], "y", name="lrn", size=3),
    ]
    tensors = {"w": floats(4, 3, 3, 3), "b": floats(4), "shape": ints(0, -1)}
    report = support_report(save(tmp_path, nodes, tensors, ("N", 3, 6, 5)))
    where = {entry.name: entry.where for entry in report.nodes}
    assert where == {
        "conv": "machine", "soft": "refused", "flat": "shape-only", "prob": "host", "two": "shape-only",
        "scale": "machine", "lrn": "refused",
    }  # fmt: skip
    entries = {entry.name: entry for entry in report.nodes}
    assert entries["conv"].macs == 4 * 4 * 3 * 27 == report.macs
    assert entries["conv"].parameters == 4 * 27 + 4
    assert entries["conv"].output_shape == (4, 4, 3)
    assert entries["flat"].output_shape == (48,)
    assert "sum of squares" in entries["lrn"].reason
    assert not report.supported
    assert [entry.name for entry in report.refused] == ["soft", "lrn"]
    assert json.loads(json.dumps(report.to_json()))["nodes"][0]["operator"] == "Conv"
    assert list(report.to_frame()["where"]) == list(where.values())


def test_a_module_needs_a_shape() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    report = support_report(module, (4,))
    assert report.supported
    assert report.macs == 4 * 3 + 3 * 2
    with pytest.raises(DataError, match="give the shape of one sample"):
        support_report(module)


def test_open_extents_need_a_shape(tmp_path: Path) -> None:
    file = save(tmp_path, [node("Relu", ["x"], "y")], {}, ("N", 3, "H"))
    with pytest.raises(DataError, match="leaves extents of its input open"):
        support_report(file)
    assert support_report(file, (3, 7)).nodes[0].output_shape == (3, 7)


def test_what_follows_an_unknown_shape_is_not_judged(tmp_path: Path) -> None:
    nodes = [node("Magic", ["x"], "a"), node("Relu", ["a"], "y")]
    nodes[0].domain = "own"
    report = support_report(save(tmp_path, nodes, {}))
    assert [entry.where for entry in report.nodes] == ["refused", "refused"]
    assert "not judged" in report.nodes[1].reason


def test_onnx_is_not_asked_about_impossible_extents(tmp_path: Path) -> None:
    """Its shape inference ends the process where a slice follows a negative extent."""
    nodes = [
        node("Softplus", ["x"], "s", name="soft"),
        node("Resize", ["s", "", "scales"], "r", name="resize", mode="nearest"),
        node("Slice", ["r", "minus", "three", "minus"], "y", name="slice"),
    ]
    tensors = {"scales": np.array([1, 1, 2, np.inf], np.float32), "minus": ints(-1), "three": ints(3)}
    report = support_report(save(tmp_path, nodes, tensors, ("N", 2, 4, 4)))
    assert [entry.where for entry in report.nodes] == ["refused", "refused", "refused"]
    assert "scales" in report.nodes[1].reason
    assert "not judged" in report.nodes[2].reason


def test_a_batch_that_ends_elsewhere_is_refused(tmp_path: Path) -> None:
    report = support_report(save(tmp_path, [node("Transpose", ["x"], "y")], {}))
    assert not report.supported
    assert "batch" in report.nodes[-1].reason


def test_an_unreadable_file_raises(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"nothing")
    with pytest.raises(ModelError):
        support_report(tmp_path / "net.onnx", (3,))


def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    huge = np.array([10**12, 10**6])
    nodes = [node("ConstantOfShape", ["huge"], "c"), node("Add", ["x", "c"], "y")]
    report = support_report(save(tmp_path, nodes, {"huge": huge}))
    assert "elements; at most" in report.nodes[0].reason
    nodes = [node("Tile", ["x", "r"], "y")]
    report = support_report(save(tmp_path, nodes, {"r": np.array([1, 10**12])}))
    assert "more than" in report.nodes[0].reason
