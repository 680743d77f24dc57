from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from rapidnn.errors import DataError
from rapidnn.frontends import import_model
from rapidnn.graph.float_exec import run_float
from tests.frontends.checking import check, ints, kinds
from tests.frontends.onnx_models import build, floats, node, run, save

WEIGHTS = {"w": floats(4, 3, 3, 3), "b": floats(4)}


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 1], "pads": [1, 0, 2, 1]},
        {"dilations": [2, 1], "pads": [1, 1, 1, 1], "kernel_shape": [3, 3]},
        {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
        {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
        {"auto_pad": "VALID"},
    ],
)
def test_convolution_options(tmp_path: Path, attributes: dict) -> None:
    file = save(tmp_path, [node("Conv", ["x", "w", "b"], "y", **attributes)], WEIGHTS, ("N", 3, 8, 9))
    assert kinds(check(file, 3, 8, 9)) == ["Conv"]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_grouped_convolution_of_any_rank_without_bias(tmp_path: Path, rank: int) -> None:
    weight = floats(6, 2, *(2,) * rank)
    file = save(tmp_path, [node("Conv", ["x", "w"], "y", group=2)], {"w": weight}, ("N", 4, *(5,) * rank))
    graph = check(file, 4, *(5,) * rank)
    assert graph["y"].op.groups == 2
    assert not graph["y"].op.bias.any()


@pytest.mark.parametrize("opset", [13, 18, 22])
@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "attributes",
    [
        {"strides": [2, 2]},
        {"strides": [2, 2], "ceil_mode": 1},
        {"strides": [2, 1], "pads": [1, 0, 1, 2], "ceil_mode": 1},
        {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
        {"strides": [3, 2], "auto_pad": "SAME_UPPER"},
    ],
)
def test_pool_options(tmp_path: Path, opset: int, op_type: str, attributes: dict) -> None:
    pool = node(op_type, ["x"], "y", kernel_shape=[3, 3], **attributes)
    graph = check(save(tmp_path, [pool], {}, ("N", 2, 8, 9), opset=opset), 2, 8, 9)
    assert len(graph) == 2


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 1, 1, 0]])
def test_average_pool_counts_padding(tmp_path: Path, pads: list[int]) -> None:
    pool = node("AveragePool", ["x"], "y", kernel_shape=[2, 2], pads=pads, count_include_pad=1)
    check(save(tmp_path, [pool], {}, ("N", 2, 6, 5)), 2, 6, 5)


def test_dilated_max_pool(tmp_path: Path) -> None:
    pool = node("MaxPool", ["x"], "y", kernel_shape=[2, 2], dilations=[2, 3])
    check(save(tmp_path, [pool], {}, ("N", 2, 6, 7)), 2, 6, 7)


