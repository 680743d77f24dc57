"""A comparison as ``rapidnn compare --json`` printed it, for its page."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rapidnn import untrusted
from rapidnn.errors import DataError
from rapidnn.rivals.compare import BASES
from rapidnn.rivals.figures import OURS, ComparedMachine


@dataclass(frozen=True)
class RecordedComparison:
    """What a page needs of :class:`~rapidnn.rivals.compare.MachineComparison`, under the same names."""

    artifact: str
    hardware: str
    basis: str
    node_nm: float | None
    macs: int
    accuracy: float | None
    machines: tuple[ComparedMachine, ...]
    eight_bit: tuple[ComparedMachine, ...]


def read_document(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises
    ------
    DataError
        If it cannot be read, or is no object.
    """
    try:
        found = untrusted.parse_json(untrusted.read_text(path))
    except untrusted.UnreadableError as error:
        raise DataError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: expected a JSON object, as --json prints it")
    return found


def read_comparison(path: Path) -> RecordedComparison:
    """A comparison from a file.

    Raises
    ------
    DataError
        If it cannot be read or is of another form.
    """
    from pydantic import TypeAdapter, ValidationError

    result = read_document(path).get("result")
    known = {field.name for field in fields(RecordedComparison)}
    record = {k: v for k, v in result.items() if k in known} if isinstance(result, dict) else result
    try:
        found = TypeAdapter(RecordedComparison).validate_python(record)
    except ValidationError as error:
        first = error.errors()[0]
        told = untrusted.one_line(f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        raise DataError(f"{path}: not what rapidnn compare --json prints ({told})") from None
    named = [machine.machine for machine in found.machines]
    if named.count(OURS) != 1 or found.basis not in BASES:
        raise DataError(
            f"{path}: not what rapidnn compare --json prints (its machines or its basis are not known)"
        )
    return found
