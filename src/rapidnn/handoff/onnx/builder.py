"""An ONNX graph as it grows: nodes by what they compute, constants each once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rapidnn import __version__
from rapidnn.errors import ModelError

OPSET = 17
"""The lowest operator set that has everything used here; ONNX's IR version 8 goes with it."""
IR_VERSION = 8
BATCH = "N"
LARGEST = 2**31 - 2**20
"""Bytes of constants in a model: protocol buffers end at 2 GiB, and the graph takes some."""


class Builder:
    """Values are names; every method that adds nodes returns the name of its result."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[Any] = []

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """One node with one result."""
        name = f"{op.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def name(self, value: str, name: str) -> str:
        """The same value under a name that readers know."""
        self._nodes.append(helper.make_node("Identity", [value], [name], name=name))
        return name

    def constant(self, array: NDArray[Any]) -> str:
        """A constant of the array's type and shape."""
        whole = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes scalars 1-D
        key = (whole.dtype.str, whole.shape, whole.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            self._constants[key] = name
            self._initializers.append(numpy_helper.from_array(whole, name))
        return self._constants[key]

    def ints(self, values: Sequence[int]) -> str:
        """int64, as shapes, axes and bounds are."""
        return self.constant(np.array(values, np.int64))

    def cast(self, value: str, kind: type[np.generic]) -> str:
        """Another element type."""
        return self.node("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def reshape(self, value: str, shape: Sequence[int]) -> str:
        """A sample of another shape; one -1 at most, the batch's where there is none."""
        return self.node("Reshape", value, self.ints((-1, *shape)))

    def look_up(self, table: NDArray[Any], index: str) -> str:
        """``table[index]`` along the first axis; ``index`` holds codes or int32."""
        return self.node("Gather", self.constant(table), index, axis=0)

    def pad(self, value: str, pads: Sequence[tuple[int, int]], fill: NDArray[Any]) -> str:
        """(before, after) along every axis of a sample; ``fill`` is a scalar of the value's type."""
        if not any(n for pair in pads for n in pair):
            return value
        amounts = [0, *(b for b, _ in pads), 0, *(a for _, a in pads)]
        return self.node("Pad", value, self.ints(amounts), self.constant(fill))

    def model(
        self,
        given: tuple[str, tuple[int, ...]],
        made: Sequence[tuple[str, type[np.generic], tuple[int, ...]]],
        name: str,
    ) -> bytes:
        """The finished model, checked: a float32 input, and outputs of a type and a sample's shape."""
        outputs = [
            helper.make_tensor_value_info(
                edge, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [BATCH, *shape]
            )
            for edge, kind, shape in made
        ]
        inputs = [helper.make_tensor_value_info(given[0], TensorProto.FLOAT, [BATCH, *given[1]])]
        graph = helper.make_graph(self._nodes, name, inputs, outputs, self._initializers)
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="rapidnn",
            producer_version=__version__,
        )
        size = sum(len(tensor.raw_data) for tensor in self._initializers)
        if size >= LARGEST:
            raise ModelError(
                f"the network takes {size / 2**30:.1f} GiB as ONNX, and a model file holds 2 GiB; use --to c, "
                f"--to torch, or --to memory-image"
            )
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString())
