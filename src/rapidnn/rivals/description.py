"""The constants of each rival: one YAML file a machine, every number with unit, node, source and confidence."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from rapidnn.errors import HardwareError
from rapidnn.machine.records import Constant, Count, NonNegative, Positive, Strict


class Rival(Strict):
    """What every rival's description has."""

    name: str
    title: str
    validated: str
    node: Constant[Positive]
    weight_bits: Constant[Count]


class Analog(Rival):
    """A machine of analog crossbars: how weights and inputs are cut into cells and cycles."""

    input_bits: Constant[Count]
    cell_bits: Constant[Count]
    array_rows: Constant[Count]
    array_columns: Constant[Count]
    chip_mm2: Constant[Positive]

    def arrays_for(self, taps: int, channels: int) -> int:
        """Arrays that hold one copy of a matrix: rows of inputs by columns of weights' cells."""
        cells = -(-self.weight_bits.value // self.cell_bits.value)
        rows = -(-taps // self.array_rows.value)
        return rows * -(-channels * cells // self.array_columns.value)

    @property
    def array_macs(self) -> float:
        """Multiply-accumulates of one full array for one input vector."""
        cells = -(-self.weight_bits.value // self.cell_bits.value)
        return self.array_rows.value * self.array_columns.value / cells


class Isaac(Analog):
    """ISAAC-CE, its Table I."""

    cycle: Constant[Positive]
    pipeline: Constant[Count]
    arrays_per_ima: Constant[Count]
    imas_per_tile: Constant[Count]
    tiles: Constant[Count]
    tiles_per_router: Constant[Count]
    adc_mw: Constant[NonNegative]
    dac_mw: Constant[NonNegative]
    sample_hold_mw: Constant[NonNegative]
    array_mw: Constant[NonNegative]
    shift_add_mw: Constant[NonNegative]
    input_register_mw: Constant[NonNegative]
    output_register_mw: Constant[NonNegative]
    edram_mw: Constant[NonNegative]
    bus_mw: Constant[NonNegative]
    router_mw: Constant[NonNegative]
    sigmoid_mw: Constant[NonNegative]
    tile_shift_add_mw: Constant[NonNegative]
    max_pool_mw: Constant[NonNegative]
    tile_output_mw: Constant[NonNegative]
    link_w: Constant[NonNegative]
    claimed_density: Constant[Positive]
    claimed_efficiency: Constant[Positive]
    first_efficiency: Constant[Positive]


class PipeLayer(Analog):
    """PipeLayer, calibrated."""

    read_ns: Constant[Positive]
    write_ns: Constant[Positive]
    read_pj: Constant[NonNegative]
    write_nj: Constant[NonNegative]
    density: Constant[Positive]
    efficiency: Constant[Positive]
    arrays: Constant[Count]
    array_pj: Constant[Positive]


class DaDianNao(Rival):
    """DaDianNao at 32 nm."""

    clock_mhz: Constant[Positive]
    tiles: Constant[Count]
    lane_outputs: Constant[Count]
    lane_inputs: Constant[Count]
    edram_mb: Constant[Positive]
    edram_w: Constant[NonNegative]
    nfu_w: Constant[NonNegative]
    bus_w: Constant[NonNegative]
    link_w: Constant[NonNegative]
    chip_mm2: Constant[Positive]
    claimed_density: Constant[Positive]
    claimed_efficiency: Constant[Positive]


class Eyeriss(Rival):
    """Eyeriss, measured."""

    clock_mhz: Constant[Positive]
    elements: Constant[Count]
    utilisation: Constant[Positive]
    core_mw: Constant[Positive]
    dram_per_mac: Constant[NonNegative]
    dram_pj: Constant[NonNegative]
    chip_mm2: Constant[Positive]


class Gpu(Rival):
    """A GPU by its roofline."""

    tflops: Constant[Positive]
    gbyte_per_s: Constant[Positive]
    board_w: Constant[Positive]
    die_mm2: Constant[Positive]
    launch_us: Constant[NonNegative]
    batch: Constant[Count]


FORMS: dict[str, type[Rival]] = {
    "isaac": Isaac,
    "pipelayer": PipeLayer,
    "dadiannao": DaDianNao,
    "eyeriss": Eyeriss,
    "gtx1080": Gpu,
    "h200": Gpu,
}
"""Form of each built-in rival's description."""

R = TypeVar("R", bound=Rival)


def load_rival(name: str, form: type[R], changes: Mapping[str, float] | None = None) -> R:
    """A rival's description, with constants changed by name (their source then says so).

    Raises
    ------
    HardwareError
        If a constant does not exist or its value is not possible.
    """
    text = (files("rapidnn") / "hardware" / "rivals" / f"{name}.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    for key, value in (changes or {}).items():
        if not isinstance(data.get(key), dict):
            raise HardwareError(f"{name} has no constant {key!r}; it has {', '.join(constants_of(data))}")
        data[key] |= {"value": value, "source": "set by the user", "confidence": "assumption"}
    try:
        return form.model_validate(data)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise HardwareError(f"{name}: {where}: {fault['msg']}") from None


def constants_of(data: Mapping[str, Any]) -> list[str]:
    """Names of the constants in a description."""
    return [key for key, value in data.items() if isinstance(value, dict)]


def records(rival: Rival) -> dict[str, Constant[Any]]:
    """Every constant of a rival by name."""
    found = {name: getattr(rival, name) for name in type(rival).model_fields}
    return {name: value for name, value in found.items() if isinstance(value, Constant)}
