from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from rapidnn.errors import ModelError
from rapidnn.frontends import import_model
from tests.frontends.onnx_models import build, floats, node, save

RELU = [node("Relu", ["x"], "y")]
SAMPLE = floats(2, 3)


def refuse(model: object, message: str, sample: np.ndarray = SAMPLE) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        import_model(model, sample)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    refuse(tmp_path / "none.onnx", r"none\.onnx: no such file")
    refuse(str(tmp_path), "no such file")


def test_values_out_of_nothing(tmp_path: Path) -> None:
    def enlarged(side: int) -> Path:
        scales = np.array([1, 1, side, side], np.float32)
        nodes = [node("Resize", ["x", "", "scales"], "z", mode="nearest"), node("Relu", ["z"], "y")]
        return save(tmp_path, nodes, {"scales": scales}, ("N", 2, 4, 4), opset=17)

    sample = floats(1, 2, 4, 4)
    assert import_model(enlarged(500), sample).output_shape == (2, 2000, 2000)
    refuse(enlarged(1500), "would make 288096064 values of .* damaged shape", sample)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n 0000", b"hello, world", bytes(range(256))])
def test_not_an_onnx_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.onnx").write_bytes(content)
    refuse(tmp_path / "net.onnx", "net.onnx: ")


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = build([node("MatMul", ["x", "w"], "y")], {"w": floats(3, 4)}).SerializeToString()
    file = tmp_path / "net.onnx"
    for length in range(0, len(whole) - 1, 7):
        file.write_bytes(whole[:length])
        refuse(file, ".")


