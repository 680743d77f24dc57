"""Reading hardware descriptions: by name or path, with dotted overrides such as ``rna.cycle_ns=1``."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from rapidnn import untrusted
from rapidnn.errors import HardwareError
from rapidnn.machine.records import Hardware

TECHNOLOGY = "cell.technology"
"""The override that brings a whole cell: applied first, so that others may change what it brings."""
SET_BY_USER = "set by the user"
_SUFFIX = ".yaml"


def hardware_names() -> tuple[str, ...]:
    """Names of the descriptions that come with the package, sorted."""
    folder = files("rapidnn") / "hardware"
    return tuple(sorted(p.name.removesuffix(_SUFFIX) for p in folder.iterdir() if p.name.endswith(_SUFFIX)))


def load_hardware(name_or_path: str | Path, overrides: Mapping[str, str | float] | None = None) -> Hardware:
    """Read a hardware description and apply overrides.

    Parameters
    ----------
    name_or_path
        One of :func:`hardware_names`, or the path of a YAML description.
    overrides
        Dotted field -> value, in the field's own unit; text is read as an integer, number, flag or word. The field
        keeps its unit and says ``set by the user`` as its source. ``cell.technology`` is one of :func:`cell_names`;
        the cell brings its gates, area, endurance, energies and times.

    Raises
    ------
    HardwareError
        For an unknown name, an unreadable or malformed description, an unknown field (with the nearest one), a bad
        value, or a programme the cell cannot run.
    """
    data = _read(name_or_path)
    changes = dict(overrides or {})
    if TECHNOLOGY in changes:
        _take_cell(data, str(changes.pop(TECHNOLOGY)).strip())
    for key, value in changes.items():
        _override(data, key, value)
    try:
        return Hardware.model_validate(data)
    except ValidationError as error:
        fault = untrusted.one_line(_first(error, data))
        raise HardwareError(f"hardware {str(name_or_path)!r}: {fault}") from None


def cell_names() -> tuple[str, ...]:
    """Names of the cells that ``cell.technology`` takes, sorted."""
    folder = files("rapidnn") / "hardware" / "cells"
    return tuple(sorted(p.name.removesuffix(_SUFFIX) for p in folder.iterdir() if p.name.endswith(_SUFFIX)))


def _take_cell(data: dict[str, Any], name: str) -> None:
    """Put a cell's records over the description's: energies and times that belong together change together."""
    names = cell_names()
    if name not in names:
        hint = _nearest(name, names)
        raise HardwareError(f"cell.technology={name}: unknown{hint}; known: {', '.join(names)}")
    text = (files("rapidnn") / "hardware" / "cells" / f"{name}{_SUFFIX}").read_text("utf-8")
    for section, records in yaml.safe_load(text).items():
        for field, record in records.items():
            target = data.setdefault(section, {}).setdefault(field, {})
            if field == "technology":
                target.update(value=record["value"], source=SET_BY_USER, confidence="assumption")
            else:
                target.clear()
                target.update(record)


def _read(name_or_path: str | Path) -> dict[str, Any]:
    names = hardware_names()
    if str(name_or_path) in names:
        text = (files("rapidnn") / "hardware" / f"{name_or_path}{_SUFFIX}").read_text("utf-8")
    elif Path(name_or_path).is_file():
        try:
            text = untrusted.read_text(Path(name_or_path))
        except untrusted.UnreadableError as error:
            raise HardwareError(f"hardware file {str(name_or_path)!r} cannot be read: {error}") from None
    else:
        hint = _nearest(str(name_or_path), names)
        raise HardwareError(
            f"no hardware is named {str(name_or_path)!r}{hint}; known: {', '.join(names)}, or give a YAML file's path"
        )
    try:
        data = copy.deepcopy(_parsed(text))
    except untrusted.UnreadableError as error:
        raise HardwareError(f"hardware file {str(name_or_path)!r} is {error}") from None
    if not isinstance(data, dict):
        raise HardwareError(f"hardware file {str(name_or_path)!r} must hold a mapping of sections")
    return data


@lru_cache(maxsize=8)
def _parsed(text: str) -> Any:
    """A description's content; parsing takes longer than a whole estimate, and searches read one thousands of times."""
    return untrusted.parse_yaml(text)


def _override(data: dict[str, Any], key: str, value: str | float) -> None:
    keys = tuple(_fields(data))
    if key not in keys:
        inside = [k for k in keys if k.startswith(f"{key}.")]
        hint = f"; it is a section, its fields start with {inside[0]!r}" if inside else _nearest(key, keys)
        raise HardwareError(f"hardware field {key!r} does not exist{hint}")
    node = data
    for part in key.split("."):
        node = node[part]
    for stale in ("device", "at_ns", "range"):
        node.pop(stale, None)
    given = _scalar(value)
    if isinstance(node["value"], list) and isinstance(given, str):
        given = [word.strip() for word in given.split(",")]
    node.update(value=given, source=SET_BY_USER, confidence="assumption")


def _fields(data: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all records in a description."""
    if not isinstance(data, dict):
        return
    for key, item in data.items():
        if isinstance(item, dict) and "value" in item:
            yield f"{prefix}{key}"
        else:
            yield from _fields(item, f"{prefix}{key}.")


def _scalar(value: str | float) -> Any:
    """An integer where the value is one, so that counts may be given as 16, 16.0 or '16'."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip()
        if word.lower() in ("true", "false"):
            return word.lower() == "true"
        try:
            value = float(word)
        except ValueError:
            return word
    return int(value) if float(value).is_integer() else value


def _nearest(key: str, keys: tuple[str, ...]) -> str:
    """The closest known key as a hint, looked for as a whole and then by its last part."""
    close = difflib.get_close_matches(key, keys, n=1, cutoff=0.5)
    if not close:
        tails = {k.rsplit(".", 1)[-1]: k for k in keys}
        close = [tails[t] for t in difflib.get_close_matches(key.rsplit(".", 1)[-1], tuple(tails), n=1)]
    return f" (did you mean {close[0]!r}?)" if close else ""


def _first(error: ValidationError, data: Any) -> str:
    """The first fault of a validation as one line."""
    fault = error.errors()[0]
    where = [str(part) for part in fault["loc"]]
    node = data
    for part in where:  # pydantic adds inner locations that are not keys of the file
        node = node.get(part) if isinstance(node, dict) else None
    place = ".".join(where).removesuffix(".value") or "description"
    if fault["type"] == "extra_forbidden":
        return f"{place} is not a known key; remove it or correct its spelling"
    message = fault["msg"].removeprefix("Value error, ")
    shown = f", not {node!r}" if node is not None and not isinstance(node, dict) else ""
    return f"{place}: {message[0].lower() + message[1:] if place != 'description' else message}{shown}"
