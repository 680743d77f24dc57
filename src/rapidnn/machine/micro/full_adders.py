"""Full adders of NOR gates: the cells that carry-save steps and ripple additions are built of.

Each is a list of gates over the inputs a, b and c, whose outputs are ``sum`` = a xor b xor c and ``carry`` = their
majority. No gate after ``carry`` and ``sum`` reads them, and neither reads a, b or c, so both may take their place.
"""

from __future__ import annotations

from dataclasses import dataclass

Gate = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class FullAdder:
    """``gates`` in order: each the name of its output and of its inputs."""

    name: str
    source: str
    gates: tuple[Gate, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Intermediate results, in order."""
        return tuple(out for out, _ in self.gates if out not in ("sum", "carry"))


MAGIC_12 = FullAdder(
    "magic-12",
    "two exclusive ors of five NOR each, the carry in two more; 12 NOR as in the APIM / RAPIDNN lineage (recalled)",
    (
        ("nab", ("a", "b")),  # neither
        ("b_only", ("a", "nab")),
        ("a_only", ("b", "nab")),
        ("same", ("a_only", "b_only")),
        ("differ", ("same",)),
        ("lost", ("same", "c")),  # exactly one of a and b, and no c
        ("ndc", ("differ", "c")),
        ("c_only", ("differ", "ndc")),
        ("d_only", ("c", "ndc")),
        ("even", ("c_only", "d_only")),
        ("carry", ("nab", "lost")),
        ("sum", ("even",)),
    ),
)
"""12 NOR of at most two inputs."""

NOR_9 = FullAdder(
    "nor-9",
    "MAGIC_12 without its two inversions (the exclusive nor of an exclusive nor is the sum) and with one NOR shared; "
    "no full adder of two-input NOR has fewer gates (exhaustive search, benchmarks/full_adders.py); AritPIM's has 9",
    (
        ("nab", ("a", "b")),
        ("b_only", ("a", "nab")),
        ("a_only", ("b", "nab")),
        ("same", ("a_only", "b_only")),
        ("lost", ("same", "c")),
        ("both", ("same", "lost")),
        ("neither", ("c", "lost")),
        ("carry", ("nab", "lost")),
        ("sum", ("both", "neither")),
    ),
)
"""9 NOR of at most two inputs."""

NOR3_8 = FullAdder(
    "nor3-8",
    "exhaustive search (benchmarks/full_adders.py): no full adder of NOR with up to three inputs has fewer gates",
    (
        ("nab", ("a", "b")),
        ("a_alone", ("b", "c", "nab")),
        ("b_alone", ("a", "c", "nab")),
        ("even0", ("c", "a_alone", "b_alone")),  # no c, and both or neither of a and b
        ("ac", ("b", "nab", "a_alone")),
        ("bc", ("a", "nab", "b_alone")),
        ("carry", ("nab", "a_alone", "b_alone")),
        ("sum", ("even0", "ac", "bc")),
    ),
)
"""8 NOR, seven of them with three inputs."""
