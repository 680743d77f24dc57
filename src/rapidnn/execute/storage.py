"""How an edge's elements lie in the native executor: in natural order, with the channel axis last, or otherwise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapidnn.graph.shapes import Shape


def channel_last(shape: Shape) -> NDArray[np.intp]:
    """Natural element numbers in storage order: the channel axis last."""
    return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), 0, -1).reshape(-1)


@dataclass(frozen=True, eq=False)
class Storage:
    """Where an edge lies: its number, and how; ``place`` is None in natural order and with the channel axis last."""

    edge: int
    shape: Shape
    last: bool
    place: NDArray[np.intp] | None

    @classmethod
    def of(cls, edge: int, order: NDArray[np.intp], shape: Shape) -> Storage:
        """From the natural element number at each storage place."""
        if np.array_equal(order, np.arange(len(order))):
            return cls(edge, shape, False, None)
        if np.array_equal(order, channel_last(shape)):
            return cls(edge, shape, True, None)
        return cls(edge, shape, False, np.argsort(order))

    def natural(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Stored elements ``(N, elements)`` as ``(N, *shape)``; a view where the order allows one."""
        if self.last:
            return np.moveaxis(stored.reshape(len(stored), *self.shape[1:], self.shape[0]), -1, 1)
        ordered = stored if self.place is None else stored[:, self.place]
        return ordered.reshape(len(stored), *self.shape)
