"""Where an ONNX value has its batch axis, while our graph keeps the batch first.

Recurrent-style code (PyTorch's ``MultiheadAttention`` among it) moves the batch behind the time axis and merges
it with the heads. Such values are imported as samples like all others; the layout records how ONNX orders them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """ONNX orders a value as sample axes with the batch before sample axis ``place``.

    The batch and the sample axes ``start`` to ``stop`` (exclusive, around ``place``) form one ONNX axis, number
    ``start``; every other sample axis is an ONNX axis of its own.
    """

    start: int = 0
    place: int = 0
    stop: int = 0

    @property
    def width(self) -> int:
        """Sample axes merged with the batch."""
        return self.stop - self.start

    def full_shape(self, sample: Shape, batch: int) -> Shape:
        """Shape of the ONNX value."""
        merged = batch * math.prod(sample[self.start : self.stop])
        return (*sample[: self.start], merged, *sample[self.stop :])

    def sample_axis(self, axis: int) -> int | None:
        """The sample axis that an ONNX axis is; None for the one that holds the batch."""
        if axis == self.start:
            return None
        return axis if axis < self.start else axis - 1 + self.width

    def transposed(self, perm: Sequence[int]) -> tuple[tuple[int, ...], Layout]:
        """Permutation of the sample axes, and the layout, after ONNX's permutation ``perm``."""
        axes: list[int] = []
        layout = self
        for axis in perm:
            sample = self.sample_axis(axis)
            if sample is None:
                first = len(axes)
                layout = Layout(first, first + self.place - self.start, first + self.width)
                axes += range(self.start, self.stop)
            else:
                axes.append(sample)
        return tuple(axes), layout

    def reshaped(self, sample: Shape, batch: int, full: Sequence[int]) -> tuple[Shape, Layout] | None:
        """Sample shape and layout after ONNX's reshape to ``full``; None where that tears the batch apart.

        In C order a value is outer x batch x inner elements, and stays so. A batch of one can stand in several
        places; the one that leaves it alone, else first in its axis, is taken.
        """
        outer, inner = math.prod(sample[: self.place]), math.prod(sample[self.place :])
        found: list[tuple[bool, bool, int, int, int]] = []
        before = 1
        for axis, extent in enumerate(full):
            if outer % before == 0:
                left = outer // before
                right, rest = divmod(extent, left * batch)
                if rest == 0 and right * math.prod(full[axis + 1 :]) == inner:
                    found.append((left * right > 1, left > 1, axis, left, right))
            before *= extent
        if not found:
            return None
        _, _, axis, left, right = min(found)
        group = [n for n in (left, right) if n > 1]
        layout = Layout(axis, axis + (left > 1), axis + len(group))
        return (*full[:axis], *group, *full[axis + 1 :]), layout


BATCH_FIRST = Layout()
"""The batch alone on axis 0."""
