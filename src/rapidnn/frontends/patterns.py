"""Functions that exporters write as several ONNX nodes, found and read as the one operator they are.

Nothing in the model changes: a found pattern is a node of our own that stands for the pattern's last node. Nodes of
the pattern that others read too stay needed by them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx_ir as ir

_CLOSE = 1e-4
"""Relative difference up to which a written constant is the exact one (exporters round to few digits)."""
_DEPTH = 12


def find_patterns(model: ir.Model) -> dict[ir.Node, ir.Node]:
    """For the last node of every pattern the one node that stands for it."""
    found: dict[ir.Node, ir.Node] = {}
    for node in model.graph:
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("Mul", "Div", "Add"):
            continue
        for match in _MATCHERS:
            replacement = match(node)
            if replacement is not None:
                found[node] = replacement
                break
    return found


def _stand_in(node: ir.Node, op_type: str, *sources: ir.Value | None, **attributes: Any) -> ir.Node:
    import onnx_ir as ir

    made = [
        ir.AttrInt64s(name, value) if isinstance(value, list) else ir.AttrFloat32(name, value)
        if isinstance(value, float)
        else ir.AttrString(name, value)
        for name, value in attributes.items()
    ]  # fmt: skip
    name = node.name or node.outputs[0].name
    return ir.Node("", op_type, list(sources), made, name=name, metadata_props=dict(node.metadata_props))


def _silu(node: ir.Node) -> ir.Node | None:
    """``x * sigmoid(alpha x)`` (Swish), and ``x * hardsigmoid(x)`` (HardSwish)."""
    for x, gate in _pairs(node, "Mul"):
        made = _made_by(gate, "Sigmoid")
        if made is not None and made.inputs[0] is not None:
            scale, values = _factors(made.inputs[0])
            if made.inputs[0] is x:
                return _stand_in(node, "Swish", x, alpha=1.0)
            if len(values) == 1 and values[0] is x and scale > 0:
                return _stand_in(node, "Swish", x, alpha=scale)
        if _hard_sigmoid_of(gate) is x:
            return _stand_in(node, "HardSwish", x)
    return None


def _hard_swish(node: ir.Node) -> ir.Node | None:
    """``x * clip(x + 3, 0, 6) / 6`` and ``clip(x + 3, 0, 6) / 6``, divided before or after."""
    scale, values = _factors(node.outputs[0])
    if not _near(scale, 1 / 6):
        return None
    if len(values) == 1:
        source = _clip_of(values[0])
        return None if source is None else _stand_in(node, "HardSigmoid", source, alpha=1 / 6, beta=0.5)
    for x, gate in (values, values[::-1]) if len(values) == 2 else ():
        if _clip_of(gate) is x:
            return _stand_in(node, "HardSwish", x)
    return None


def _gelu(node: ir.Node) -> ir.Node | None:
    """``x / 2 * (1 + erf(x / sqrt 2))``, and its approximation by tanh."""
    scale, values = _factors(node.outputs[0])
    if len(values) != 2 or not _near(scale, 0.5):
        return None
    for x, gate in (values, values[::-1]):
        inner = _plus(gate, 1.0)
        erf = None if inner is None else _made_by(inner, "Erf")
        if erf is not None and _is_scaled(erf.inputs[0], math.sqrt(0.5), x):
            return _stand_in(node, "Gelu", x)
        tanh = None if inner is None else _made_by(inner, "Tanh")
        if tanh is not None and tanh.inputs[0] is not None and _is_gelu_cubic(tanh.inputs[0], x):
            return _stand_in(node, "Gelu", x, approximate="tanh")
    return None


def _is_gelu_cubic(value: ir.Value, x: ir.Value) -> bool:
    """``sqrt(2 / pi) * (x + 0.044715 x^3)``, also with one x taken out of the bracket."""
    scale, values = _factors(value)
    if not _near(scale, math.sqrt(2 / math.pi)):
        return False
    if len(values) == 1:
        for first, second in _pairs(values[0].producer(), "Add"):
            if first is x:
                cubic, power = _factors(second)
                return _near(cubic, 0.044715) and len(power) == 3 and all(v is x for v in power)
        return False
    for first, bracket in (values, values[::-1]) if len(values) == 2 else ():
        square = _plus(bracket, 1.0)
        if first is x and square is not None:
            cubic, power = _factors(square)
            return _near(cubic, 0.044715) and len(power) == 2 and all(v is x for v in power)
    return False


def _layer_norm(node: ir.Node) -> ir.Node | None:
    """``(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)``."""
    for centred, scale in _pairs(node, "Div") if node.op_type == "Div" else _pairs(node, "Mul"):
        if node.op_type == "Mul":
            inverse = _made_by(scale, "Reciprocal")
            root = None if inverse is None else _input_made_by(inverse, "Sqrt")
        else:
            root = _made_by(scale, "Sqrt")
        x, axes = _centred(centred)
        epsilon = None if root is None or x is None else _epsilon_of(root, x, axes)
        if x is not None and epsilon is not None:
            return _stand_in(node, "LayerNormalization", x, epsilon=epsilon, axes=list(axes))
    return None


def _keras_layer_norm(node: ir.Node) -> ir.Node | None:
    """``x i + (beta - mean(x) i)`` with ``i = gamma / sqrt(variance + epsilon)``, as Keras writes it."""
    for product, rest in _pairs(node, "Add"):
        offset = _made_by(rest, "Sub")
        if offset is None or len(offset.inputs) != 2 or offset.inputs[1] is None:
            continue
        for mean, scale in _pairs(offset.inputs[1].producer(), "Mul"):
            reduced = _made_by(mean, "ReduceMean")
            x = None if reduced is None else reduced.inputs[0]
            if reduced is None or x is None or not _axes(reduced):
                continue
            if not any(a is x and b is scale for a, b in _pairs(product.producer(), "Mul")):
                continue
            gamma, inverse = None, _made_by(scale, "Reciprocal")
            for first, second in _pairs(scale.producer(), "Mul") if inverse is None else ():
                inverse, gamma = (
                    (_made_by(first, "Reciprocal"), second) if inverse is None else (inverse, gamma)
                )
            root = None if inverse is None else _input_made_by(inverse, "Sqrt")
            axes = _axes(reduced)
            epsilon = None if root is None else _epsilon_of(root, x, axes)
            if epsilon is not None:
                inputs = (x, gamma, offset.inputs[0])
                return _stand_in(node, "LayerNormalization", *inputs, epsilon=epsilon, axes=list(axes))
    return None


def _epsilon_of(root: ir.Node, x: ir.Value, axes: tuple[int, ...]) -> float | None:
    """The epsilon where ``root`` is the square root of the variance of x over these axes, plus that number."""
    if root.inputs[0] is None:
        return None
    for variance, epsilon in _pairs(root.inputs[0].producer(), "Add"):
        number, mean = _number(epsilon), _made_by(variance, "ReduceMean")
        if number is None or mean is None or mean.inputs[0] is None or _axes(mean) != axes:
            continue
        _, square = _factors(mean.inputs[0])
        if len(square) == 2 and all(_centred(v)[0] is x and _centred(v)[1] == axes for v in square):
            return number
    return None


_MATCHERS: tuple[Callable[[Any], Any], ...] = (_silu, _hard_swish, _gelu, _layer_norm, _keras_layer_norm)


def _centred(value: ir.Value) -> tuple[ir.Value | None, tuple[int, ...]]:
    """The x and the axes of ``x - mean(x)``."""
    node = _made_by(value, "Sub")
    if node is None or node.inputs[1] is None:
        return None, ()
    mean = _made_by(node.inputs[1], "ReduceMean")
    if mean is None or mean.inputs[0] is not node.inputs[0]:
        return None, ()
    return (node.inputs[0], _axes(mean)) if _axes(mean) else (None, ())


def _axes(node: ir.Node) -> tuple[int, ...]:
    """The axes of a reduction that keeps them; none where they are not stated."""
    if "keepdims" in node.attributes and not node.attributes["keepdims"].as_int():
        return ()
    if "axes" in node.attributes:
        return tuple(node.attributes["axes"].as_ints())
    array = small_constant(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] is not None else None
    return () if array is None else tuple(int(v) for v in array.reshape(-1))


def _hard_sigmoid_of(value: ir.Value) -> ir.Value | None:
    """The x of ``hardsigmoid(x)`` with MobileNetV3's slope, as one operator or several."""
    node = _made_by(value, "HardSigmoid")
    if node is not None:
        alpha = node.attributes["alpha"].as_float() if "alpha" in node.attributes else 0.2
        beta = node.attributes["beta"].as_float() if "beta" in node.attributes else 0.5
        return node.inputs[0] if _near(alpha, 1 / 6) and _near(beta, 0.5) else None
    scale, values = _factors(value)
    return _clip_of(values[0]) if len(values) == 1 and _near(scale, 1 / 6) else None


