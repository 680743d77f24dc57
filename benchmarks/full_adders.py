"""The fewest NOR gates of a full adder, by exhaustive search: ``python benchmarks/full_adders.py``.

A circuit is a growing set of functions of (a, b, c), each a truth table of eight bits. All sets of up to n - 2 gates
are made (each once, whatever the order of its gates) and the last two gates are tried. Takes under a minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations

A, B, C = 0b10101010, 0b11001100, 0b11110000
SUM, CARRY = A ^ B ^ C, (A & B) | (B & C) | (A & C)
MOST_GATES = 12

Functions = frozenset[int]


def made(functions: Functions, fan_in: int) -> Functions:
    """What one more NOR of up to ``fan_in`` inputs can add."""
    ors = {a for size in range(1, fan_in + 1) for some in combinations(functions, size) for a in [_any(some)]}
    return frozenset(~a & 255 for a in ors) - functions


def _any(functions: tuple[int, ...]) -> int:
    found = 0
    for function in functions:
        found |= function
    return found


def finished(functions: Functions, fan_in: int) -> bool:
    """Whether two more gates give both sum and carry."""
    wanted = {SUM, CARRY} - functions
    if len(wanted) == 2:
        new = made(functions, fan_in)
        return any(
            first in new and other in made(functions | {first}, fan_in)
            for first, other in ((SUM, CARRY), (CARRY, SUM))
        )
    return any(wanted <= made(functions | {gate}, fan_in) for gate in made(functions, fan_in))


def searched(fan_in: int) -> Iterator[tuple[int, int, bool]]:
    """Gates, sets of two gates fewer, and whether that many gates are enough; ends at the first that are."""
    sets = {frozenset((A, B, C))}
    for gates in range(2, MOST_GATES):
        found = any(finished(functions, fan_in) for functions in sets)
        yield gates, len(sets), found
        if found:
            return
        sets = {functions | {gate} for functions in sets for gate in made(functions, fan_in)}


def main() -> None:
    """Print the rows as one JSON object."""
    rows = [
        {"fan_in": fan_in, "gates": gates, "sets_tried": tried, "full_adder": found}
        for fan_in in (2, 3)
        for gates, tried, found in searched(fan_in)
    ]
    print(json.dumps({"schema": "rapidnn/benchmarks-full-adders/1", "result": {"rows": rows}}, indent=1))


if __name__ == "__main__":
    main()
