"""What becomes of every ONNX node of a network: machine, host, shape-only or refused, before any long work starts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rapidnn.errors import DataError, ModelError
from rapidnn.frontends.parse import Visit, Walk, check_inputs
from rapidnn.frontends.peek import input_shape
from rapidnn.frontends.source import file_source, module_source
from rapidnn.graph import ops
from rapidnn.graph.ir import Node
from rapidnn.graph.shapes import Shape

if TYPE_CHECKING:
    import pandas
    import torch

Where = Literal["machine", "host", "shape-only", "refused"]

_SHAPE_ONLY = (ops.Reshape, ops.Transpose, ops.Slice, ops.Pad, ops.Concat, ops.Take, ops.ZeroStuff, ops.Input)


@dataclass(frozen=True)
class NodeSupport:
    """One ONNX node.

    ``reason`` says why it is refused, or what it is taken as; ``output_shape`` is that of one sample, None where it is
    not known; ``macs`` are multiply-accumulates of one sample, ``parameters`` the float constants it reads; ``taps`` is
    K, the inputs of one neuron, of a weighted layer.
    """

    name: str
    operator: str
    where: Where
    reason: str
    output_shape: tuple[int, ...] | None
    macs: int
    parameters: int
    taps: int | None = None

    def memory_bytes(self, weights: int, inputs: int, product_bits: int) -> float | None:
        """What one neuron of a weighted layer would hold: its K weight codes and its w x u products; else None."""
        if self.taps is None:
            return None
        return (self.taps * max(1, (weights - 1).bit_length()) + weights * inputs * product_bits) / 8


@dataclass(frozen=True)
class SupportReport:
    """All nodes of a network in order; ``supported`` if none is refused."""

    model: str
    input_shape: tuple[int, ...]
    nodes: tuple[NodeSupport, ...]

    @property
    def supported(self) -> bool:
        """Whether the network can be imported, as far as can be told without running it."""
        return not self.refused

    @property
    def refused(self) -> tuple[NodeSupport, ...]:
        """The refused nodes."""
        return tuple(node for node in self.nodes if node.where == "refused")

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one sample."""
        return sum(node.macs for node in self.nodes)

    @property
    def parameters(self) -> int:
        """Constants of all nodes."""
        return sum(node.parameters for node in self.nodes)

    def to_json(self) -> dict[str, Any]:
        """As JSON-ready values."""
        return {
            "model": self.model,
            "input_shape": list(self.input_shape),
            "supported": self.supported,
            "macs": self.macs,
            "parameters": self.parameters,
            "nodes": [
                {
                    **asdict(node),
                    "output_shape": None if node.output_shape is None else list(node.output_shape),
                }
                for node in self.nodes
            ],
        }

    def to_frame(self) -> pandas.DataFrame:
        """One row a node."""
        import pandas

        return pandas.DataFrame(
            [asdict(node) for node in self.nodes], columns=list(NodeSupport.__annotations__)
        )


def support_report(
    model: torch.nn.Module | str | Path, sample_shape: tuple[int, ...] | None = None
) -> SupportReport:
    """What becomes of every ONNX node of a network.

    Unsupported operators do not raise; they stand in the report with the reason. The network is not run (a module is
    run once, by its export).

    Parameters
    ----------
    model
        A module, or the path of an ONNX file.
    sample_shape
        Shape of one input sample. A file that fixes it needs none.

    Raises
    ------
    ModelError
        If the model cannot be read at all.
    DataError
        If the sample shape is needed and not given, or does not fit.
    """
    if isinstance(model, str | Path):
        shape = sample_shape or input_shape(Path(model))
        if shape is None:
            raise DataError(f"{model} leaves extents of its input open; give the shape of one sample")
        source = file_source(Path(model), _zeros(shape))
    else:
        if sample_shape is None:
            raise DataError("a module does not say what it takes; give the shape of one sample")
        shape = sample_shape
        source = module_source(model, _zeros(shape))
    walk = Walk(source.model, source.batch, shape)
    check_inputs(walk.nodes, source.model)
    walk.run()
    done = {visit.node: _support(visit) for visit in walk.visits}
    for step in walk.nodes:
        done.setdefault(step.node, _unknown(step.node))
    nodes = [done[step.node] for step in walk.nodes]
    if not any(node.where == "refused" for node in nodes):
        try:
            walk.parsed()
        except ModelError as error:  # such as an output whose batch is not first
            if not nodes:
                raise
            last = nodes.pop()
            nodes.append(NodeSupport(**{**vars(last), "where": "refused", "reason": str(error)}))
    return SupportReport(source.label, tuple(shape), tuple(nodes))


def _zeros(shape: tuple[int, ...]) -> Any:
    if not all(isinstance(n, int) and n > 0 for n in shape):
        raise DataError(f"sample shape {shape} must be of positive integers")
    return np.broadcast_to(np.float32(0), (1, *shape))


def _support(visit: Visit) -> NodeSupport:
    where, reason = _where(visit)
    shapes = visit.shapes
    return NodeSupport(
        name=visit.name,
        operator=visit.node.op_type,
        where=where,
        reason=reason,
        output_shape=visit.shape,
        macs=sum(node_macs(node, shapes) for node in visit.added),
        parameters=visit.parameters,
        taps=next((t for node in visit.added if (t := _taps(node)) is not None), None),
    )


def _taps(node: Node) -> int | None:
    return math.prod(node.op.weight.shape[1:]) if isinstance(node.op, ops.Linear | ops.Conv) else None


def _unknown(node: Any) -> NodeSupport:
    from rapidnn.frontends.names import display_name

    reason = "not judged: it reads a refused node whose result has no known shape"
    return NodeSupport(display_name(node), node.op_type, "refused", reason, None, 0, 0)


def _where(visit: Visit) -> tuple[Where, str]:
    if visit.refused:
        return "refused", visit.refused
    if visit.folded:
        return "shape-only", "constant, folded at import"
    kinds = [ops.op_name(node.op) for node in visit.added]
    taken = f"as {', '.join(kinds)}" if kinds else "changes nothing"
    if any(isinstance(node.op, ops.HOST) for node in visit.added):
        return "host", taken
    if all(isinstance(node.op, _SHAPE_ONLY) for node in visit.added):
        return "shape-only", taken
    return "machine", taken


def node_macs(node: Node, shapes: dict[str, Shape]) -> int:
    """Multiply-accumulates of one sample: convolutions, linear layers, matrix products; ``shapes`` by edge."""
    result = math.prod(shapes[node.name])
    match node.op:
        case ops.Linear():
            return result * int(node.op.weight.shape[1])
        case ops.Conv():
            return result * math.prod(node.op.weight.shape[1:])
        case ops.MatMul():
            return result * shapes[node.inputs[0]][-1]
        case _:
            return 0
