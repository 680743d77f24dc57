"""What a reader of a result must know: mixed records and nodes, overrides, what did not fit, the host's part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rapidnn.machine.chip import Floor
from rapidnn.machine.cost import HOST, LayerCost
from rapidnn.machine.description import SET_BY_USER
from rapidnn.machine.ledger import HOST_COMPONENTS
from rapidnn.machine.macro import NeuronModel
from rapidnn.machine.records import Constant, Hardware


def hardware_notes(hardware: Hardware) -> list[str]:
    """Notes in order: mixed records, then nodes, then the user's overrides and the description's own notes."""
    if "notes" not in hardware.memo:
        hardware.memo["notes"] = [
            *_mixing(hardware),
            *_copy_time(hardware),
            *_nodes(hardware),
            *_overridden(hardware),
            *hardware.notes,
        ]
    return list(hardware.memo["notes"])


def floor_notes(floor: Floor, *, peak: bool) -> list[str]:
    """What did not fit: counters, tables, the reference neuron, the chip."""
    notes, hardware = [], floor.hardware
    layers = [(stage.cost.layer, stage) for stage in floor.stages]
    again = {y.name: NeuronModel(y, s.cost.profile, hardware).passes for y, s in layers if y.taps}
    short = {name: passes for name, passes in again.items() if passes > 1}
    if short:
        most = max(short, key=lambda name: short[name])
        notes.append(
            f"too few counters: codes are delivered again in {len(short)} layers, "
            f"{short[most]} times in {most!r}; raise counters.resident"
        )
    notes += [
        f"layer {layer.name!r}: {bits} bits of its tables do not fit and are reloaded for every neuron"
        for layer, stage in layers
        if (bits := stage.placement.reload_bits)
    ]
    if not peak:
        notes.append("no peak is stated: the reference neuron does not fit this machine")
    in_passes = {y.name: s.cost.most_passes for y, s in layers}
    several = {name: times for name, times in in_passes.items() if times > 1}
    if several:
        most = max(several, key=lambda name: several[name])
        notes.append(
            f"addends are reduced in passes in {len(several)} layers, up to {several[most]} in {most!r}: "
            f"a block does not hold them at once"
        )
    if floor.reloaded:
        notes.append(
            f"the network does not fit {floor.chips} chips: its layers take turns, tables are reloaded from memory "
            f"for every batch of {hardware.chip.batch.value}"
        )
    elif floor.chips > 1:
        notes.append(f"the network lies on {floor.chips} chips; their links are charged")
    return notes


def host_notes(layers: Sequence[LayerCost]) -> list[str]:
    """How many operators run on the host, which, and their share of energy and latency; none without any."""
    hosted = [layer for layer in layers if layer.runs_on == HOST]
    if not hosted:
        return []
    kinds = Counter(layer.kind.removeprefix("host: ") for layer in hosted)
    named = ", ".join(kind if times == 1 else f"{times} {kind}" for kind, times in kinds.items())
    whole = sum(layer.energy_pj for layer in layers)
    energy = sum(layer.by_component[name] for layer in layers for name in HOST_COMPONENTS)
    total, time = (sum(layer.stage_ns for layer in part) for part in (layers, hosted))
    shares = f"{energy / whole if whole else 0:.2%} of the energy, {time / total if total else 0:.2%} of the latency"
    runs = "operators run" if len(hosted) > 1 else "operator runs"
    return [f"{len(hosted)} {runs} on the host (with its link {shares}): {named}"]


def mixes_records(hardware: Hardware) -> bool:
    """Whether a gate's energy and the cycle time come from different device records."""
    return bool(_mixing(hardware))


def _mixing(hardware: Hardware) -> list[str]:
    cycle = hardware.rna.cycle_ns
    mixed: dict[str, list[str]] = {}
    for name, energy in (("logic.nor_fj", hardware.logic.nor_fj), ("logic.init_fj", hardware.logic.init_fj)):
        same_device = energy.device is not None and energy.device == cycle.device
        if not same_device and energy.at_ns != cycle.value:
            stated = f"at {energy.at_ns:g} ns" if energy.at_ns is not None else "without a cycle time"
            mixed.setdefault(f"{stated} ({energy.device or energy.source})", []).append(name)
    return [
        f"mixed records: {', '.join(names)} {stated}, rna.cycle_ns = {cycle.value:g} ({cycle.device or cycle.source})"
        for stated, names in mixed.items()
    ]


def _copy_time(hardware: Hardware) -> list[str]:
    """An addend copy's cycles against the read and write they stand for."""
    taken = hardware.rna.copy_cycles.value * hardware.rna.cycle_ns.value
    needed = hardware.crossbar.read_ns.value + hardware.crossbar.write_ns.value
    if taken >= needed:
        return []
    return [f"mixed records: copying an addend takes {taken:.3g} ns, a read and a write {needed:.3g} ns"]


def _nodes(hardware: Hardware) -> list[str]:
    nodes = sorted(
        {
            record.node_nm
            for name, record in hardware.constants.items()
            if isinstance(record, Constant)
            and record.node_nm
            and not name.startswith(("claims.", "recalled."))
        }
    )
    if len(nodes) < 2:
        return []
    return [f"constants of {', '.join(f'{node:g}' for node in nodes)} nm stand side by side, unscaled"]


def _overridden(hardware: Hardware) -> list[str]:
    changed = [
        f"{name} = {record.value}"
        for name, record in hardware.constants.items()
        if record.source == SET_BY_USER
    ]
    return [f"set by the user: {', '.join(changed)}"] if changed else []
