"""What happens to a finished sum: kept as it is, activated, or encoded; and where it goes."""

from __future__ import annotations

import numpy as np

from rapidnn.handoff.c.source import Source, c_type, narrowest
from rapidnn.handoff.staircase import staircase
from rapidnn.tables.program import Activate, Encode, PooledSum, Program

RANK = """\
/* How many of n ascending thresholds lie below v. */
static uint32_t rank(const int32_t *t, uint32_t n, int32_t v)
{
    const int32_t *const first = t;
    while (n != 0u) {
        const uint32_t half = n >> 1;
        if (v > t[half]) {
            t += half + 1u;
            n -= half + 1u;
        } else {
            n = half;
        }
    }
    return (uint32_t)(t - first);
}
"""
_CLIP = """\
static int32_t clip(int32_t v, int32_t cap)
{
    const int32_t positive = v > 0 ? v : 0;
    return positive < cap ? positive : cap;
}
"""


class Store:
    """C for one kind of result.

    Table sets may differ by channel: then :meth:`advance` belongs after each channel and :meth:`rewind` before the
    first. Or by place, as average pooling with several divisors has them: then :meth:`select` belongs before each.
    """

    def __init__(
        self,
        source: Source,
        program: Program,
        follower: Encode | Activate | None,
        label: str,
        out: str,
        edge: str,
    ) -> None:
        self._source = source
        self._label = label
        self._sets = 1
        self._start: list[tuple[str, str, int]] = []  # pointer, its first value, elements of one set
        self._places: str | None = None
        self._tables: list[str] = []
        self._value = "{acc}"
        kind = "uint8_t" if edge in program.group_of else "int32_t"
        self._out = f"{kind} *const out = {out};"
        if follower is not None:
            self._follow(follower)
            pooled = program.summing_source(follower.source)
            if self._sets > 1 and self._start and isinstance(pooled, PooledSum):
                self._by_place(pooled)

    @property
    def by_channel(self) -> bool:
        """Whether channels have table sets of their own."""
        return self._sets > 1 and self._places is None

    def declare(self) -> list[str]:
        """Lines that belong before all loops."""
        fixed = [f"const {kind} = {table};" for kind, table, _ in self._start]
        return [self._out, *fixed, *self._tables]

    def rewind(self) -> list[str]:
        """Before the first channel of a place."""
        return [f"{_pointer(kind)} = {table};" for kind, table, _ in self._start] if self.by_channel else []

    def advance(self) -> list[str]:
        """After each channel of a place."""
        return [f"{_pointer(kind)} += {size};" for kind, _, size in self._start] if self.by_channel else []

    def select(self, place: str) -> list[str]:
        """Before the sum of a place, whose number is the variable ``place``."""
        if self._places is None:
            return []
        return [
            f"{_pointer(kind)} = {table} + {table}_at[{self._places}[{place}]];"
            for kind, table, _ in self._start
        ]

    def put(self, acc: str) -> list[str]:
        """Store what becomes of the sum ``acc``, a name or an element, at ``to``."""
        ignored = [] if "{acc}" in self._value else [f"(void){acc};"]
        return [*ignored, f"out[to] = {self._value.format(acc=acc)};"]

    def _follow(self, follower: Encode | Activate) -> None:
        stairs = staircase(follower)
        if stairs is None:
            self._compare(follower)
            return
        self._sets, count = stairs.sets, stairs.thresholds.shape[1]
        passed = "0"
        if count:
            self._source.share("rank", RANK)
            self._pointer("t", "int32_t", f"{self._label}_steps", stairs.thresholds)
            passed = f"rank(t, {count}u, {{acc}})"
        if stairs.counts_only and isinstance(follower, Encode):
            self._value = f"(uint8_t){passed}"
            return
        values = stairs.values.astype(np.uint8) if isinstance(follower, Encode) else narrowest(stairs.values)
        self._pointer("v", c_type(values), f"{self._label}_values", values)
        self._value = f"v[{passed}]"

    def _compare(self, follower: Encode | Activate) -> None:
        table = follower.activation
        if table.cap is not None:
            self._sets = len(table.cap)
            self._source.share("clip", _CLIP)
            self._pointer("cap", "int32_t", f"{self._label}_cap", table.cap[:, np.newaxis])
            self._value = "clip({acc}, cap[0])"
        elif table.kind == "relu":
            self._value = "({acc} > 0 ? {acc} : 0)"

    def _pointer(self, name: str, kind: str, label: str, table: np.ndarray) -> None:
        self._start.append((f"{kind} *{name}", self._source.table(label, table), table.shape[1]))

    def _by_place(self, pooled: PooledSum) -> None:
        self._places = self._source.table(f"{self._label}_set", pooled.divisor_index)
        for kind, table, size in self._start:
            offsets = self._source.table(
                f"{self._label}_{_pointer(kind)}_at", _unsigned(np.arange(self._sets) * size)
            )
            self._tables.append(
                f"const {c_type(_unsigned(np.arange(self._sets) * size))} *const {table}_at = {offsets};"
            )


def _unsigned(array: np.ndarray) -> np.ndarray:
    return array.astype(np.uint16 if array.max(initial=0) < 1 << 16 else np.uint32)


def _pointer(kind: str) -> str:
    return kind.rpartition("*")[2]