def _clip_of(value: ir.Value) -> ir.Value | None:
    """The x of ``clip(x + 3, 0, 6)``."""
    node = _made_by(value, "Clip")
    if node is None or node.inputs[0] is None:
        return None
    bounds = [node.attributes[k].as_float() for k in ("min", "max") if k in node.attributes]
    if not bounds:
        bounds = [n for v in node.inputs[1:] if v is not None and (n := _number(v)) is not None]
    return _plus(node.inputs[0], 3.0) if bounds == [0.0, 6.0] else None


def _plus(value: ir.Value, number: float) -> ir.Value | None:
    """The other operand of an addition of this number."""
    for first, second in _pairs(value.producer(), "Add"):
        found = _number(second)
        if found is not None and _near(found, number):
            return first
    return None


def _is_scaled(value: ir.Value | None, scale: float, x: ir.Value) -> bool:
    if value is None:
        return False
    found, values = _factors(value)
    return len(values) == 1 and values[0] is x and _near(found, scale)


def _factors(value: ir.Value, depth: int = 0) -> tuple[float, list[ir.Value]]:
    """A value as a number times other values: multiplications, divisions by numbers, squares and cubes.

    What others read too is only opened at the top, so that the factors stay the operands the exporter saw.
    """
    node = value.producer()
    number = _number(value)
    if number is not None:
        return number, []
    if node is None or depth > _DEPTH or (depth and len(value.uses()) > 1) or len(node.inputs) != 2:
        return 1.0, [value]
    left, right = node.inputs
    if left is None or right is None:
        return 1.0, [value]
    other = _number(right)
    if node.op_type == "Mul":
        (a, first), (b, second) = _factors(left, depth + 1), _factors(right, depth + 1)
        return a * b, first + second
    if node.op_type == "Div" and other:
        scale, values = _factors(left, depth + 1)
        return scale / other, values
    if node.op_type == "Pow" and other in (2.0, 3.0):
        return 1.0, [left] * int(other)
    return 1.0, [value]


