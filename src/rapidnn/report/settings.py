"""How a composed network was made, as far as its artifact says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rapidnn.execute.composed import ComposedNetwork
from rapidnn.report.data import Cell, Column, DataTable

UNRECORDED = "not recorded in the artifact"

_INFO = (
    ("network", "network"),
    ("data", "data"),
    ("seed", "seed"),
    ("calibration_samples", "calibration samples"),
    ("rapidnn", "composed by rapidnn"),
)
_SETTINGS = (
    ("weights", "weight codebook size w"),
    ("inputs", "input codebook size u"),
    ("granularity", "weight codebooks"),
    ("operand_bits", "operand bits"),
    ("product_bits", "product bits"),
    ("activation_rows", "activation rows q"),
)


def settings_data(composed: ComposedNetwork) -> DataTable:
    """Settings, origin and preprocessing as (setting, value) rows; what the artifact does not say is marked so."""
    settings = composed.info.get("settings")
    known = settings if isinstance(settings, Mapping) else {}
    rows: list[tuple[Cell, ...]] = [(title, _text(composed.info.get(key))) for key, title in _INFO]
    rows += [(title, _text(known.get(key))) for key, title in _SETTINGS]
    listed = {key for key, _ in _SETTINGS}
    rows += [(str(key), _text(value)) for key, value in sorted(known.items()) if key not in listed]
    rows += [(f"input {key}", _text(value)) for key, value in composed.preprocess.to_json().items()]
    return DataTable(
        (Column("setting", "setting", style="text"), Column("value", "value", style="text")), tuple(rows)
    )


def _text(value: Any) -> str:
    if value is None:
        return UNRECORDED
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {item}" for key, item in sorted(value.items()))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    if isinstance(value, str) and value in ("layer", "channel"):
        return "one per layer" if value == "layer" else "one per output channel"
    return str(value)
