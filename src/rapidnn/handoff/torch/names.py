"""Names that Python takes, one for each name of an artifact."""

from __future__ import annotations

import keyword
import re
import sys
from collections.abc import Iterable


def python_names(wanted: Iterable[str]) -> dict[str, str]:
    """An attribute name of a module for each name; names of its own methods and of Python's words are left free."""
    from rapidnn.handoff.torch.runtime.network import Composed

    taken = {*dir(Composed()), "self", "books", "torch", "nn"}
    found: dict[str, str] = {}
    for name in wanted:
        plain = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "step"
        plain = plain if not plain[0].isdigit() else f"step_{plain}"
        made, number = plain, 2
        while made in taken or keyword.iskeyword(made):
            made, number = f"{plain}_{number}", number + 1
        taken.add(made)
        found[name] = made
    return found


def module_name(name: str) -> str:
    """A file name that hides no module of Python's or torch."""
    hidden = name in sys.stdlib_module_names or name in ("torch", "numpy") or keyword.iskeyword(name)
    return f"{name}_network" if hidden else name
