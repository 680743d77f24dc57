"""What windows at the end of an axis reach for."""

from __future__ import annotations

from rapidnn.graph.shapes import Shape


def after_pads(
    size: Shape, out: Shape, kernel: Shape, stride: Shape, before: Shape, dilation: Shape
) -> Shape:
    """What must follow the input along each axis so that the last window ends in it."""
    reach = [(o - 1) * s + (k - 1) * d + 1 for o, s, k, d in zip(out, stride, kernel, dilation, strict=True)]
    return tuple(max(0, r - b - n) for r, b, n in zip(reach, before, size, strict=True))
