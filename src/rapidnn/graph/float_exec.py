"""Execution of the float graph in PyTorch, for calibration and as the reference of accuracy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rapidnn.errors import DataError
from rapidnn.graph import ops
from rapidnn.graph.ir import Graph
from rapidnn.graph.ops import Op, Pairs
from rapidnn.graph.pooling import pool_divisors
from rapidnn.graph.shapes import Shape, infer_shape

if TYPE_CHECKING:
    import torch

Observer = Callable[[str, "torch.Tensor"], None]


def run_float(graph: Graph, x: NDArray[np.float32], observe: Observer | None = None) -> NDArray[np.float32]:
    """The network's float32 output for a batch.

    A value is freed after its last reader, so the peak is the largest set of values alive at once; weights
    are not copied. The batch is run as a whole.

    Parameters
    ----------
    graph
        The float network.
    x
        float32, shape ``(N, *graph.input_shape)``.
    observe
        Called with the name and the value ``(N, *shape)`` of every edge in order, the input included. It must
        not change the value, and holding on to it keeps its memory.

    Returns
    -------
    float32, shape ``(N, *graph.output_shape)``.

    Raises
    ------
    DataError
        If ``x`` is not float32 or not of that shape.
    """
    import torch

    if x.dtype != np.float32 or x.shape[1:] != graph.input_shape or x.ndim != len(graph.input_shape) + 1:
        wanted = ", ".join(map(str, graph.input_shape))
        raise DataError(f"the network takes float32 (N, {wanted}), not {x.dtype} {x.shape}")
    last_reader = {edge: node.name for node in graph for edge in node.inputs}
    values: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for node in graph:
            inputs = [values[edge] for edge in node.inputs]
            value = apply_op(node.op, inputs) if inputs else _tensor(x)
            del inputs
            if observe is not None:
                observe(node.name, value)
            values[node.name] = value
            for edge in (*node.inputs, node.name):
                if last_reader.get(edge, node.name) == node.name and edge != graph.output:
                    values.pop(edge, None)
            del value
        return np.array(values[graph.output].numpy(), dtype=np.float32)


def run_changed(
    graph: Graph,
    values: Mapping[str, torch.Tensor],
    changes: Mapping[str, Callable[[torch.Tensor], torch.Tensor]],
    edge: str,
) -> torch.Tensor:
    """The value of ``edge`` if the edges named in ``changes`` held what their function makes of their value.

    ``values`` holds every edge of an unchanged run; only what depends on a change is computed anew.
    """
    import torch

    fresh: dict[str, torch.Tensor] = {}
    with torch.inference_mode():
        for node in graph:
            if any(name in fresh for name in node.inputs):
                inputs = [fresh[name] if name in fresh else values[name] for name in node.inputs]
                fresh[node.name] = apply_op(node.op, inputs)
            if node.name in changes:
                fresh[node.name] = changes[node.name](fresh.get(node.name, values[node.name]))
            if node.name == edge:
                break
    return fresh.get(edge, values[edge])


def apply_op(op: Op, inputs: list[torch.Tensor]) -> torch.Tensor:
    """One operator on batches, differentiable; any device where the operator has no parameters of its own."""
    import torch

    x = inputs[0]
    match op:
        case ops.Linear():
            return torch.nn.functional.linear(x, _tensor(op.weight), _tensor(op.bias))
        case ops.Conv():
            return _conv(op, x)
        case ops.BatchNorm():
            shape = (-1, *(1,) * (x.ndim - 2))
            return x * _tensor(op.scale).reshape(shape) + _tensor(op.shift).reshape(shape)
        case ops.Activation():
            return _activation(op, x)
        case ops.MaxPool():
            return _max_pool(op, x)
        case ops.AvgPool():
            return _avg_pool(op, x)
        case ops.Reshape():
            return x.reshape(len(x), *op.shape)
        case ops.Transpose():
            return x.permute(0, *(axis + 1 for axis in op.perm))
        case ops.Slice():
            bounds = zip(op.starts, op.stops, op.steps, strict=True)
            return x[(slice(None), *(slice(start, stop, step) for start, stop, step in bounds))]
        case ops.Pad():
            return _pad(x, op.pads, 0.0)
        case ops.Add():
            return inputs[0] + inputs[1]
        case _:
            return _apply_more(op, inputs)


def _apply_more(op: Op, inputs: list[torch.Tensor]) -> torch.Tensor:
    import torch
    import torch.nn.functional as F

    x = inputs[0]
    match op:
        case ops.AddConstant():
            return x + _tensor(op.value)
        case ops.Multiply():
            return inputs[0] * inputs[1]
        case ops.Concat():
            return torch.cat(inputs, dim=op.axis + 1)
        case ops.Take():
            return x.index_select(op.axis + 1, torch.tensor(op.indices, device=x.device))
        case ops.ZeroStuff():
            return _zero_stuff(op, x)
        case ops.Softmax():
            return F.log_softmax(x, op.axis + 1) if op.log else F.softmax(x, op.axis + 1)
        case ops.LayerNorm():
            shape = x.shape[-op.axes :]
            return F.layer_norm(x, shape, _tensor(op.scale), _tensor(op.shift), op.epsilon)
        case ops.MatMul():
            return inputs[0] @ inputs[1]
        case _:
            raise AssertionError(f"{ops.op_name(op)} is not executed here")


def _zero_stuff(op: ops.ZeroStuff, x: torch.Tensor) -> torch.Tensor:
    spatial = tuple((n - 1) * s + 1 for n, s in zip(x.shape[2:], op.stride, strict=True))
    result = x.new_zeros((*x.shape[:2], *spatial))
    result[(slice(None), slice(None), *(slice(None, None, s) for s in op.stride))] = x
    return result


def _tensor(array: NDArray[np.float32]) -> torch.Tensor:
    import torch

    with warnings.catch_warnings():
        # Imported weights are read-only; nothing here writes to them.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def _activation(op: ops.Activation, x: torch.Tensor) -> torch.Tensor:
    import torch
    import torch.nn.functional as F

    match op.kind:
        case "relu":
            return torch.relu(x)
        case "relu6":
            return torch.clamp(x, 0.0, 6.0)
        case "sigmoid":
            return torch.sigmoid(x)
        case "tanh":
            return torch.tanh(x)
        case "leaky_relu":
            return F.leaky_relu(x, op.parameters[0])
        case "elu":
            return F.elu(x, op.parameters[0])
        case "hard_sigmoid":
            return torch.clamp(x * op.parameters[0] + op.parameters[1], 0.0, 1.0)
        case "hard_swish":
            return F.hardswish(x)
        case "gelu":
            return F.gelu(x)
        case "gelu_tanh":
            return F.gelu(x, approximate="tanh")
        case "silu":
            return F.silu(x)
        case "clip":
            return torch.clamp(x, op.parameters[0], op.parameters[1])


def _conv(op: ops.Conv, x: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    run = (F.conv1d, F.conv2d, F.conv3d)[len(op.kernel) - 1]
    padding = tuple(before for before, _ in op.padding)
    if any(before != after for before, after in op.padding):
        x, padding = _pad(x, ((0, 0), *op.padding), 0.0), (0,) * len(padding)
    return run(x, _tensor(op.weight), _tensor(op.bias), op.stride, padding, op.dilation, op.groups)


def _max_pool(op: ops.MaxPool, x: torch.Tensor) -> torch.Tensor:
    import torch.nn.functional as F

    x = _pad(x, ((0, 0), *_reach(op, op.dilation, tuple(x.shape[2:]))), float("-inf"))
    run = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(op.kernel) - 1]
    return run(x, op.kernel, op.stride, 0, op.dilation)


def _avg_pool(op: ops.AvgPool, x: torch.Tensor) -> torch.Tensor:
    import torch
    import torch.nn.functional as F

    divisors = pool_divisors(op, tuple(x.shape[2:]))
    x = _pad(x, ((0, 0), *_reach(op, (1,) * len(op.kernel), tuple(x.shape[2:]))), 0.0)
    run = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(op.kernel) - 1]
    full = int(np.prod(op.kernel))
    result = run(x, op.kernel, op.stride)
    if (divisors == full).all():
        return result
    return result * torch.from_numpy((full / divisors).astype(np.float32)).to(result.device)


def _output_extent(op: ops.MaxPool | ops.AvgPool, spatial: Shape) -> Shape:
    return infer_shape("pool", op, [(1, *spatial)])[1:]


def _reach(op: ops.MaxPool | ops.AvgPool, dilation: tuple[int, ...], spatial: Shape) -> Pairs:
    """Padding that makes the windows fit exactly: in ceil mode more than given, else at times less."""
    counts = _output_extent(op, spatial)
    pairs = []
    for n, k, s, d, m, (before, _) in zip(
        spatial, op.kernel, op.stride, dilation, counts, op.padding, strict=True
    ):
        pairs.append((before, (m - 1) * s + d * (k - 1) + 1 - n - before))
    return tuple(pairs)


def _pad(x: torch.Tensor, pads: Pairs, value: float) -> torch.Tensor:
    """Padding of every axis but the batch; a negative amount cuts off."""
    import torch.nn.functional as F

    if not any(before or after for before, after in pads):
        return x
    flat = [amount for pair in reversed(pads) for amount in pair]
    return F.pad(x, flat, value=value)
