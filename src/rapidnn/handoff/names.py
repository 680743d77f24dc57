"""Names for files and symbols."""

from __future__ import annotations

import re
from pathlib import PurePath

from rapidnn.execute.composed import ComposedNetwork

_LONGEST = 80
"""Characters of a name; files are called so."""


def identifier(composed: ComposedNetwork) -> str:
    """The network's name as programming languages have names."""
    stem = PurePath(str(composed.info.get("network", "network"))).name.removesuffix(".onnx")
    name = re.sub(r"\W", "_", stem, flags=re.ASCII).strip("_").lower()[:_LONGEST].rstrip("_")
    return name if name and not name[0].isdigit() else f"network_{name}".rstrip("_")
