"""The table of operator handlers: one function per ONNX operator type, added by decorator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapidnn.frontends.context import NodeContext

Handler = Callable[["NodeContext"], str]
"""Adds graph nodes for one ONNX node and returns the edge of its result (an existing one for a no-op)."""

_HANDLERS: dict[str, Handler] = {}


def handles(*op_types: str) -> Callable[[Handler], Handler]:
    """Register a handler for these operators of the default ONNX domain."""

    def register(handler: Handler) -> Handler:
        for op_type in op_types:
            assert op_type not in _HANDLERS, op_type
            _HANDLERS[op_type] = handler
        return handler

    return register


def handler_table() -> dict[str, Handler]:
    """All handlers by operator type."""
    from rapidnn.frontends import handlers  # importing the package registers them

    assert handlers.__name__
    return _HANDLERS
