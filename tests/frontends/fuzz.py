"""Damaged ONNX files for the importer: ``python -m tests.frontends.fuzz SEED COUNT``.

Every file must be imported or refused with one line, within limits of memory and time. The run prints the first that
is not and exits with 1.
"""

from __future__ import annotations

import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto

from rapidnn.errors import RapidnnError
from rapidnn.frontends import import_model, support_report
from tests.frontends.onnx_models import build, node

SECONDS = 20
GIBIBYTES = 6


def bases() -> list[tuple[onnx.ModelProto, tuple[int, ...]]]:
    """Small whole networks that together use most handlers."""
    rng = np.random.default_rng(0)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    image = build(
        [
            node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1], strides=[2, 1], group=1),
            node("BatchNormalization", ["c", "s", "b", "b", "v"], "n"),
            node("Clip", ["n", "zero", "six"], "r"),
            node("MaxPool", ["r"], "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
            node("ConvTranspose", ["p", "t"], "u", strides=[2, 2], output_padding=[1, 1]),
            node("Resize", ["u", "", "scales"], "z", mode="nearest"),
            node("GlobalAveragePool", ["z"], "g"),
            node("Sigmoid", ["g"], "sg"),
            node("Mul", ["z", "sg"], "m"),
            node("Concat", ["m", "z"], "k", axis=1),
            node("Slice", ["k", "i1", "i3", "i1"], "sl"),
            node("Flatten", ["sl"], "f"),
            node("Shape", ["f"], "sh"),
            node("Gather", ["sh", "i1"], "last"),
            node("ConstantOfShape", ["last"], "zeros"),
            node("Add", ["f", "zeros"], "y"),
        ],
        {
            "w": floats(4, 3, 3, 3), "b": floats(4), "s": floats(4), "v": np.abs(floats(4)),
            "zero": np.array(0, np.float32), "six": np.array(6, np.float32), "t": floats(4, 2, 3, 3),
            "scales": np.array([1, 1, 2, 2], np.float32), "i1": np.array([1]), "i3": np.array([3]),
        },
        ("N", 3, 8, 6),
        opset=17,
    )  # fmt: skip
    sequence = build(
        [
            node("Gather", ["x", "picked"], "e", axis=1),
            node("Concat", ["token", "e"], "c", axis=1),
            node("Add", ["c", "position"], "a"),
            node("LayerNormalization", ["a", "s", "b"], "n"),
            node("MatMul", ["n", "q"], "d"),
            node("Reshape", ["d", "shape"], "h"),
            node("Transpose", ["h"], "t", perm=[0, 2, 1, 3]),
            node("Transpose", ["h"], "tt", perm=[0, 2, 3, 1]),
            node("MatMul", ["t", "tt"], "m"),
            node("Softmax", ["m"], "p"),
            node("Pad", ["p", "pads"], "w"),
            node("Expand", ["one", "wide"], "const"),
            node("Unsqueeze", ["w", "axis"], "un"),
            node("Squeeze", ["un", "axis"], "sq"),
            node("Tile", ["sq", "repeats"], "ti"),
            node("Mul", ["ti", "const"], "ml"),
            node("ReduceMean", ["ml"], "y", axes=[2], keepdims=0),
        ],
        {
            "picked": np.array([0, 2, 1]), "token": np.zeros((2, 1, 6), np.float32), "position": floats(1, 4, 6),
            "s": floats(6), "b": floats(6), "q": floats(6, 6), "shape": np.array([0, -1, 2, 3]),
            "pads": np.array([0, 0, 0, 1, 0, 0, 0, 0]), "one": np.ones((1, 1, 1), np.float32),
            "wide": np.array([1, 1, 1]), "axis": np.array([1]), "repeats": np.array([1, 1, 2, 1]),
        },
        (2, 3, 6),
        opset=17,
    )  # fmt: skip
    return [(image, (3, 8, 6)), (sequence, (3, 6))]


