"""Constant folding: what exporters compute from shapes is evaluated once static shapes are known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import ModelError
from rapidnn.frontends.quiet import first_line, quiet

if TYPE_CHECKING:
    import onnx_ir as ir

Array = NDArray[Any]

_OF_SHAPE = ("Shape", "Size")
"""Operators that read only their input's shape."""

_ELEMENTWISE = frozenset(
    [
        "Abs",
        "Acos",
        "Acosh",
        "Add",
        "And",
        "Asin",
        "Asinh",
        "Atan",
        "Atanh",
        "BitwiseAnd",
        "BitwiseNot",
        "BitwiseOr",
        "BitwiseXor",
        "Cast",
        "Ceil",
        "Celu",
        "Clip",
        "Cos",
        "Cosh",
        "DequantizeLinear",
        "Div",
        "Dropout",
        "Elu",
        "Equal",
        "Erf",
        "Exp",
        "Floor",
        "Gelu",
        "Greater",
        "GreaterOrEqual",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "IsInf",
        "IsNaN",
        "LeakyRelu",
        "Less",
        "LessOrEqual",
        "Log",
        "Max",
        "Mean",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Not",
        "Or",
        "PRelu",
        "Pow",
        "QuantizeLinear",
        "Reciprocal",
        "Relu",
        "Round",
        "Selu",
        "Sigmoid",
        "Sign",
        "Sin",
        "Sinh",
        "Softmax",
        "LogSoftmax",
        "Softplus",
        "Softsign",
        "Sqrt",
        "Sub",
        "Sum",
        "Tan",
        "Tanh",
        "Where",
        "Xor",
    ]
)
_SMALLER = frozenset(
    [
        "ArgMax",
        "ArgMin",
        "Compress",
        "Concat",
        "Constant",
        "CumSum",
        "Flatten",
        "GatherElements",
        "GatherND",
        "LayerNormalization",
        "BatchNormalization",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Reshape",
        "ScatterElements",
        "ScatterND",
        "Slice",
        "Split",
        "Squeeze",
        "Transpose",
        "Trilu",
        "Unsqueeze",
    ]
)
_SIZED = frozenset(
    ["ConstantOfShape", "Expand", "EyeLike", "Gather", "Gemm", "MatMul", "OneHot", "Pad", "Range", "Tile"]
)
"""Operators whose result can be larger than their inputs; its size is computed beforehand."""

_LIMIT = 2**28
"""Largest constant that is computed, in elements."""


def is_constant(node: ir.Node, constant: Sequence[bool]) -> bool:
    """Whether a node's outputs are constant, given which inputs are (an absent one is)."""
    if node.domain not in ("", "ai.onnx") or any(
        a.type.name.startswith("GRAPH") for a in node.attributes.values()
    ):
        return False
    if node.op_type in _OF_SHAPE:
        return True
    if node.op_type == "CastLike":  # the second input only gives the type
        return constant[:1] == [True]
    return all(constant) and node.op_type in _ELEMENTWISE | _SMALLER | _SIZED


def evaluate(
    node: ir.Node, name: str, inputs: Sequence[Array | tuple[int, ...] | None], opset: int
) -> list[Array]:
    """Outputs of a constant node.

    An input that is no constant stands as its full shape (a tuple): enough for ``Shape``, ``Size`` and the
    type operand of ``CastLike``, since every edge is float32.

    Raises
    ------
    ModelError
        If the node is malformed or its result would be absurdly large.
    """
    try:
        return _evaluate(node, inputs, opset)
    except Exception as error:  # the evaluator raises whatever numpy makes of a malformed node
        message = f"operator {node.op_type!r} at node {name!r}: its constant value cannot be computed"
        raise ModelError(f"{message}: {first_line(error)}") from error


def _evaluate(node: ir.Node, inputs: Sequence[Array | tuple[int, ...] | None], opset: int) -> list[Array]:
    if node.op_type in _OF_SHAPE:
        given = inputs[0]
        if given is None:
            raise ValueError("its input is missing")
        return [_of_shape(node, given if isinstance(given, tuple) else given.shape)]
    if node.op_type == "Constant":
        return [_constant(node)]
    if node.op_type == "CastLike":
        like = inputs[1]
        if not isinstance(inputs[0], np.ndarray) or like is None:
            raise ValueError("it needs two inputs")
        return [inputs[0].astype(np.float32 if isinstance(like, tuple) else like.dtype)]
    arrays = [None if array is None or isinstance(array, tuple) else array for array in inputs]
    size = _result_size(node, arrays)
    if size > _LIMIT:
        raise ValueError(f"it would have {size} elements; at most {_LIMIT} are computed")
    if node.op_type in ("DequantizeLinear", "QuantizeLinear"):
        return [_quantised(node, *arrays)]
    return _reference(node, arrays, opset)


