"""The audit: every bit that is read, moved or written for one input, by structure, per multiply-accumulate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapidnn.machine.ledger import ABSENT, COMPONENTS, ZEROS, Charge, Ledger


@dataclass(frozen=True)
class AuditRow:
    """One structure of the machine (SPEC section 3, "accounting closes").

    ``*_bits`` and ``energy_pj`` are those of one input; ``*_per_mac`` divide them by the network's
    multiply-accumulates (by 1 where it has none), in bits and femtojoules. ``reason`` says why a row is zero, or why
    its bits cost nothing; it is empty otherwise.
    """

    structure: str
    read_bits: float
    moved_bits: float
    written_bits: float
    energy_pj: float
    read_bits_per_mac: float
    moved_bits_per_mac: float
    written_bits_per_mac: float
    energy_fj_per_mac: float
    share: float
    reason: str


def audit_rows(total: Ledger, macs: int) -> tuple[AuditRow, ...]:
    """One row a component of the ledger, in order, then one for each thing that is charged nothing."""
    energy = total.energy_pj
    rows = [_row(name, total[name], macs, energy, _reason(name, total[name])) for name in COMPONENTS]
    rows += [_row(name, Charge(), macs, energy, reason) for name, reason in ZEROS.items()]
    return tuple(rows)


def summed(ledgers: Sequence[Ledger]) -> Ledger:
    """The sum of ledgers."""
    total = Ledger()
    for ledger in ledgers:
        total = total + ledger
    return total


def _reason(name: str, charge: Charge) -> str:
    if charge.energy_pj:
        return ""
    return "its energy is 0 in the hardware description" if charge.bits else ABSENT[name]


def _row(name: str, charge: Charge, macs: int, energy_pj: float, reason: str) -> AuditRow:
    per = max(1, macs)
    return AuditRow(
        structure=name,
        read_bits=charge.read_bits,
        moved_bits=charge.moved_bits,
        written_bits=charge.written_bits,
        energy_pj=charge.energy_pj,
        read_bits_per_mac=charge.read_bits / per,
        moved_bits_per_mac=charge.moved_bits / per,
        written_bits_per_mac=charge.written_bits / per,
        energy_fj_per_mac=1000 * charge.energy_pj / per,
        share=charge.energy_pj / energy_pj if energy_pj else 0.0,
        reason=reason,
    )
