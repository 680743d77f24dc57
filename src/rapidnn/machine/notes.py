"""What a reader of a result must know about its constants: mixed device records, mixed nodes, overrides."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from rapidnn.machine.records import Constant, Hardware


def hardware_notes(hardware: Hardware) -> list[str]:
    """Notes in order: mixed records, then nodes, then the user's overrides and the description's own notes."""
    return [
        *_mixing(hardware),
        *_copy_time(hardware),
        *_nodes(hardware),
        *_overridden(hardware),
        *hardware.notes,
    ]


def mixes_records(hardware: Hardware) -> bool:
    """Whether a gate's energy and the cycle time come from different device records."""
    return bool(_mixing(hardware))


def _mixing(hardware: Hardware) -> list[str]:
    cycle = hardware.rna.cycle_ns
    notes = []
    for name, energy in (("logic.nor_fj", hardware.logic.nor_fj), ("logic.init_fj", hardware.logic.init_fj)):
        same_device = energy.device is not None and energy.device == cycle.device
        if not same_device and energy.at_ns != cycle.value:
            stated = f"at {energy.at_ns:g} ns" if energy.at_ns is not None else "without a cycle time"
            notes.append(
                f"mixed records: {name} = {energy.value:g} fJ is stated {stated} ({energy.device or energy.source}), "
                f"but rna.cycle_ns = {cycle.value:g} ({cycle.device or cycle.source})"
            )
    return notes


def _copy_time(hardware: Hardware) -> list[str]:
    """An addend copy's cycles against the read and write they stand for."""
    taken = hardware.rna.copy_cycles.value * hardware.rna.cycle_ns.value
    needed = hardware.crossbar.read_ns.value + hardware.crossbar.write_ns.value
    if taken >= needed:
        return []
    return [
        f"mixed records: an addend copy takes {taken:.3g} ns, the crossbar's read and write {needed:.3g} ns"
    ]


def _nodes(hardware: Hardware) -> list[str]:
    nodes = sorted(
        {
            c.node_nm
            for section, c in _records(hardware)
            if c.node_nm and section not in ("claims", "recalled")
        }
    )
    if len(nodes) < 2:
        return []
    return [f"constants of {', '.join(f'{node:g}' for node in nodes)} nm stand side by side, unscaled"]


def _overridden(hardware: Hardware) -> list[str]:
    changed = []
    for name, section in hardware:
        if isinstance(section, BaseModel):
            for key, record in section:
                if getattr(record, "source", None) == "set by the user":
                    changed.append(f"{name}.{key} = {record.value}")
    return [f"set by the user: {', '.join(changed)}"] if changed else []


def _records(hardware: Hardware) -> Iterator[tuple[str, Constant[float]]]:
    """Every constant with its section's name, at any depth."""

    def walk(section: str, item: object) -> Iterator[tuple[str, Constant[float]]]:
        if isinstance(item, Constant):
            yield section, item
        elif isinstance(item, BaseModel):
            for _, inner in item:
                yield from walk(section, inner)
        elif isinstance(item, dict):
            for inner in item.values():
                yield from walk(section, inner)

    for name, value in hardware:
        yield from walk(name, value)
