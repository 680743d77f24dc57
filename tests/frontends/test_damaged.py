"""Damaged files: imported or refused in one line, in bounded time and memory (``tests/frontends/fuzz.py``)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from rapidnn.errors import ModelError, RapidnnError
from rapidnn.frontends import import_model
from tests.frontends.fuzz import bases
from tests.frontends.onnx_models import build, floats, node

ROOT = Path(__file__).parents[2]


def run_fuzz(seed: int, count: int) -> None:
    # In a process of its own: memory is limited there, and a crash of a reader is a failure, not the end of the tests.
    done = subprocess.run(
        [sys.executable, "-m", "tests.frontends.fuzz", str(seed), str(count)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_small_corpus() -> None:
    run_fuzz(0, 80)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_large_corpus(seed: int) -> None:
    run_fuzz(seed, 400)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_bytes_in_the_place_of_a_piece(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model, shape = data.draw(st.sampled_from(bases()))
    content = bytearray(model.SerializeToString())
    start = data.draw(st.integers(0, len(content) - 1))
    content[start : start + data.draw(st.integers(0, 12))] = data.draw(st.binary(max_size=12))
    file = tmp_path_factory.mktemp("damaged") / "net.onnx"
    file.write_bytes(bytes(content))
    try:
        import_model(file, np.ones((2, *shape), np.float32))
    except RapidnnError as error:
        assert "\n" not in str(error)  # noqa: PT017 - a mutant may also be taken


def external(path: Path, location: str, **entries: int) -> Path:
    model = build([node("MatMul", ["x", "w"], "y")], {"w": floats(3, 4)})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    file = path / "net.onnx"
    file.write_bytes(model.SerializeToString())
    return file


def test_external_data_beside_the_model(tmp_path: Path) -> None:
    weight = floats(3, 4)
    (tmp_path / "w.bin").write_bytes(b"1234" + weight.tobytes())
    graph = import_model(external(tmp_path, "w.bin", offset=4, length=48), floats(2, 3))
    np.testing.assert_array_equal(graph["y"].op.weight, weight.T)
    assert not graph["y"].op.weight.flags.owndata  # a view of the mapped file


@pytest.mark.parametrize(
    ("location", "entries", "message"),
    [
        ("/etc/hostname", {}, "outside the folder"),
        ("../w.bin", {}, "outside the folder"),
        ("a/../../w.bin", {}, "outside the folder"),
        ("C:\\w.bin", {}, "outside the folder"),
        ("none.bin", {}, "no file"),
        (".", {}, "no file"),
        ("link.bin", {}, "link out of the folder"),
        ("short.bin", {}, "ends at byte 48 of 'short.bin', which has 10 bytes"),
        ("short.bin", {"length": 10**12}, "declared with 1000000000000 bytes"),
        ("short.bin", {"offset": 10**15}, "ends at byte"),
    ],
)
def test_hostile_external_data(tmp_path: Path, location: str, entries: dict, message: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(48))
    (inner / "short.bin").write_bytes(bytes(10))
    (inner / "link.bin").symlink_to(tmp_path / "w.bin")
    with pytest.raises(ModelError, match=message) as caught:
        import_model(external(inner, location, **entries), floats(2, 3))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("again", [True, False])
def test_functions_that_multiply(tmp_path: Path, again: bool) -> None:
    model = build([node("F0", ["x"], "y", domain="own")])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    model.opset_import.append(opsets[1])
    for level in range(12):
        inner = "F0" if again and level == 11 else f"F{level + 1}"
        calls = [node(inner, ["a"], f"b{k}", domain="own") for k in range(10)] if again or level < 11 else []
        last = node("Relu", ["a"], "b")
        model.functions.append(helper.make_function("own", f"F{level}", ["a"], ["b"], [*calls, last], opsets))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="calls itself" if again else "expand into"):
        import_model(tmp_path / "net.onnx", floats(2, 3))
