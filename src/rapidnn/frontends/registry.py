"""The table of operator handlers: one function per ONNX operator type, added by decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapidnn.frontends.context import NodeContext, SequenceValue

Handler = Callable[["NodeContext"], "str | list[str] | SequenceValue"]
"""Adds graph nodes for one ONNX node and returns the edge of its result (an existing one for a no-op), a list of edges
for a node of several outputs, or a sequence."""

_HANDLERS: dict[str, Handler] = {}
_ANY_LAYOUT: set[str] = set()

REFUSED = {
    "BitShift": "it works on integers",
    "ConvInteger": "integer arithmetic: quantise with QuantizeLinear / DequantizeLinear pairs instead",
    "DynamicQuantizeLinear": "its scale depends on the data: quantise with constant scales instead",
    "Einsum": "write the contraction as MatMul, Transpose and Reshape",
    "GRU": "recurrent networks are not supported",
    "If": "control flow that depends on data is not supported",
    "LRN": "it divides by a sum of squares over neighbouring channels, which no table of one variable holds; "
    "replace it by BatchNormalization and train again, or cut it out",
    "LSTM": "recurrent networks are not supported",
    "Loop": "control flow that depends on data is not supported",
    "LpNormalization": "it divides by a norm of the sample; use LayerNormalization",
    "MatMulInteger": "integer arithmetic: quantise with QuantizeLinear / DequantizeLinear pairs instead",
    "MeanVarianceNormalization": "it mixes the samples of a batch in its default axes; use LayerNormalization",
    "NonMaxSuppression": "the size of its result depends on the data; run it after the network",
    "NonZero": "the size of its result depends on the data",
    "QLinearConv": "integer arithmetic: quantise with QuantizeLinear / DequantizeLinear pairs instead",
    "QLinearMatMul": "integer arithmetic: quantise with QuantizeLinear / DequantizeLinear pairs instead",
    "RNN": "recurrent networks are not supported",
    "Scan": "control flow that depends on data is not supported",
    "TopK": "a ranking has no table; run it after the network",
    "ArgMax": "a ranking has no table; run it after the network",
    "ArgMin": "a ranking has no table; run it after the network",
    "Where": "a choice between activations has no table; only constant masks are folded",
}
"""Operators refused on purpose, and why; everything unknown is refused without a special reason."""


def handles(*op_types: str, any_layout: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler for these operators of the default ONNX domain.

    With ``any_layout`` it takes values whose batch is not alone on axis 0 and gives its result's layout itself.
    """

    def register(handler: Handler) -> Handler:
        for op_type in op_types:
            assert op_type not in _HANDLERS, op_type
            _HANDLERS[op_type] = handler
            if any_layout:
                _ANY_LAYOUT.add(op_type)
        return handler

    return register


def handler_table() -> dict[str, Handler]:
    """All handlers by operator type."""
    from rapidnn.frontends import handlers  # importing the package registers them

    assert handlers.__name__
    return _HANDLERS


def takes_any_layout(op_type: str) -> bool:
    """Whether the operator's handler copes with a batch that is not alone on axis 0."""
    return op_type in _ANY_LAYOUT
