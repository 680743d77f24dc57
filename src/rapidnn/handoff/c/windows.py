"""Windows over an input: patches of convolutions, average and max pools."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidnn.handoff.c.loops import Strides, c_strides, nest


@dataclass(frozen=True)
class Walk:
    """A window of ``kernel`` taps per axis that walks an input of ``size`` to ``out`` places."""

    size: tuple[int, ...]
    out: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    dilation: tuple[int, ...]

    @property
    def clipped(self) -> tuple[int, ...]:
        """Axes along which a window can reach outside of the input."""
        axes = []
        for axis, n in enumerate(self.size):
            last = (self.out[axis] - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis]
            if self.before[axis] > 0 or last - self.before[axis] >= n:
                axes.append(axis)
        return tuple(axes)

    @property
    def first(self) -> int:
        """Offset of the first window's first tap."""
        return -sum(b * s for b, s in zip(self.before, c_strides(self.size), strict=True))

    def declare(self) -> list[str]:
        """The indices of the first place: ``base``, and the coordinate ``a<axis>`` where it must be compared."""
        return [
            f"int32_t base = {self.first};",
            *(f"int32_t a{axis} = {-self.before[axis]};" for axis in self.clipped),
        ]

    def places(self, body: Sequence[str], *, channels: int = 1, moves: dict[str, Strides]) -> list[str]:
        """Loops over channels and places around ``body``."""
        volume = c_strides((1, *self.size))[0]
        steps = tuple(s * n for s, n in zip(self.stride, c_strides(self.size), strict=True))
        moving = {"base": (volume, *steps), **moves}
        for axis in self.clipped:
            moving[f"a{axis}"] = tuple(
                self.stride[axis] if i == axis + 1 else 0 for i in range(len(steps) + 1)
            )
        return nest((channels, *self.out), moving, body)

    def taps(
        self, inside: Sequence[str], outside: Sequence[str], *, channels: int = 1, start: str = "base"
    ) -> list[str]:
        """Loops over the taps of one place: ``inside`` where ``at`` lies in the input, else ``outside``."""
        volume = c_strides((1, *self.size))[0]
        steps = tuple(d * n for d, n in zip(self.dilation, c_strides(self.size), strict=True))
        moving: dict[str, Strides] = {"at": (volume, *steps)}
        lines = [f"int32_t at = {start};"]
        for axis in self.clipped:
            lines.append(f"int32_t c{axis} = a{axis};")
            moving[f"c{axis}"] = tuple(
                self.dilation[axis] if i == axis + 1 else 0 for i in range(len(steps) + 1)
            )
        body = list(inside)
        if self.clipped:
            test = " && ".join(f"(uint32_t)c{axis} < {self.size[axis]}u" for axis in self.clipped)
            body = [f"if ({test}) {{", *(f"    {line}" for line in inside), "}"]
            if outside:
                body = [*body[:-1], "} else {", *(f"    {line}" for line in outside), "}"]
        return [*lines, *nest((channels, *self.kernel), moving, body, depth=0, counter="k")]
