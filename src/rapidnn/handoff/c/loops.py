"""Nested loops in which every index moves by additions of constants: no multiplication finds an element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Strides = tuple[int, ...]


def c_strides(shape: Sequence[int]) -> Strides:
    """Elements between neighbours along each axis of a C-ordered array."""
    strides, step = [], 1
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def merged(shape: Sequence[int], moves: Mapping[str, Strides]) -> tuple[list[int], dict[str, list[int]]]:
    """The same walk with as few axes as possible: extents of 1 dropped, axes that are one for every index joined."""
    extents: list[int] = []
    kept: dict[str, list[int]] = {name: [] for name in moves}
    for axis, extent in enumerate(shape):
        if extent == 1:
            continue
        joins = bool(extents) and all(kept[n][-1] == s[axis] * extent for n, s in moves.items())
        if joins:
            extents[-1] *= extent
            for name, strides in moves.items():
                kept[name][-1] = strides[axis]
        else:
            extents.append(extent)
            for name, strides in moves.items():
                kept[name].append(strides[axis])
    return extents, kept


def nest(
    shape: Sequence[int],
    moves: Mapping[str, Strides],
    body: Sequence[str],
    depth: int = 1,
    counter: str = "i",
) -> list[str]:
    """Lines of loops over ``shape``; the int32 index ``name`` moves by ``moves[name][axis]`` elements along an axis.

    The indices are to be declared and set before; at the end they have left the array.
    """
    extents, kept = merged(shape, moves)
    lines = []
    for axis, extent in enumerate(extents):
        tab = "    " * (depth + axis)
        lines.append(
            f"{tab}for (uint32_t {counter}{axis} = 0; {counter}{axis} < {extent}u; ++{counter}{axis}) {{"
        )
    lines += ["    " * (depth + len(extents)) + line for line in body]
    for axis in reversed(range(len(extents))):
        for name, strides in kept.items():
            inner = strides[axis + 1] * extents[axis + 1] if axis + 1 < len(extents) else 0
            lines += [
                f"{'    ' * (depth + axis + 1)}{move}"
                for move in [_move(name, strides[axis] - inner)]
                if move
            ]
        lines.append("    " * (depth + axis) + "}")
    return lines


def _move(name: str, by: int) -> str:
    return "" if by == 0 else f"{name} += {by};" if by > 0 else f"{name} -= {-by};"
