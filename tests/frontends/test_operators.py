"""Handlers of single operators against onnxruntime."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import helper

from rapidnn.frontends import import_model
from rapidnn.graph import ops
from tests.frontends.checking import check, ints, kinds
from tests.frontends.onnx_models import floats, node, save

IMAGE = (4, 6, 6)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


ACTIVATIONS: list[tuple[str, dict[str, Any], int, list[str]]] = [
    ("LeakyRelu", {"alpha": 0.2}, 18, ["leaky_relu"]),
    ("LeakyRelu", {"alpha": 0.0}, 18, ["relu"]),
    ("Elu", {"alpha": 0.7}, 18, ["elu"]),
    ("Selu", {}, 18, ["elu", "Conv"]),
    ("Celu", {"alpha": 2.0}, 18, ["Conv", "elu", "Conv"]),
    ("HardSigmoid", {}, 18, ["hard_sigmoid"]),
    ("HardSwish", {}, 18, ["hard_swish"]),
    ("Gelu", {}, 20, ["gelu"]),
    ("Gelu", {"approximate": "tanh"}, 20, ["gelu_tanh"]),
    ("Abs", {}, 18, ["Conv", "relu", "relu", "Add"]),
    ("Neg", {}, 18, ["Conv"]),
    ("Clip", {"min": -0.5, "max": 0.5}, 7, ["clip"]),
    ("Clip", {"min": 0.25}, 7, ["Conv", "relu", "Conv"]),
    ("Clip", {"max": 0.25}, 7, ["Conv", "relu", "Conv"]),
]


@pytest.mark.parametrize(("op_type", "attributes", "opset", "expected"), ACTIVATIONS)
def test_activations(tmp_path: Path, op_type: str, attributes: dict, opset: int, expected: list[str]) -> None:
    file = save(tmp_path, [node(op_type, ["x"], "y", **attributes)], {}, ("N", *IMAGE), opset=opset)
    assert sorted(kinds(check(file, *IMAGE))) == sorted(expected)


@pytest.mark.parametrize(
    ("nodes", "tensors", "shape", "expected"),
    [
        ([node("PRelu", ["x", "s"], "y")], {"s": floats(4, 1, 1)}, IMAGE, ["relu", "Conv", "relu", "Conv", "Add"]),
        ([node("PRelu", ["x", "s"], "y")], {"s": np.full((4, 1, 1), 0.3, np.float32)}, IMAGE, ["leaky_relu"]),
        ([node("Max", ["x", "s"], "y")], {"s": number(0)}, (3,), ["relu"]),
        ([node("Min", ["s", "x"], "t"), node("Max", ["t", "z"], "y")], {"s": number(6), "z": number(0)}, (3,), None),
        ([node("Mul", ["x", "x"], "y")], {}, IMAGE, ["Multiply"]),
        ([node("Pow", ["x", "s"], "y")], {"s": number(2)}, IMAGE, ["Multiply"]),
        ([node("Sub", ["x", "r"], "y"), ], {}, IMAGE, ["relu", "Conv", "Add"]),
        ([node("Sum", ["x", "r", "x", "c"], "y")], {"c": floats(4, 1, 1)}, IMAGE, ["relu", "Add", "Add", "Conv"]),
        ([node("Mean", ["x", "r"], "y")], {}, IMAGE, ["relu", "Add", "Conv"]),
        ([node("ReduceMean", ["x", "a"], "m"), node("Add", ["x", "m"], "y")], {"a": ints(2, 3)}, IMAGE, None),
        ([node("ReduceMean", ["x", "a"], "m"), node("Mul", ["m", "x"], "y")], {"a": ints(2, 3)}, IMAGE,
         ["AvgPool", "Multiply"]),
        ([node("ReduceSum", ["x", "a"], "y")], {"a": ints(1)}, IMAGE, None),
        ([node("ReduceMin", ["x", "a"], "y", keepdims=0)], {"a": ints(-1)}, IMAGE, None),
        ([node("Add", ["x", "c"], "y")], {"c": floats(4, 6, 1)}, IMAGE, ["AddConstant"]),
        ([node("Add", ["x", "c"], "t"), node("Add", ["t", "d"], "y")], {"c": floats(1, 4, 6, 1), "d": floats(6, 6)},
         IMAGE, ["AddConstant"]),
        ([node("Sub", ["c", "x"], "y")], {"c": floats(4, 6, 6)}, IMAGE, ["Conv", "AddConstant"]),
        ([node("Mul", ["x", "c"], "y")], {"c": np.full((4, 6, 6), 2.5, np.float32)}, IMAGE, ["Conv"]),
        ([node("Expand", ["x", "e"], "t"), node("Add", ["t", "c"], "y")], {"e": ints(1, 4, 3), "c": floats(4, 3)},
         (4, 1), ["Take", "AddConstant"]),
        ([node("Add", ["x", "c"], "y")], {"c": floats(4, 3)}, (4, 1), ["Take", "AddConstant"]),
        ([node("Tile", ["x", "e"], "y")], {"e": ints(1, 2, 1)}, (4, 3), ["Take"]),
        ([node("MatMul", ["w", "x"], "y")], {"w": floats(5, 4)}, (4, 6), ["Transpose", "Linear", "Transpose"]),
        ([node("Gemm", ["x", "w", "r"], "y")], {"w": floats(3, 3)}, (3,), ["relu", "Linear", "Add"]),
        ([node("Transpose", ["x"], "t", perm=[0, 1, 3, 2]), node("MatMul", ["x", "t"], "y")], {}, IMAGE,
         ["Transpose", "MatMul"]),
        ([node("Slice", ["x", "s", "e", "a", "t"], "y")],
         {"s": ints(-1, 1), "e": ints(-9, 3), "a": ints(1, 2), "t": ints(-1, 1)}, IMAGE, ["Slice", "Take"]),
        ([node("Gather", ["x", "i"], "y", axis=1)], {"i": ints(3, 0, -1)}, IMAGE, ["Take"]),
        ([node("Gather", ["x", "i"], "y", axis=2)], {"i": np.array(-1)}, IMAGE, ["Slice", "Reshape"]),
        ([node("Gather", ["x", "i"], "y", axis=1)], {"i": np.array([[0, 1], [3, 3]])}, IMAGE, ["Take", "Reshape"]),
        ([node("Concat", ["x", "r"], "y", axis=-1)], {}, IMAGE, ["relu", "Concat"]),
        ([node("Concat", ["z", "x", "r"], "y", axis=1)], {"z": np.zeros((3, 2, 6, 6), np.float32)}, IMAGE,
         ["Pad", "relu", "Concat"]),
        ([node("Concat", ["x", "z", "r", "z"], "y", axis=1)], {"z": np.ones((3, 1, 6, 6), np.float32)}, IMAGE,
         ["Pad", "relu", "Pad", "Concat", "AddConstant"]),
        ([node("Pad", ["x", "p"], "y")], {"p": ints(0, 0, -1, 2, 0, 0, 1, -3)}, IMAGE, ["Slice", "Pad"]),
        ([node("DepthToSpace", ["x"], "y", blocksize=2)], {}, IMAGE, ["Reshape", "Transpose", "Reshape"]),
        ([node("DepthToSpace", ["x"], "y", blocksize=2, mode="CRD")], {}, IMAGE, ["Reshape", "Transpose", "Reshape"]),
        ([node("SpaceToDepth", ["x"], "y", blocksize=3)], {}, IMAGE, ["Reshape", "Transpose", "Reshape"]),
        ([node("Softmax", ["x"], "y")], {}, IMAGE, ["Softmax"]),
        ([node("LogSoftmax", ["x"], "y", axis=1)], {}, IMAGE, ["Softmax"]),
        ([node("LayerNormalization", ["x", "g", "b"], "y", axis=-2, epsilon=0.1)],
         {"g": floats(6, 6), "b": floats(6, 6)}, IMAGE, ["LayerNorm"]),
        ([node("InstanceNormalization", ["x", "g", "b"], "y")], {"g": floats(4), "b": floats(4)}, IMAGE, None),
        ([node("GroupNormalization", ["x", "g", "b"], "y", num_groups=2)], {"g": floats(4), "b": floats(4)}, IMAGE,
         None),
    ],
)  # fmt: skip
def test_operators(tmp_path: Path, nodes: list, tensors: dict, shape: tuple, expected: list | None) -> None:
    if any("r" in n.input for n in nodes):
        nodes = [node("Relu", ["x"], "r"), *nodes]
    opset = 21 if nodes[-1].op_type == "GroupNormalization" else 18
    graph = check(save(tmp_path, nodes, tensors, ("N", *shape), opset=opset), *shape)
    if expected is not None:
        assert sorted(kinds(graph)) == sorted(expected)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"strides": [2, 3]},
        {"strides": [2, 2], "pads": [1, 0, 2, 1], "output_padding": [1, 0]},
        {"strides": [2, 1], "dilations": [2, 3], "pads": [3, 7, 2, 0]},
        {"strides": [3, 2], "output_shape": [15, 11]},
        {"strides": [3, 2], "output_shape": [14, 9]},
        {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
        {"strides": [3, 2], "auto_pad": "SAME_LOWER"},
        {"strides": [2, 2], "auto_pad": "VALID"},
        {"strides": [2, 2], "group": 2},
    ],
)
def test_transposed_convolution(tmp_path: Path, attributes: dict) -> None:
    weight = floats(4, 3, 3, 2)
    groups = attributes.get("group", 1)
    tensors = {"w": weight, "b": floats(3 * groups)}
    nodes = [node("ConvTranspose", ["x", "w", "b"], "y", **attributes)]
    graph = check(save(tmp_path, nodes, tensors, ("N", 4, 5, 6)), 4, 5, 6)
    assert isinstance(graph["y"].op, ops.Conv)
    assert graph["y"].op.groups == groups


@pytest.mark.parametrize("rank", [1, 3])
def test_transposed_convolution_of_other_ranks(tmp_path: Path, rank: int) -> None:
    nodes = [node("ConvTranspose", ["x", "w"], "y", strides=[2] * rank, pads=[1] * (2 * rank))]
    check(save(tmp_path, nodes, {"w": floats(4, 2, *(3,) * rank)}, ("N", 4, *(4,) * rank)), 4, *(4,) * rank)


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("mode", ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"])
@pytest.mark.parametrize("sizes", [(12, 9), (4, 3)])
def test_nearest_resizing(tmp_path: Path, nearest: str, mode: str, sizes: tuple[int, int]) -> None:
    attributes = {"nearest_mode": nearest, "coordinate_transformation_mode": mode, "mode": "nearest"}
    nodes = [node("Resize", ["x", "", "", "s"], "y", **attributes)]
    check(save(tmp_path, nodes, {"s": ints(3, 2, *sizes)}, (3, 2, 6, 5)), 2, 6, 5)


@pytest.mark.parametrize("opset", [7, 9, 10, 11, 13])
def test_upsampling_by_scales(tmp_path: Path, opset: int) -> None:
    scales = np.array([1, 1, 2, 3], np.float32)
    if opset == 7:
        nodes, tensors = [node("Upsample", ["x"], "y", mode="nearest", scales=scales.tolist())], {}
    elif opset == 9:
        nodes, tensors = [node("Upsample", ["x", "s"], "y", mode="nearest")], {"s": scales}
    elif opset == 10:
        nodes, tensors = [node("Resize", ["x", "s"], "y", mode="nearest")], {"s": scales}
    else:
        nodes = [
            node(
                "Resize", ["x", "roi", "s"], "y", mode="nearest", coordinate_transformation_mode="asymmetric"
            )
        ]
        tensors = {"s": scales, "roi": np.zeros(0, np.float32)}
    graph = check(save(tmp_path, nodes, tensors, ("N", 2, 4, 3), opset=opset), 2, 4, 3)
    assert kinds(graph) == ["Take", "Take"]


@pytest.mark.parametrize("opset", [7, 11, 12, 13, 18])
def test_split_and_softmax_over_operator_sets(tmp_path: Path, opset: int) -> None:
    attributes = {"split": [1, 3]} if opset < 13 else {}
    inputs = ["x"] if opset < 13 else ["x", "p"]
    nodes = [
        helper.make_node("Split", inputs, ["a", "b"], axis=1, **attributes),
        node("Softmax", ["b"], "s"),
        node("Concat", ["s", "a"], "y", axis=1),
    ]
    tensors = {} if opset < 13 else {"p": ints(1, 3)}
    graph = check(save(tmp_path, nodes, tensors, ("N", 4, 5), opset=opset), 4, 5)
    assert {"Slice", "Softmax", "Concat"} <= set(kinds(graph))


def test_split_into_equal_parts(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b", "c"], axis=-1, num_outputs=3),
        node("Add", ["a", "c"], "t"),
        node("Sub", ["t", "b"], "y"),
    ]
    check(save(tmp_path, nodes, {}, ("N", 6)), 6)


def test_quantised_weights_and_activations_enter_as_float(tmp_path: Path) -> None:
    weight = np.arange(-60, 60, 10, dtype=np.int8).reshape(4, 3)
    tensors = {
        "w": weight, "ws": np.array([0.1, 0.2, 0.3, 0.4], np.float32), "wz": np.zeros(4, np.int8),
        "s": number(0.05), "z": np.array(0, np.uint8), "m": np.array(7, np.uint8),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", ["x", "s", "m"], "xq"),
        node("DequantizeLinear", ["xq", "s", "m"], "xd"),
        node("DequantizeLinear", ["w", "ws", "wz"], "wd", axis=0),
        node("Gemm", ["xd", "wd"], "h", transB=1),
        node("QuantizeLinear", ["h", "s", "z"], "hq"),
        node("DequantizeLinear", ["hq", "s", "z"], "y"),
    ]
    graph = import_model(save(tmp_path, nodes, tensors, ("N", 3)), floats(5, 3))
    assert kinds(graph) == ["Linear", "relu"]  # the second grid starts at zero: a fused ReLU
    linear = next(n.op for n in graph if isinstance(n.op, ops.Linear))
    np.testing.assert_allclose(linear.weight, weight * tensors["ws"][:, np.newaxis], rtol=1e-6)


SQRT2, SQRT_2_PI = number(math.sqrt(2)), number(math.sqrt(2 / math.pi))
HALF, ONE, TWO, THREE, SIX, CUBIC = (number(v) for v in (0.5, 1, 2, 3, 6, 0.044715))
CONSTANTS = {
    "sqrt2": SQRT2, "isqrt2": 1 / SQRT2, "k": SQRT_2_PI, "half": HALF, "one": ONE, "two": TWO, "three": THREE,
    "zero": number(0), "six": SIX, "sixth": 1 / SIX, "cubic": CUBIC, "alpha": number(1.702),
    "eps": number(1e-5), "g": floats(5), "b": floats(5), "axes": ints(-1),
}  # fmt: skip

MEAN = [node("ReduceMean", ["x", "axes"], "m"), node("Sub", ["x", "m"], "d")]
SQUARE = [node("ReduceMean", ["q", "axes"], "v"), node("Add", ["v", "eps"], "e"), node("Sqrt", ["e"], "r")]
AFFINE = [node("Mul", ["n", "g"], "s"), node("Add", ["s", "b"], "y")]
PATTERNS = {
    "silu": ([node("Sigmoid", ["x"], "s"), node("Mul", ["s", "x"], "y")], ["silu"]),
    "quick gelu": (
        [node("Mul", ["x", "alpha"], "a"), node("Sigmoid", ["a"], "s"), node("Mul", ["x", "s"], "y")],
        ["Conv", "silu", "Conv"],
    ),
    "gelu 1": (
        [node("Div", ["x", "sqrt2"], "a"), node("Erf", ["a"], "e"), node("Add", ["e", "one"], "p"),
         node("Mul", ["x", "p"], "t"), node("Mul", ["t", "half"], "y")],
        ["gelu"],
    ),
    "gelu 2": (
        [node("Mul", ["x", "half"], "h"), node("Mul", ["x", "isqrt2"], "a"), node("Erf", ["a"], "e"),
         node("Add", ["one", "e"], "p"), node("Mul", ["h", "p"], "y")],
        ["gelu"],
    ),
    "gelu tanh 1": (
        [node("Pow", ["x", "three"], "c"), node("Mul", ["c", "cubic"], "a"), node("Add", ["x", "a"], "i"),
         node("Mul", ["i", "k"], "j"), node("Tanh", ["j"], "t"), node("Add", ["t", "one"], "p"),
         node("Mul", ["x", "p"], "o"), node("Mul", ["half", "o"], "y")],
        ["gelu_tanh"],
    ),
    "gelu tanh 2": (
        [node("Mul", ["x", "half"], "h"), node("Mul", ["x", "x"], "x2"), node("Mul", ["x2", "cubic"], "a"),
         node("Add", ["a", "one"], "i"), node("Mul", ["x", "k"], "xk"), node("Mul", ["xk", "i"], "j"),
         node("Tanh", ["j"], "t"), node("Add", ["t", "one"], "p"), node("Mul", ["h", "p"], "y")],
        ["gelu_tanh"],
    ),
    "hard swish 1": (
        [node("Add", ["x", "three"], "a"), node("Clip", ["a", "zero", "six"], "c"), node("Mul", ["x", "c"], "t"),
         node("Div", ["t", "six"], "y")],
        ["hard_swish"],
    ),
    "hard swish 2": (
        [node("Add", ["x", "three"], "a"), node("Clip", ["a", "zero", "six"], "c"), node("Mul", ["c", "sixth"], "t"),
         node("Mul", ["x", "t"], "y")],
        ["hard_swish"],
    ),
    "hard swish 3": ([node("HardSigmoid", ["x"], "h", alpha=1 / 6), node("Mul", ["x", "h"], "y")], ["hard_swish"]),
    "hard sigmoid": (
        [node("Add", ["x", "three"], "a"), node("Clip", ["a", "zero", "six"], "c"), node("Div", ["c", "six"], "y")],
        ["hard_sigmoid"],
    ),
    "layer norm 1": (
        [*MEAN, node("Pow", ["d", "two"], "q"), *SQUARE, node("Div", ["d", "r"], "n"), *AFFINE],
        ["LayerNorm"],
    ),
    "layer norm 3": (
        [*MEAN, node("Mul", ["d", "d"], "q"), *SQUARE, node("Reciprocal", ["r"], "i"), node("Mul", ["i", "g"], "ig"),
         node("Mul", ["x", "ig"], "xi"), node("Mul", ["m", "ig"], "mi"), node("Sub", ["b", "mi"], "o"),
         node("Add", ["xi", "o"], "y")],
        ["LayerNorm"],
    ),
    "layer norm 4": (
        [*MEAN, node("Mul", ["d", "d"], "q"), *SQUARE, node("Reciprocal", ["r"], "i"),
         node("Mul", ["x", "i"], "xi"), node("Mul", ["i", "m"], "mi"), node("Sub", ["b", "mi"], "o"),
         node("Add", ["o", "xi"], "y")],
        ["LayerNorm"],
    ),
    "layer norm 2": (
        [*MEAN, node("Mul", ["d", "d"], "q"), *SQUARE, node("Reciprocal", ["r"], "i"), node("Mul", ["i", "d"], "n"),
         *AFFINE],
        ["LayerNorm"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PATTERNS)
def test_patterns_of_exporters(tmp_path: Path, name: str) -> None:
    nodes, expected = PATTERNS[name]
    graph = check(save(tmp_path, nodes, CONSTANTS, ("N", 4, 5)), 4, 5)
    assert kinds(graph) == expected


def test_a_pattern_that_is_none(tmp_path: Path) -> None:
    """Close to a SiLU and a hard swish, but of two values."""
    nodes = [
        node("Tanh", ["x"], "t"),
        node("Sigmoid", ["t"], "s"),
        node("Mul", ["x", "s"], "m"),
        node("HardSigmoid", ["x"], "h", alpha=0.25),
        node("Mul", ["m", "h"], "y"),
    ]
    expected = ["Multiply", "Multiply", "hard_sigmoid", "sigmoid", "tanh"]
    assert sorted(kinds(check(save(tmp_path, nodes, {}, ("N", 4)), 4))) == sorted(expected)