def _quantised(node: ir.Node, x: Array | None, scale: Array | None, zero: Array | None = None) -> Array:
    """``saturate(round(x / scale) + zero)``, or ``(x - zero) * scale``, per tensor, axis or block (ONNX's formulas)."""
    if x is None or scale is None:
        raise ValueError("it needs a value and a scale")
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 1
    block = node.attributes["block_size"].as_int() if "block_size" in node.attributes else 0
    zero = np.zeros(scale.shape, np.uint8 if x.dtype.kind == "f" else x.dtype) if zero is None else zero
    if zero.dtype.kind not in "iu":
        raise ValueError(f"a zero point of type {zero.dtype} is not supported")
    grid = []
    for array in (scale.astype(np.float32), zero):
        if array.size == 1:
            grid.append(array.reshape(()))
        elif block:
            grid.append(np.repeat(array, block, axis=axis).take(range(x.shape[axis]), axis=axis))
        else:
            grid.append(array.reshape([-1 if a == axis % x.ndim else 1 for a in range(x.ndim)]))
    if node.op_type == "DequantizeLinear":
        return np.asarray((x.astype(np.int64) - grid[1].astype(np.int64)).astype(np.float32) * grid[0])
    info = np.iinfo(zero.dtype)
    rounded = np.clip(np.rint(x / grid[0]) + grid[1].astype(np.float64), info.min, info.max)
    return np.asarray(rounded.astype(zero.dtype))


def _constant(node: ir.Node) -> Array:
    attributes = node.attributes
    if "value" in attributes:
        return attributes["value"].as_tensor().numpy()
    if "value_float" in attributes:
        return np.array(attributes["value_float"].as_float(), np.float32)
    if "value_floats" in attributes:
        return np.array(attributes["value_floats"].as_floats(), np.float32)
    if "value_int" in attributes:
        return np.array(attributes["value_int"].as_int(), np.int64)
    if "value_ints" in attributes:
        return np.array(attributes["value_ints"].as_ints(), np.int64)
    raise ValueError("only dense numbers are supported")


def _of_shape(node: ir.Node, shape: tuple[int, ...]) -> Array:
    if node.op_type == "Size":
        return np.array(math.prod(shape), np.int64)
    start, end = node.attributes.get("start"), node.attributes.get("end")
    first = 0 if start is None else start.as_int()
    last = len(shape) if end is None else end.as_int()
    return np.array(shape[first:last], np.int64)


def _result_size(node: ir.Node, arrays: Sequence[Array | None]) -> int:
    """An upper bound of the number of elements of the largest result."""
    given = [array for array in arrays if array is not None]
    if node.op_type in ("DequantizeLinear", "QuantizeLinear"):
        return given[0].size
    if node.op_type in _ELEMENTWISE:
        return math.prod(np.broadcast_shapes(*(a.shape for a in given if a.ndim))) if given else 0
    if node.op_type in _SMALLER:
        return sum(array.size for array in given)
    numbers = [[int(v) for v in a.reshape(-1)] for a in given[1:] if a.size <= 64 and a.dtype.kind in "iu"]
    match node.op_type:
        case "ConstantOfShape":
            return _product([int(v) for v in given[0].reshape(-1)])
        case "Expand" | "Tile":
            return given[0].size * _product(numbers[0])
        case "Pad":
            pads = node.attributes["pads"].as_ints() if "pads" in node.attributes else numbers[0]
            return _product([n + sum(abs(p) for p in pads) for n in given[0].shape])
        case "Range":
            start, limit, delta = (float(a.reshape(())) for a in given)
            return max(0, math.ceil((limit - start) / delta))
        case "OneHot":
            return given[0].size * int(given[1].reshape(-1)[0])
        case "Gather":
            axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 0
            return int(given[0].size // max(1, given[0].shape[axis]) * given[1].size)
        case "EyeLike":
            return given[0].size
        case _:  # matrix products: rows times columns, an inner extent short of both sizes
            inner = given[0].shape[0 if "transA" in node.attributes else -1]
            return int((given[0].size // max(1, inner)) * (given[1].size // max(1, inner)))


def _product(extents: Sequence[int]) -> int:
    return math.prod(max(1, abs(n)) for n in extents)


def _reference(node: ir.Node, arrays: Sequence[Array | None], opset: int) -> list[Array]:
    """Run one node in ONNX's own reference evaluator, under the model's operator set."""
    import onnx
    import onnx_ir as ir
    from onnx.reference import ReferenceEvaluator

    names = [f"i{k}" if array is not None else "" for k, array in enumerate(arrays)]
    outputs = [f"o{k}" for k in range(len(node.outputs))]
    proto = onnx.helper.make_node(node.op_type, names, outputs)
    proto.attribute.extend(ir.to_proto(a) for a in node.attributes.values())
    function = onnx.helper.make_function(
        "rapidnn",
        "constant",
        [n for n in names if n],
        outputs,
        [proto],
        [onnx.helper.make_opsetid("", opset)],
    )
    feeds = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    with quiet(), np.errstate(all="ignore"):
        return [np.asarray(result) for result in ReferenceEvaluator(function).run(None, feeds, {})]
