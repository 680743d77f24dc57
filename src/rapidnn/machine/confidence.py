"""Which of a description's constants entered a cost, and how well they are known."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

from rapidnn.machine.records import Choice, Confidence, Constant, Hardware

_SHOWN_ONLY = ("claims.", "recalled.", "crossbar.read_ns")
"""Figures that stand beside a result or in its notes."""
_GATHER = ("delivery.fill_width", "buffer.port_")
_DIGITAL = ("am.cycles_per_level", "am.sram_")
_CAM = ("am.cam_",)
_BROADCAST = ("delivery.width",)


def entering(
    hardware: Hardware, *, hosted: bool, linked: bool, reloaded: bool = False
) -> dict[str, Constant[Any] | Choice[Any]]:
    """The constants and choices that a cost depends on, by dotted name.

    Left out are those of the delivery, search and addition programmes that are not chosen, of the host where nothing
    runs on it, of the link where no bit leaves the one chip, and of the memory where no table is reloaded from it.
    """
    left_out = [*_SHOWN_ONLY]
    left_out += _GATHER if hardware.delivery.mode.value == "broadcast" else _BROADCAST
    left_out += _CAM if hardware.am.search.value == "digital" else _DIGITAL
    left_out += [
        f"compressors.{name}." for name in hardware.compressors if name != hardware.rna.compressor.value
    ]
    left_out += [f"adders.{name}." for name in hardware.adders if name != hardware.rna.adder.value]
    left_out += [] if hosted else ["host."]
    left_out += [] if linked else ["link."]
    left_out += [] if reloaded else ["memory.", "chip.batch"]
    records = hardware.constants
    return {name: record for name, record in records.items() if not name.startswith(tuple(left_out))}


def confidence_counts(hardware: Hardware, *, hosted: bool, linked: bool, reloaded: bool) -> dict[str, int]:
    """How many of the entering constants have each confidence, best known first; a confidence without any is 0."""
    kept = hardware.memo.setdefault("confidence", {})
    use = (hosted, linked, reloaded)
    if use not in kept:
        found = entering(hardware, hosted=hosted, linked=linked, reloaded=reloaded)
        kept[use] = Counter(record.confidence for record in found.values())
    counted = kept[use]
    return {name: counted[name] for name in get_args(Confidence)}
