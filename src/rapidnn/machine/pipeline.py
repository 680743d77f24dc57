"""A program as the stages of a pipeline, in order: layers in blocks, and operators on the host."""

from __future__ import annotations

from dataclasses import replace
from weakref import WeakKeyDictionary

from rapidnn.machine.edges import stored_edges
from rapidnn.machine.host import HostLayer, host_layer, moves_only, tail_layer
from rapidnn.machine.layers import Follower, Layer, LayerStep, machine_layer
from rapidnn.tables.program import (
    CodeProduct,
    CodeSum,
    EncodeInput,
    EncodeReal,
    Host,
    Join,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    sources_of,
)

_OWN = EncodeInput | EncodeReal | WeightedSum | PooledSum | CodeSum | CodeProduct


_PLANS: WeakKeyDictionary[Program, tuple[Layer | HostLayer, ...]] = WeakKeyDictionary()
"""A program does not change, and many machines are tried on one."""


def plan_stages(program: Program) -> tuple[Layer | HostLayer, ...]:
    """The program's stages in pipeline order, the encoding of the input first, a softmax of the result last."""
    if program not in _PLANS:
        _PLANS[program] = _plan(program)
    return _PLANS[program]


def _plan(program: Program) -> tuple[Layer | HostLayer, ...]:
    home = homes(program)
    members: dict[str, list[Step]] = {}
    for step in program.steps:
        members.setdefault(home[step.name], []).append(step)
    stages: list[Layer | HostLayer] = []
    moved: frozenset[str] = frozenset()
    for first, *others in members.values():
        if isinstance(first, Host):
            stage = host_layer(program, first, (first.name, *(s.name for s in others)), moved)
            moved |= frozenset(stage.reads)
            stages.append(stage)
        else:
            stages.append(_layer(program, first, others, home))
    if program.host_tail is not None:
        stages.append(tail_layer(program, program.host_tail))
    return tuple(stages)


def plan_layers(program: Program) -> tuple[Layer, ...]:
    """The stages that run in blocks."""
    return tuple(stage for stage in plan_stages(program) if isinstance(stage, Layer))


def homes(program: Program) -> dict[str, str]:
    """For each step the stage it belongs to: its own, or the last of those it reads.

    A join without translation and a shape operator of the host's own values belong to what they read.
    """
    home: dict[str, str] = {}
    order: dict[str, int] = {}
    for step in program.steps:
        read = [home[source] for source in sources_of(step)]
        home[step.name] = step.name if _stands_alone(program, step) else max(read, key=order.__getitem__)
        order.setdefault(home[step.name], len(order))
    return home


def _stands_alone(program: Program, step: Step) -> bool:
    if isinstance(step, Host):
        return not (moves_only(step) and isinstance(program.step[step.sources[0]], Host))
    return isinstance(step, _OWN) or (isinstance(step, Join) and bool(step.recode))


def _layer(program: Program, step: Step, others: list[Step], home: dict[str, str]) -> Layer:
    assert isinstance(step, LayerStep), step
    followers = [s for s in others if isinstance(s, Follower)]
    layer = machine_layer(program, step, followers)
    # A pool behind a join may read codes that other layers made: they are kept for it and may cross to its chip.
    foreign = [
        edge
        for pool in layer.pools
        for source in sources_of(program.step[pool.edge])
        for edge in stored_edges(program, source)
        if home[edge] != step.name
    ]
    return replace(layer, sources=tuple(dict.fromkeys([*layer.sources, *foreign])))
