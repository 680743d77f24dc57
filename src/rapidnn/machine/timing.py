"""Latency and throughput of the whole pipeline, from the times of its stages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rapidnn.machine.chip import Floor
from rapidnn.machine.cost import HOST
from rapidnn.machine.residency import turn_reload_ns

RELOADS = "table reloads"
"""What sets the pace where tables take longer to come in than the inputs to run."""


@dataclass(frozen=True)
class Timing:
    """Times of one input, or of one batch divided by its inputs.

    ``latency_ns`` from the first code to the result, ``period_ns`` from one result to the next, ``reload_ns`` that part
    of the period in which tables come in. ``bottleneck`` names the stage that sets the pace.
    """

    latency_ns: float
    period_ns: float
    reload_ns: float
    bottleneck: str


def pipeline_timing(floor: Floor, stage_ns: Mapping[str, float], host_ns: Mapping[str, float]) -> Timing:
    """Times of the pipeline.

    A stage hands over in ``handover`` after its own time. Without turns the latency is the sum of the stages, the
    period that of the slowest, where the host's operators count as one stage, since it runs them one after another.
    In turns, a batch of B takes for each turn its reload, the sum of its stages, and B - 1 times the slowest of them;
    the host's operators are not overlapped with them.
    """
    handover = floor.hardware.chip.handover_cycles.value * floor.hardware.rna.cycle_ns.value
    on_host = sum(host_ns.values())
    slowest = max(stage_ns, key=lambda name: stage_ns[name])
    if not floor.reloaded:
        pace, name = (on_host, HOST) if on_host > stage_ns[slowest] else (stage_ns[slowest], slowest)
        times = [*stage_ns.values(), *host_ns.values()]
        return Timing(sum(times) + handover * len(times), pace + handover, 0.0, name)
    batch = floor.hardware.chip.batch.value
    names = [stage.cost.layer.name for stage in floor.stages]
    whole, reloads = batch * (on_host + handover * len(host_ns)), 0.0
    for turn in floor.turns:
        times = [stage_ns[names[index]] + handover for index in turn]
        reloads += turn_reload_ns(floor, turn)
        whole += sum(times) + (batch - 1) * max(times)
    whole += reloads
    name = RELOADS if reloads > whole / 2 else HOST if on_host > stage_ns[slowest] else slowest
    return Timing(whole, whole / batch, reloads / batch, name)