def test_not_a_model() -> None:
    refuse(42, "not int")


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("LRN", ["x"], "y", name="lrn", size=3)], r"'LRN' at node 'lrn' \(it divides by .* is not"),
        (
            [node("Softplus", ["x"], "a"), node("Erf", ["a"], "b"), node("Softplus", ["b"], "y")],
            r"operators 'Softplus' at node 'a' and 1 more, 'Erf' at node 'b' are not supported \(supported: .*Conv",
        ),
        ([helper.make_node("Magic", ["x"], ["y"], domain="own")], "operator 'own::Magic' at node 'y'"),
        ([node("Relu", ["gone"], "y")], "node 'y' reads 'gone', which the model does not hold"),
        ([node("Relu", ["b"], "a"), node("Relu", ["a"], "b"), node("Relu", ["b"], "y")], "cycle"),
        ([node("Add", ["c", "c"], "y")], "'y' does not depend on the network's input"),
        ([node("Clip", ["x", "c"], "y")], "operator 'Clip' at node 'y'.*one number"),
        ([node("Div", ["x", "x"], "y")], "operator 'Div' at node 'y': its divisor depends on"),
        ([node("Mul", ["x", "planes"], "y")], r"'Mul' at node 'y': a constant of .* varies along the batch"),
        ([node("MatMul", ["x", "x"], "y")], "operator 'MatMul' at node 'y'.*mix the samples"),
        ([node("Transpose", ["x"], "y")], "does not have the batch as its first axis"),
        ([node("Reshape", ["x", "flat"], "y")], "does not have the batch as its first axis"),
        ([node("Reshape", ["x", "one"], "y")], "must not fix another"),
        ([node("Slice", ["x", "i0", "i1", "i0"], "y")], "slices the batch axis"),
        ([node("Pad", ["x", "pads", "seven"], "y")], "padding with the constant 0"),
        ([node("Pad", ["x", "pads"], "y", mode="reflect")], "padding with the constant 0"),
        ([node("Concat", ["x", "x"], "y", axis=0)], "joins values .* along the batch"),
        ([node("Min", ["x", "x"], "y")], "several activations has no table"),
        ([node("Where", ["mask", "x", "c"], "y")], "'Where' at node 'y' .a choice between activations"),
        ([node("Erf", ["x"], "a"), node("Tanh", ["a"], "y")], "operator 'Erf' at node 'a' is not supported"),
        ([node("Pow", ["x", "seven"], "a"), node("Resize", ["a", "", "twice"], "y", mode="linear")],
         "2 nodes are refused: .*'Pow' at node 'a': the power 7.*; .*'Resize' at node 'y': mode 'linear'"),
        ([node("Cast", ["x"], "h", to=10), node("Cast", ["h"], "y", to=1)], "operator 'Cast' at node 'h'"),
        ([node("ReduceMean", ["x"], "y")], "would mix the samples"),
        ([node("Add", ["x", "wide"], "y")], r"node 'y': a constant of shape \(4,\) meets samples of shape \(3,\)"),
        ([node("MatMul", ["x", "square"], "y")], "node 'y'"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_imported(tmp_path: Path, nodes: list, message: str) -> None:
    tensors = {
        "c": floats(3),
        "flat": np.array([-1]),
        "one": np.array([1, 3]),
        "i0": np.array([0]),
        "i1": np.array([1]),
        "pads": np.array([0, 1, 0, 1]),
        "seven": np.array(7, np.float32),
        "wide": floats(4),
        "mask": np.array([True, False, True]),
        "planes": floats(2, 3),
        "twice": np.array([1, 2], np.float32),
        "square": floats(4, 4),
    }
    refuse(save(tmp_path, nodes, tensors), message)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_must_be_finite(tmp_path: Path, value: float) -> None:
    weight = floats(3, 4)
    weight[1, 2] = value
    refuse(
        save(tmp_path, [node("MatMul", ["x", "w.1"], "y")], {"w.1": weight}), "tensor 'w.1' of node 'y' holds"
    )


def test_weights_must_be_float32(tmp_path: Path) -> None:
    weight = floats(3, 4).astype(np.float16)
    refuse(save(tmp_path, [node("MatMul", ["x", "w"], "y")], {"w": weight}), "'w' of node 'y' is float16")


def test_inputs_must_be_float32(tmp_path: Path) -> None:
    refuse(save(tmp_path, RELU, {}, dtype=onnx.TensorProto.DOUBLE), "input 'x' is DOUBLE")


def test_one_input_and_one_output(tmp_path: Path) -> None:
    model = build(RELU)
    model.graph.input.append(helper.make_tensor_value_info("z", 1, (3,)))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refuse(tmp_path / "net.onnx", r"2 inputs \('x', 'z'\)")
    model = build([*RELU, node("Tanh", ["x"], "t")])
    model.graph.output.append(helper.make_tensor_value_info("t", 1, None))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    refuse(tmp_path / "net.onnx", r"2 outputs \('y', 't'\)")


def test_very_old_operator_sets(tmp_path: Path) -> None:
    refuse(save(tmp_path, RELU, {}, opset=6), "operator set 6 is too old")


def test_second_outputs_must_not_be_used(tmp_path: Path) -> None:
    pool = helper.make_node("MaxPool", ["x"], ["m", "where"], kernel_shape=[2])
    cast = node("Cast", ["where"], "w", to=1)
    file = save(tmp_path, [pool, cast, node("Add", ["m", "w"], "y")], {}, ("N", 3, 4))
    refuse(file, "operator 'MaxPool' at node 'm': its second output is used", floats(2, 3, 4))


def test_windows_must_meet_the_input(tmp_path: Path) -> None:
    pool = node("MaxPool", ["x"], "y", kernel_shape=[2], pads=[2, 0])
    refuse(save(tmp_path, [pool], {}, ("N", 3, 4)), "without any input", floats(2, 3, 4))


def test_missing_external_data(tmp_path: Path) -> None:
    model = build([node("MatMul", ["x", "w"], "y")], {"w": floats(3, 4)})
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    (tmp_path / "w.bin").unlink()
    refuse(tmp_path / "net.onnx", "tensor 'w' cannot be read")


def test_external_data_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    model = build([node("MatMul", ["x", "w"], "y")], {"w": floats(3, 4)})
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    moved = onnx.load(tmp_path / "net.onnx", load_external_data=False)
    next(e for e in moved.graph.initializer[0].external_data if e.key == "location").value = "../w.bin"
    (tmp_path / "inner" / "net.onnx").write_bytes(moved.SerializeToString())
    refuse(tmp_path / "inner" / "net.onnx", "tensor 'w' cannot be read")


def test_infinities_on_the_way_are_refused(tmp_path: Path) -> None:
    tensors = {"big": np.full((3, 2), 3e38, np.float32)}
    nodes = [node("MatMul", ["x", "big"], "huge"), node("Tanh", ["huge"], "y")]
    refuse(
        save(tmp_path, nodes, tensors), "node 'huge' gives NaN or infinite", np.full((2, 3), 10, np.float32)
    )
