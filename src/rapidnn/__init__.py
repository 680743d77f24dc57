"""rapidnn: neural networks as lookup tables, exact to the bit, and the cost of the machine that would run them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from rapidnn.composer.compose import compose
    from rapidnn.data.preprocess import Preprocess
    from rapidnn.errors import RapidnnError
    from rapidnn.execute.composed import ComposedNetwork, load
    from rapidnn.handoff.export import export
    from rapidnn.machine.network import estimate
    from rapidnn.reliability.study import faults
    from rapidnn.reproduction.run import reproduce
    from rapidnn.rivals.compare import compare
    from rapidnn.search.explore import explore

__all__ = [
    "ComposedNetwork",
    "Preprocess",
    "RapidnnError",
    "__version__",
    "compare",
    "compose",
    "estimate",
    "explore",
    "export",
    "faults",
    "load",
    "reproduce",
]

_HOME = {
    "ComposedNetwork": "rapidnn.execute.composed",
    "Preprocess": "rapidnn.data.preprocess",
    "RapidnnError": "rapidnn.errors",
    "compare": "rapidnn.rivals.compare",
    "compose": "rapidnn.composer.compose",
    "estimate": "rapidnn.machine.network",
    "explore": "rapidnn.search.explore",
    "export": "rapidnn.handoff.export",
    "faults": "rapidnn.reliability.study",
    "load": "rapidnn.execute.composed",
    "reproduce": "rapidnn.reproduction.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing rapidnn stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'rapidnn' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
