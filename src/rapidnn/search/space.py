"""What a search may choose: codebook settings and machine parameters, each from a list of values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rapidnn import untrusted
from rapidnn.composer.settings import Settings
from rapidnn.errors import ComposeError, DataError, HardwareError
from rapidnn.machine.description import load_hardware

Value = int | float | str | bool
COMPOSE = ("weights", "inputs", "granularity", "activation_rows", "product_bits", "recover")
"""Settings of the composer that a space may list."""

DEFAULT: dict[str, Any] = {
    "per_layer": True,
    "compose": {"weights": [4, 8, 16, 32, 64], "inputs": [4, 8, 16, 32, 64]},
    "hardware": {
        "rna.adder": ["magic-12n1", "aritpim-18n1"],
        "rna.compressor": ["magic-13", "nor-10"],
        "rna.neurons_per_block": [1, 2, 4, 8],
        "rna.columns": [128, 256, 512, 1024],
        "counters.resident": [64, 256, 1024, 4096],
        "delivery.width": [1, 4, 16],
    },
}
"""The space where none is given."""


@dataclass(frozen=True)
class Space:
    """Choices by name, in order: ``weights``, ``weights:LAYER``, ``inputs``, ..., and dotted machine parameters."""

    choices: Mapping[str, tuple[Value, ...]]

    @property
    def size(self) -> int:
        """How many designs there are."""
        return math.prod(len(values) for values in self.choices.values())

    @property
    def compose_choices(self) -> dict[str, tuple[Value, ...]]:
        """The choices that are the composer's."""
        return {n: values for n, values in self.choices.items() if n.partition(":")[0] in COMPOSE}

    def design(self, chosen: Mapping[str, Value], base: Settings) -> Design:
        """The design of one value for each choice."""
        changes: dict[str, Any] = {}
        hardware: dict[str, Value] = {}
        for name, value in chosen.items():
            option, _, layer = name.partition(":")
            if option not in COMPOSE:
                hardware[name] = value
            elif layer:
                changes.setdefault(option, {})[layer] = value
            else:
                changes[option] = value
        return Design(replace(base, **changes), hardware)


@dataclass(frozen=True)
class Design:
    """Settings of the composer, and machine parameters by dotted name."""

    settings: Settings
    hardware: Mapping[str, Value]


def read_space(path: Path | None, layers: Sequence[str], hardware: str, *, hardware_only: bool) -> Space:
    """The space of a YAML file, or the built-in one, for a network's weighted layers.

    The file has ``compose`` (lists of values of :data:`COMPOSE`), ``per_layer`` (whether sizes are chosen layer by
    layer) and ``hardware`` (lists of values of machine parameters). With ``hardware_only`` its ``compose`` is left out.

    Raises
    ------
    DataError
        If the file cannot be read or is not of this form.
    ComposeError, HardwareError
        If a value is not possible.
    """
    given = DEFAULT if path is None else _read(path)
    where = "the built-in space" if path is None else str(path)
    unknown = set(given) - set(DEFAULT)
    if unknown:
        raise DataError(f"{where}: {sorted(unknown)[0]!r} is not one of {', '.join(DEFAULT)}")
    compose, machine = given.get("compose") or {}, given.get("hardware") or {}
    choices: dict[str, tuple[Value, ...]] = {}
    for name, values in {} if hardware_only else _lists(where, "compose", compose).items():
        if name not in COMPOSE:
            raise DataError(f"{where}: compose.{name} is not one of {', '.join(COMPOSE)}")
        per_layer = bool(given.get("per_layer", False)) and name in ("weights", "inputs")
        choices |= {f"{name}:{layer}": values for layer in layers} if per_layer else {name: values}
    known = _known(machine, hardware) if path is None else machine
    choices |= _lists(where, "hardware", known)
    if not choices:
        raise DataError(f"{where}: there is nothing to choose; list values under compose or hardware")
    space = Space(choices)
    _check(space, where, hardware)
    return space


def _read(path: Path) -> dict[str, Any]:
    try:
        data = untrusted.parse_yaml(untrusted.read_text(path))
    except untrusted.UnreadableError as error:
        raise DataError(f"{path}: cannot be read as YAML: {error}") from None
    if not isinstance(data, dict):
        raise DataError(f"{path}: expected a mapping with compose, per_layer, hardware")
    return data


def _lists(where: str, section: str, found: Any) -> dict[str, tuple[Value, ...]]:
    if not isinstance(found, dict):
        raise DataError(f"{where}: {section} must be a mapping from names to lists of values")
    lists = {}
    for name, values in found.items():
        plain = isinstance(values, list) and values and all(isinstance(v, int | float | str) for v in values)
        if not plain:
            raise DataError(f"{where}: {section}.{name} must be a list of values, such as [4, 16, 64]")
        lists[str(name)] = tuple(values)
    return lists


def _known(machine: Mapping[str, Any], hardware: str) -> dict[str, Any]:
    """Of the built-in choices those that this machine's description has."""
    described = load_hardware(hardware)
    constants = described.constants
    return {name: values for name, values in machine.items() if name in constants}


def _check(space: Space, where: str, hardware: str) -> None:
    """Every value by itself, so that a mistake shows before the search."""
    for name, values in space.choices.items():
        for value in values:
            try:
                design = space.design({name: value}, Settings())
                load_hardware(hardware, dict(design.hardware))
            except (ComposeError, HardwareError, TypeError) as error:
                raise DataError(f"{where}: {name} = {value!r}: {error}") from None