@pytest.mark.parametrize(
    ("nodes", "tensors", "shape", "expected"),
    [
        ([node("Gemm", ["x", "w"], "y")], {"w": floats(3, 4)}, (3,), ["Linear"]),
        (
            [node("Gemm", ["x", "w", "b"], "y", alpha=0.5, beta=2.0, transB=1)],
            {"w": floats(4, 3), "b": floats(1, 4)},
            (3,),
            ["Linear"],
        ),
        (
            [node("MatMul", ["x", "w"], "t"), node("Add", ["b", "t"], "y")],
            {"w": floats(3, 4), "b": floats(4)},
            (3,),
            ["Linear"],
        ),
        (
            [node("MatMul", ["x", "w"], "t"), node("Add", ["t", "b"], "y")],
            {"w": floats(3, 4), "b": floats(1, 1, 4)},
            (5, 3),
            ["Linear"],
        ),
        ([node("Sub", ["x", "c"], "t"), node("Div", ["t", "d"], "y")],
         {"c": floats(3, 1, 1), "d": floats(1, 3, 1, 1) + 5}, (3, 4, 4), ["Conv"]),
        ([node("Sub", ["c", "x"], "t"), node("Mul", ["d", "t"], "y")], {"c": floats(1), "d": floats(4)},
         (3, 4), ["Conv", "Transpose", "Conv", "Transpose"]),
        ([node("Clip", ["x", "low", "high"], "y")],
         {"low": np.array(0, np.float32), "high": np.array(6, np.float32)}, (3,), ["relu6"]),
        ([node("Clip", ["x", "low"], "y")], {"low": np.array(0, np.float32)}, (3,), ["relu"]),
        ([node("Tanh", ["x"], "t"), node("Sigmoid", ["t"], "y")], {}, (3,), ["tanh", "sigmoid"]),
        ([node("GlobalAveragePool", ["x"], "t"), node("Flatten", ["t"], "y")], {}, (3, 4, 5), ["AvgPool", "Reshape"]),
        ([node("GlobalMaxPool", ["x"], "t"), node("Squeeze", ["t", "a"], "y")], {"a": ints(2, -1)}, (3, 4, 5),
         ["MaxPool", "Reshape"]),
        ([node("ReduceMean", ["x", "a"], "y", keepdims=0)], {"a": ints(2, 3)}, (3, 4, 5), ["AvgPool", "Reshape"]),
        ([node("ReduceMean", ["x", "a"], "y")], {"a": ints(1)}, (3, 4), ["Transpose", "AvgPool", "Reshape"]),
        ([node("ReduceMax", ["x", "a"], "y", keepdims=0)], {"a": ints(-1)}, (3, 4), ["MaxPool", "Reshape"]),
        ([node("Unsqueeze", ["x", "a"], "t"), node("Relu", ["t"], "y")], {"a": ints(1, 3)}, (3,), ["relu", "Reshape"]),
        ([node("Transpose", ["x"], "y", perm=[0, 2, 3, 1])], {}, (3, 4, 5), ["Transpose"]),
        ([node("Slice", ["x", "s", "e", "a", "t"], "y")],
         {"s": ints(-4, 1), "e": ints(2**62, -1), "a": ints(2, 3), "t": ints(2, 1)}, (3, 4, 5), ["Slice"]),
        ([node("Pad", ["x", "p", "", "a"], "y")], {"p": ints(1, 0, 0, 2), "a": ints(1, -1)}, (3, 4, 5), ["Pad"]),
        ([node("Concat", ["z", "x", "z"], "y", axis=1)], {"z": np.zeros((3, 2, 4, 4), np.float32)}, (3, 4, 4), ["Pad"]),
        ([node("Relu", ["x"], "r"), node("Add", ["r", "x"], "y")], {}, (3,), ["relu", "Add"]),
        ([node("Identity", ["x"], "i"), node("Cast", ["i"], "c", to=1), node("Dropout", ["c"], "d"),
          node("Relu", ["d"], "y")], {}, (3,), ["relu"]),
    ],
)  # fmt: skip
def test_operators(tmp_path: Path, nodes: list, tensors: dict, shape: tuple, expected: list[str]) -> None:
    batch = 3 if "z" in tensors else "N"
    assert kinds(check(save(tmp_path, nodes, tensors, (batch, *shape)), *shape)) == expected


def test_batch_norm_with_epsilon(tmp_path: Path) -> None:
    tensors = {"g": floats(3), "b": floats(3), "m": floats(3), "v": floats(3) ** 2}
    nodes = [node("BatchNormalization", ["x", "g", "b", "m", "v"], "y", epsilon=0.1)]
    assert kinds(check(save(tmp_path, nodes, tensors, ("N", 3, 4, 4)), 3, 4, 4)) == ["Conv"]


def test_older_operator_sets_write_axes_as_attributes(tmp_path: Path) -> None:
    nodes = [
        node("Clip", ["x"], "c", min=0.0, max=6.0),
        node("Pad", ["c"], "p", pads=[0, 0, 1, 0, 0, 0, 0, 1]),
        node("Slice", ["p"], "s", starts=[1], ends=[5], axes=[3]),
        node("ReduceMean", ["s"], "m", axes=[2, 3]),
        node("Squeeze", ["m"], "q", axes=[2]),
        node("Unsqueeze", ["q"], "y", axes=[1]),
    ]
    graph = check(save(tmp_path, nodes, {}, ("N", 3, 4, 5), opset=9), 3, 4, 5)
    assert kinds(graph)[:4] == ["relu6", "Pad", "Slice", "AvgPool"]


