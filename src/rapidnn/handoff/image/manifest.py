"""The image's manifest: the network's steps, the blocks with their tables, and the order of loading and delivery."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rapidnn import __version__
from rapidnn.execute.composed import ComposedNetwork
from rapidnn.graph import ops
from rapidnn.handoff.image.blocks import tables_of
from rapidnn.handoff.image.memories import Memories
from rapidnn.handoff.names import identifier
from rapidnn.handoff.records import Content
from rapidnn.handoff.support import refuse_host
from rapidnn.machine.layers import Layer
from rapidnn.machine.pipeline import plan_layers
from rapidnn.machine.placement import place
from rapidnn.machine.records import Hardware
from rapidnn.tables.program import (
    Activate,
    Carry,
    CodeSum,
    Encode,
    Join,
    PooledSum,
    Program,
    Step,
    WeightedSum,
    Window,
    sources_of,
)

FORMAT = "rapidnn-memory-image/1"


def write_image(composed: ComposedNetwork, hardware: Hardware) -> Content:
    """``manifest.json`` and a ``$readmemh`` file per layer, kind of table and width.

    Raises
    ------
    ModelError
        If an operator runs on the host.
    HardwareError
        If a layer does not fit the blocks of this machine.
    """
    program, memories = composed.program, Memories()
    refuse_host(program, "memory-image")
    layers = plan_layers(program)
    blocks: list[dict[str, Any]] = []
    home: dict[str, str] = {}
    for index, layer in enumerate(layers):
        made = _blocks(program, layer, index, hardware, memories, len(blocks))
        home |= dict.fromkeys(layer.steps, layer.name)
        blocks += made
    manifest = {
        "format": FORMAT,
        "rapidnn": __version__,
        "network": identifier(composed),
        "hardware": {"name": hardware.name, **_chip(hardware)},
        "input_shape": list(program.input_shape),
        "output": _output(composed),
        "codebooks": [_codebook(program, group.name) for group in program.groups],
        "steps": [_step(program, step, home) for step in program.steps],
        "broadcast": _broadcast(hardware),
        "load_order": [[block["block"], list(block["tables"])] for block in blocks],
        "blocks": blocks,
    }
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    return Content({"manifest.json": text, **memories.files})


def _blocks(
    program: Program, layer: Layer, index: int, hardware: Hardware, memories: Memories, first: int
) -> list[dict[str, Any]]:
    """The blocks of one replica of a layer, ``first`` the number of the first one."""
    placement = place(layer, hardware)
    prefix = f"{index:02d}_" + re.sub(r"\W+", "_", layer.name, flags=re.ASCII)[:40]
    found = []
    for number in range(placement.blocks):
        start = number * placement.channels_per_block
        stop = min(start + placement.channels_per_block, layer.channels)
        block = first + number
        found.append(
            {
                "block": block,
                "chip": block // hardware.chip.blocks,
                "tile": block % hardware.chip.blocks // hardware.chip.blocks_per_tile.value,
                "layer": layer.name,
                "word_bits": layer.word_bits,
                "first_channel": start,
                "channels": stop - start,
                "reload_bits_per_neuron": placement.reload_bits,
                "tables": tables_of(program, layer, prefix, memories, start, stop),
            }
        )
    return found


def _chip(hardware: Hardware) -> dict[str, Any]:
    chip, rna = hardware.chip, hardware.rna
    return {
        "tiles": chip.tiles.value,
        "blocks_per_tile": chip.blocks_per_tile.value,
        "rows": rna.rows.value,
        "columns": rna.columns.value,
        "neurons_per_block": rna.neurons_per_block.value,
        "compressor": rna.compressor.value,
        "adder": rna.adder.value,
    }


def _broadcast(hardware: Hardware) -> dict[str, Any]:
    """How codes reach the blocks of a layer."""
    delivery = hardware.delivery
    return {
        "mode": delivery.mode.value,
        "codes_per_cycle": delivery.width.value,
        "order": "steps in order; in a step places in C order, in a place groups, in a group the channels of a block "
        "in turn; a neuron's codes in the order of its weights (input channel, then kernel), padding left out; "
        "then one code of each residual",
    }


def _output(composed: ComposedNetwork) -> dict[str, Any]:
    program = composed.program
    return {
        "edge": program.output,
        "shape": list(program.output_shape),
        "scales": composed.output_scales().reshape(-1).tolist(),
        "tail": [_operator(op) for op in program.tail],
    }


def _codebook(program: Program, name: str) -> dict[str, Any]:
    group = program.group[name]
    return {
        "name": name,
        "values": group.values.tolist(),
        "scale": group.scale,
        "pad_code": group.pad_code,
    }


def _step(program: Program, step: Step, home: Mapping[str, str]) -> dict[str, Any]:
    """A step without its tables, which are its layer's blocks'."""
    found: dict[str, Any] = {
        "name": step.name,
        "kind": type(step).__name__,
        "layer": home[step.name],
        "shape": list(program.shapes[step.name]),
        "sources": sources_of(step),
    }
    if step.name in program.group_of:
        found["codebook"] = program.group_of[step.name].name
    match step:
        case WeightedSum():
            found |= {"groups": step.groups, "codes_shape": list(step.weight_codes.shape)}
            found["window"] = None if step.window is None else _window(step.window)
        case PooledSum():
            found |= {"window": _window(step.window), "table_set": step.divisor_index.tolist()}
        case CodeSum():
            found["has_constants"] = step.offset is not None
        case Encode() | Activate():
            found |= {
                "activation": step.activation.kind,
                "drop": step.drop if isinstance(step, Encode) else 0,
            }
        case Carry():
            found["operator"] = _operator(step.op)
        case Join():
            found |= {"axis": step.axis, "recoded": bool(step.recode)}
    return found


def _window(window: Window) -> dict[str, Any]:
    return asdict(window)


def _operator(op: Any) -> dict[str, Any]:
    return {"operator": ops.op_name(op), **asdict(op)}
