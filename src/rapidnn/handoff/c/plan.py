"""Where the edges lie in static memory, and which steps are done together."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rapidnn.graph import ops
from rapidnn.tables.program import (
    Activate,
    Carry,
    CodeProduct,
    CodeSum,
    Encode,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    sources_of,
)

OUTPUT = "output"


@dataclass(frozen=True)
class Plan:
    """Memory of one inference.

    ``place`` has the C expression of every edge's first element; codes lie in the byte array ``codes``, accumulators in
    the array ``sums``. ``fused`` are the encodings and activations done as soon as a sum is known, by the sum's name;
    they and the reshapes are in ``done_elsewhere``.
    """

    place: dict[str, str]
    fused: dict[str, Encode | Activate]
    done_elsewhere: frozenset[str]
    code_bytes: int
    sum_words: int


def plan_memory(program: Program) -> Plan:
    """Edges whose lifetimes do not meet share memory; an accumulator with one reader takes none."""
    fused = _fused(program)
    home = {step.name: step.name for step in program.steps}
    for step in program.steps:
        if isinstance(step, Carry) and isinstance(step.op, ops.Reshape):
            home[step.name] = home[step.source]
    elsewhere = {step.name for step in fused.values()} | {edge for edge in home if home[edge] != edge}
    lives = _lifetimes(program, fused, home)
    place: dict[str, str] = {}
    direct = _direct_output(program)
    if direct is not None:
        lives.pop(direct)
        place[direct] = OUTPUT
    sizes = {edge: math.prod(program.shapes[edge]) for edge in lives}
    code_edges = {edge: size for edge, size in sizes.items() if edge in program.group_of}
    sum_edges = {edge: size for edge, size in sizes.items() if edge not in program.group_of}
    totals = []
    for array, edges in (("codes", code_edges), ("sums", sum_edges)):
        offsets, total = _pack(edges, lives)
        place |= {edge: f"{array} + {offset}" for edge, offset in offsets.items()}
        totals.append(total)
    for edge, kept in home.items():
        if kept in place:
            place[edge] = place[kept]
    return Plan(place, fused, frozenset(elsewhere), *totals)


def _fused(program: Program) -> dict[str, Encode | Activate]:
    readers: dict[str, list[Step]] = {}
    for step in program.steps:
        for name in sources_of(step):
            readers.setdefault(name, []).append(step)
    found: dict[str, Encode | Activate] = {}
    for step in program.steps:
        if isinstance(step, WeightedSum | PooledSum | CodeSum | CodeProduct) and step.name != program.output:
            match readers.get(step.name, []):
                case [Encode() | Activate() as only]:
                    found[step.name] = only
    return found


def _direct_output(program: Program) -> str | None:
    """The output edge, if its integers can be written straight into the caller's array."""
    stays = program.output not in program.group_of and all(isinstance(op, ops.Reshape) for op in program.tail)
    return program.output if stays else None


def _lifetimes(
    program: Program, fused: dict[str, Encode | Activate], home: dict[str, str]
) -> dict[str, tuple[int, int]]:
    """First and last step, both included, in which each edge that needs memory holds values."""
    at = {step.name: position for position, step in enumerate(program.steps)}
    made = {name: at[name] for name in at if name not in fused}
    made |= {follower.name: at[name] for name, follower in fused.items()}
    lives: dict[str, tuple[int, int]] = {}
    for name, first in made.items():
        if home[name] == name:
            lives[name] = (first, first)
    for step in program.steps:
        for source in sources_of(step):
            if source not in fused:
                first, last = lives[home[source]]
                lives[home[source]] = (first, max(last, at[step.name]))
    kept = home[program.output]
    lives[kept] = (lives[kept][0], len(program.steps))
    return lives


def _pack(sizes: dict[str, int], lives: dict[str, tuple[int, int]]) -> tuple[dict[str, int], int]:
    """Offsets, largest edges first, each at the lowest place free during its life; and the elements needed."""
    offsets: dict[str, int] = {}
    for edge in sorted(sizes, key=lambda name: (-sizes[name], name)):
        first, last = lives[edge]
        taken = sorted(
            (offsets[other], offsets[other] + sizes[other])
            for other in offsets
            if lives[other][0] <= last and first <= lives[other][1]
        )
        offset = 0
        for start, stop in taken:
            if offset + sizes[edge] <= start:
                break
            offset = max(offset, stop)
        offsets[edge] = offset
    return offsets, max((offsets[edge] + size for edge, size in sizes.items()), default=0)