def _pairs(node: ir.Node | None, op_type: str) -> list[tuple[ir.Value, ir.Value]]:
    """The operands of a node of this kind, in both orders where it commutes."""
    if node is None or node.op_type != op_type or len(node.inputs) != 2:
        return []
    left, right = node.inputs
    if left is None or right is None:
        return []
    return [(left, right)] if op_type == "Div" else [(left, right), (right, left)]


def _made_by(value: ir.Value, op_type: str) -> ir.Node | None:
    node = value.producer()
    return node if node is not None and node.op_type == op_type and len(node.inputs) > 0 else None


def _input_made_by(node: ir.Node, op_type: str) -> ir.Node | None:
    return None if node.inputs[0] is None else _made_by(node.inputs[0], op_type)


def _number(value: ir.Value, depth: int = 0) -> float | None:
    """The value of a constant with one element."""
    node = value.producer()
    if node is not None and depth < 4 and node.inputs and node.inputs[0] is not None:
        if node.op_type in ("Cast", "CastLike", "Identity"):
            return _number(node.inputs[0], depth + 1)
        if node.op_type == "Sqrt":
            inner = _number(node.inputs[0], depth + 1)
            return math.sqrt(inner) if inner is not None and inner >= 0 else None
    array = small_constant(value)
    return float(array.reshape(())) if array is not None and array.size == 1 else None


def small_constant(value: ir.Value) -> Any:
    """A small constant, None for everything else."""
    from rapidnn.frontends import constants

    node = value.producer()
    try:
        if node is not None:
            return constants.evaluate(node, "", [], 1)[0] if node.op_type == "Constant" else None
        tensor = value.const_value
        if tensor is None or tensor.size > 64 or tensor.dtype.is_string():
            return None
        array = tensor.numpy()
        return array if array.dtype.kind in "fiu" else None
    except Exception:  # a damaged tensor: whoever needs it will say so
        return None


def _near(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= _CLOSE * abs(wanted)