def test_shape_computations_fold(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], "r"),
        node("Shape", ["r"], "shape"),
        node("Gather", ["shape", "zero"], "n"),
        node("Unsqueeze", ["n", "axis"], "n1"),
        node("Concat", ["n1", "rest"], "target", axis=0),
        node("Reshape", ["r", "target"], "f"),
        node("ConstantOfShape", ["zeros"], "z0"),
        node("Concat", ["z0", "amount"], "pads0", axis=0),
        node("Cast", ["pads0"], "pads", to=7),
        node("Pad", ["f", "pads"], "y"),
    ]
    tensors = {"zero": np.array(0, np.int64), "axis": ints(0), "rest": ints(-1), "zeros": ints(3)}
    graph = check(save(tmp_path, nodes, {**tensors, "amount": floats(1) * 0 + 2}, ("N", 2, 3)), 2, 3)
    assert kinds(graph) == ["relu", "Reshape", "Pad"]
    assert graph.output_shape == (8,)


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_fixed_batch_sizes(tmp_path: Path, batch: int) -> None:
    nodes = [node("Reshape", ["x", "s"], "f"), node("MatMul", ["f", "w"], "y")]
    file = save(tmp_path, nodes, {"s": ints(batch, 6), "w": floats(6, 2)}, (batch, 2, 3))
    x = floats(batch, 2, 3)
    graph = import_model(file, floats(4, 2, 3))
    np.testing.assert_allclose(run_float(graph, x), run(file, x), atol=1e-5)


def test_names_are_those_of_the_file(tmp_path: Path) -> None:
    nodes = [
        node("Relu", ["x"], "a", name="first"),
        node("Tanh", ["a"], "b"),
        node("Sigmoid", ["b"], "y", name="x"),
    ]
    assert [n.name for n in check(save(tmp_path, nodes, {}), 3)] == ["x", "first", "b", "x_1"]


def test_initialisers_may_also_be_inputs(tmp_path: Path) -> None:
    model = build([node("MatMul", ["x", "w"], "y")], {"w": floats(3, 2)})
    model.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, (3, 2)))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    check(tmp_path / "net.onnx", 3)


def test_external_weights_are_mapped_not_copied(tmp_path: Path) -> None:
    model = build([node("Gemm", ["x", "w"], "y", transB=1)], {"w": floats(40, 30)}, ("N", 30))
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    graph = check(tmp_path / "net.onnx", 30)
    weight = graph["y"].op.weight
    assert not weight.flags.owndata
    assert not weight.flags.writeable


def test_functions_are_inlined(tmp_path: Path) -> None:
    model = build([onnx.helper.make_node("Twice", ["x"], ["y"], domain="own")], {})
    body = [node("Relu", ["a"], "b"), node("Tanh", ["b"], "c")]
    opset = onnx.helper.make_opsetid("", 18)
    model.functions.append(onnx.helper.make_function("own", "Twice", ["a"], ["c"], body, [opset]))
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert kinds(check(tmp_path / "net.onnx", 3)) == ["relu", "tanh"]


def test_unneeded_nodes_do_not_matter(tmp_path: Path) -> None:
    nodes = [node("Softplus", ["x"], "unused"), node("Relu", ["x"], "y")]
    assert kinds(check(save(tmp_path, nodes, {}), 3)) == ["relu"]


@pytest.mark.parametrize("sample", [floats(2, 4), floats(2, 3, 1)])
def test_samples_of_another_shape_are_refused(tmp_path: Path, sample: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"samples have shape .* takes \('N', 3\)"):
        import_model(save(tmp_path, [node("Relu", ["x"], "y")], {}), sample)


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        (floats(2, 3).astype(np.float64), "float32 array, not float64"),
        ([[1.0]], "float32 array, not list"),
        (floats(3), "a batch of shape"),
        (floats(0, 3), "a batch of shape"),
        (floats(2, 3) * np.float32(np.nan), "NaN or infinite"),
    ],
)
def test_unusable_samples_are_refused(tmp_path: Path, sample: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        import_model(save(tmp_path, [node("Relu", ["x"], "y")], {}), sample)
