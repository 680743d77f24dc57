"""What a campaign against a loader needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Rng = np.random.Generator


@dataclass(frozen=True)
class Target:
    """``mutate`` makes the bytes of one hostile file; ``read`` loads what lies at a path of that ``name``."""

    name: str
    file: str
    mutate: Callable[[Rng], bytes]
    read: Callable[[Path], object]
    whole: bytes
