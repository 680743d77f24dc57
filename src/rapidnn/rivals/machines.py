"""The rivals by name: a name and a workload in, its cost out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rapidnn.errors import HardwareError
from rapidnn.rivals.cost import RivalCost
from rapidnn.rivals.dadiannao import estimate_dadiannao
from rapidnn.rivals.description import FORMS, Rival, load_rival
from rapidnn.rivals.eyeriss import estimate_eyeriss
from rapidnn.rivals.gpu import estimate_gpu
from rapidnn.rivals.isaac import estimate_isaac
from rapidnn.rivals.pipelayer import estimate_pipelayer
from rapidnn.rivals.work import Workload

_MODELS: dict[str, Callable[..., RivalCost]] = {
    "isaac": estimate_isaac,
    "pipelayer": estimate_pipelayer,
    "dadiannao": estimate_dadiannao,
    "eyeriss": estimate_eyeriss,
    "gtx1080": estimate_gpu,
    "h200": estimate_gpu,
}
EIGHT_BIT = {"weight_bits": 8, "input_bits": 8}
"""The analog rivals scaled to 8 bits: half the cells a weight, half the input cycles."""
SCALABLE = ("isaac", "pipelayer")


@dataclass(frozen=True)
class Machine:
    """A rival: its description and its model."""

    rival: Rival

    def estimate(self, work: Workload, chips: int | None = None) -> RivalCost:
        """Its cost of a network; ``chips`` default to as many as hold it."""
        return _MODELS[self.rival.name](self.rival, work, chips)


def rival_names() -> tuple[str, ...]:
    """Names of the rivals."""
    return tuple(_MODELS)


def rival(name: str, changes: Mapping[str, Any] | None = None) -> Machine:
    """A rival by name, with constants changed.

    Raises
    ------
    HardwareError
        If there is no such rival, or a change is not possible.
    """
    if name not in _MODELS:
        raise HardwareError(f"no rival is named {name!r}; known: {', '.join(_MODELS)}")
    return Machine(load_rival(name, FORMS[name], changes))
