"""Units of a description's records: the model reads a field in one unit, so a record stated in another is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable

_UNITS = {
    "ns": "ns",
    "pj": "pJ",
    "fj": "fJ",
    "mw": "mW",
    "um2": "um2",
    "mm2": "mm2",
    "f2": "F2",
    "nm": "nm",
    "gbyte": "GB/s",
    "gflop": "Gflop/s",
    "kib": "KiB",
}
_QUANTITY = re.compile(rf"(?:^|_)({'|'.join(_UNITS)})(?:_|$)")


def expected_unit(name: str) -> str | None:
    """The unit that a record's value must be in, told by its dotted name; None where the name has none.

    ``crossbar.read_pj_32b`` is in pJ (per 32-bit word), whatever its unit goes on to say.
    """
    section, field = name.split(".", maxsplit=1)[0], name.rsplit(".", maxsplit=1)[-1]
    if section == "claims":  # GOPS/s/mm2 and the like, compared as they stand
        return None
    if section == "power":
        return _UNITS["mw"]
    found = _QUANTITY.search(field)
    return _UNITS[found.group(1)] if found else None


def first_wrong_unit(units: Iterable[tuple[str, str]]) -> str | None:
    """A sentence on the first ``(name, unit)`` whose unit is not what its name says; None if all are."""
    for name, unit in units:
        wanted = expected_unit(name)
        if wanted is not None and unit.split()[:1] != [wanted]:
            return f"{name} is stated in {unit!r}, it is read in {wanted}: convert the value"
    return None