def mutate(model: onnx.ModelProto, rng: np.random.Generator) -> bytes:
    """One damaged form of a model."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for _ in range(int(rng.integers(1, 3))):
        _MUTATIONS[int(rng.integers(len(_MUTATIONS)))](copy, rng)
    data = bytearray(copy.SerializeToString())
    kind = int(rng.integers(6))
    if kind == 0:
        del data[int(rng.integers(len(data))) :]
    elif kind == 1:
        for _ in range(int(rng.integers(1, 8))):
            data[int(rng.integers(len(data)))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        start = int(rng.integers(len(data)))
        data[start : start + 8] = rng.bytes(8)
    return bytes(data)


def _pick(items: list, rng: np.random.Generator):
    return items[int(rng.integers(len(items)))]


NUMBERS = (-(2**63), -(10**12), -7, -1, 0, 1, 2, 3, 5, 64, 10**6, 10**12, 2**31, 2**63 - 1)


def _attribute(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    attributes = [a for n in model.graph.node for a in n.attribute]
    attribute = _pick(attributes, rng)
    if attribute.ints:
        attribute.ints[int(rng.integers(len(attribute.ints)))] = _pick(NUMBERS, rng)
        if rng.random() < 0.2:
            attribute.ints.append(_pick(NUMBERS, rng))
    elif rng.random() < 0.5:
        attribute.i = _pick(NUMBERS, rng)
    else:
        attribute.type = int(rng.integers(1, 12))


def _integer_tensor(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    tensor = _pick([t for t in model.graph.initializer if t.data_type == TensorProto.INT64], rng)
    values = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 8 * 8], np.int64).copy()
    if not len(values):
        return
    values[int(rng.integers(len(values)))] = _pick(NUMBERS, rng)
    tensor.raw_data = values.tobytes()


def _float_tensor(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    tensor = _pick([t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT], rng)
    values = np.frombuffer(tensor.raw_data[: len(tensor.raw_data) // 4 * 4], np.float32).copy()
    if not len(values):
        return
    values[int(rng.integers(len(values)))] = _pick((np.nan, np.inf, 3e38, 1e-44, 0.0), rng)
    tensor.raw_data = values.tobytes()


def _dims(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    tensor = _pick(list(model.graph.initializer), rng)
    if tensor.dims and rng.random() < 0.7:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = _pick(NUMBERS, rng)
    else:
        tensor.dims.append(_pick(NUMBERS, rng))


def _dtype(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    _pick(list(model.graph.initializer), rng).data_type = int(rng.integers(0, 24))


def _missing(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    del model.graph.initializer[int(rng.integers(len(model.graph.initializer)))]


def _rewire(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    names = [name for n in model.graph.node for name in (*n.input, *n.output)] + ["", "x", "nothing"]
    target = _pick(list(model.graph.node), rng)
    target.input[int(rng.integers(len(target.input)))] = _pick(names, rng)


def _operator(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    kinds = [n.op_type for n in model.graph.node] + [
        "Split",
        "Loop",
        "Gemm",
        "Range",
        "OneHot",
        "Erf",
        "PRelu",
    ]
    _pick(list(model.graph.node), rng).op_type = _pick(kinds, rng)


def _shape(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    dims = model.graph.input[0].type.tensor_type.shape.dim
    _pick(list(dims), rng).dim_value = _pick(NUMBERS, rng)


def _external(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    tensor = _pick(list(model.graph.initializer), rng)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    places = ("../w.bin", "/etc/passwd", "/dev/zero", "none.bin", "net.onnx", ".", "", "a/../../b")
    for key, value in (
        ("location", _pick(places, rng)),
        ("offset", _pick(NUMBERS, rng)),
        ("length", _pick(NUMBERS, rng)),
    ):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, str(value)


def _opset(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    model.opset_import[0].version = _pick(NUMBERS, rng)


def _duplicate(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    model.graph.node.append(_pick(list(model.graph.node), rng))


def _function(model: onnx.ModelProto, rng: np.random.Generator) -> None:
    """Functions that call themselves, or each the next ten times."""
    depth = int(rng.integers(1, 12))
    for level in range(depth):
        inner = f"F{(level + 1) % depth}" if rng.random() < 0.3 else f"F{level + 1}"
        body = (
            [node(inner, ["a"], "b", domain="own")] * 10 if level < depth - 1 else [node("Relu", ["a"], "b")]
        )
        model.functions.append(
            onnx.helper.make_function("own", f"F{level}", ["a"], ["b"], body, list(model.opset_import))
        )
    model.opset_import.append(onnx.helper.make_opsetid("own", 1))
    target = (
        _pick([n for n in model.graph.node if n.op_type in ("Clip", "Sigmoid", "Softmax")], rng)
        if any(n.op_type in ("Clip", "Sigmoid", "Softmax") for n in model.graph.node)
        else model.graph.node[0]
    )
    target.op_type, target.domain = "F0", "own"
    del target.input[1:]


_MUTATIONS: list[Callable[[onnx.ModelProto, np.random.Generator], None]] = [
    _attribute, _attribute, _integer_tensor, _integer_tensor, _float_tensor, _dims, _dtype, _missing, _rewire, _rewire,
    _operator, _shape, _external, _opset, _duplicate, _function,
]  # fmt: skip


class TooLong(Exception):  # noqa: N818
    """An import did not end in time."""


def survive(file: Path, shape: tuple[int, ...]) -> str:
    """Empty if the file is imported or refused as it should be, else what went wrong."""
    sample = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    for attempt in (lambda: import_model(file, sample), lambda: support_report(file, shape)):
        signal.alarm(SECONDS)
        try:
            attempt()
        except RapidnnError as error:
            if "\n" in str(error) or not str(error):
                return f"not one line: {error!r}"
        except TooLong:
            return f"over {SECONDS} s\n{traceback.format_exc()}"
        except Exception:
            return traceback.format_exc()
        finally:
            signal.alarm(0)
    return ""


def _too_long(*_: object) -> None:
    raise TooLong


def main(seed: int, count: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (GIBIBYTES << 30, GIBIBYTES << 30))
    signal.signal(signal.SIGALRM, _too_long)
    rng = np.random.default_rng(seed)
    models = bases()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "inner" / "net.onnx"
        file.parent.mkdir()
        for k, (model, shape) in enumerate(models):
            file.write_bytes(model.SerializeToString())
            sample = np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
            import_model(file, sample)  # the whole model is taken
            print(f"base {k} is taken", flush=True)
        for k in range(count):
            model, shape = models[k % len(models)]
            file.write_bytes(mutate(model, rng))
            wrong = survive(file, shape)
            if wrong:
                print(f"mutant {k} of seed {seed}: {wrong}")
                return 1
    print(f"{count} mutants of seed {seed} are imported or refused in one line")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
