"""Files as other exporters write them: Caffe2 (shipped with the onnx package), Keras by tf2onnx."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from rapidnn.errors import ModelError
from rapidnn.frontends import import_model, input_shape, support_report
from tests.frontends.checking import check, ints, kinds
from tests.frontends.onnx_models import floats, node, save

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
TAKEN = ("squeezenet", "resnet50", "shufflenet", "densenet121", "inception_v2", "vgg19")


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "squeezenet" else pytest.mark.slow) for n in TAKEN]
)
def test_caffe2_networks(name: str) -> None:
    """Operator set 9 or older, weights among the inputs, a fixed batch, four-dimensional Softmax, Dropout."""
    file = LIGHT / f"light_{name}.onnx"
    shape = input_shape(file)
    assert shape == (3, 224, 224)
    graph = import_model(file, floats(1, *shape))
    assert "Conv" in kinds(graph)
    report = support_report(file)
    assert report.supported
    assert {entry.where for entry in report.nodes} <= {"machine", "host", "shape-only"}


@pytest.mark.parametrize("name", ["bvlc_alexnet", "inception_v1", "zfnet512"])
def test_local_response_normalisation_is_refused_before_any_work(name: str) -> None:
    with pytest.raises(ModelError, match=r"'LRN' at node .* sum of squares over neighbouring channels"):
        import_model(LIGHT / f"light_{name}.onnx", floats(1, 3, 224, 224))


def test_keras_keeps_channels_last(tmp_path: Path) -> None:
    nodes = [
        node("Transpose", ["x"], "nchw", perm=[0, 3, 1, 2]),
        node("Conv", ["nchw", "w"], "c", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("Transpose", ["c"], "nhwc", perm=[0, 2, 3, 1]),
        node("Add", ["nhwc", "b"], "biased"),
        node("Mul", ["biased", "scale"], "scaled"),
        node("Sub", ["scaled", "shift"], "normed"),
        node("Relu", ["normed"], "r"),
        node("Pad", ["r", "pads"], "padded"),
        node("Transpose", ["padded"], "nchw2", perm=[0, 3, 1, 2]),
        node("MaxPool", ["nchw2"], "p", kernel_shape=[3, 3], strides=[2, 2]),
        node("Transpose", ["p"], "nhwc2", perm=[0, 2, 3, 1]),
        node("ReduceMean", ["nhwc2"], "m", axes=[1, 2], keepdims=0),
        node("MatMul", ["m", "dense"], "d"),
        node("Add", ["d", "bias"], "y"),
    ]
    tensors = {
        "w": floats(4, 3, 3, 3), "b": floats(1, 1, 1, 4), "scale": floats(4), "shift": floats(4),
        "pads": ints(0, 1, 1, 0, 0, 1, 1, 0), "dense": floats(4, 5), "bias": floats(5),
    }  # fmt: skip
    graph = check(save(tmp_path, nodes, tensors, ("N", 9, 8, 3), opset=13), 9, 8, 3)
    weighted = [kind for kind in kinds(graph) if kind in ("Conv", "Linear", "relu", "MaxPool", "AvgPool")]
    assert weighted == [
        "Conv",
        "relu",
        "MaxPool",
        "AvgPool",
        "Linear",
    ]  # all arithmetic is folded into layers


def test_zero_padding_survives_folding(tmp_path: Path) -> None:
    """What is added after a padding must not be folded into what is before it."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Pad", ["c", "pads"], "p"),
        node("Add", ["p", "b"], "y"),
    ]
    tensors = {
        "w": floats(4, 3, 1, 1),
        "b": np.full((1,), 0.5, np.float32),
        "pads": ints(0, 0, 1, 1, 0, 0, 1, 1),
    }
    check(save(tmp_path, nodes, tensors, ("N", 3, 4, 4)), 3, 4, 4)
