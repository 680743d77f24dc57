"""Copies and 3:2 steps of one neuron, executed: addends into slots, moves between lanes, rounds of carry-save steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rapidnn.machine.micro.crossbar import Crossbar
from rapidnn.machine.micro.programmes import Programme

Mark = Callable[[str, str, int], None]
"""Told what begins: its phase, a line for the reader, and cycles that pass without a gate."""


@dataclass
class Rows:
    """Rows of a block's working area: which are free, and what the programmes' row names stand for."""

    bind: dict[str, int]
    first: int
    free: list[int] = field(default_factory=list)
    used: int = 0

    def take(self) -> int:
        """A row nothing live stands in, the lowest that there is."""
        if self.free:
            row = min(self.free)
            self.free.remove(row)
            return row
        self.used += 1
        return self.first + self.used - 1


@dataclass
class Reduction:
    """Addends in the lanes of a block.

    ``slots`` are the rows that lanes fill from the first on, ``held`` how many of them each lane does; ``strays`` are
    ``(lane, row)`` of addends elsewhere.
    """

    crossbar: Crossbar
    rows: Rows
    step: Programme
    mark: Mark
    slots: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    strays: list[tuple[int, int]] = field(default_factory=list)
    stages: int = 0
    rounds: int = 0
    steps: int = 0
    moves: int = 0
    copy_turns: int = 0

    def place(self, addends: Sequence[tuple[int, str]], at_once: int, cycles: int) -> None:
        """Copy addends ``(word, what it is)`` into slots: groups of three dealt to the lanes, the rest to lane 0.

        Two rows that an earlier pass left in lane 0 are the first of its first group. ``at_once`` copies, one to a
        lane, take ``cycles``.
        """
        lanes = self.crossbar.lanes
        self.held = self.held or [0] * lanes
        live = self.held[0]
        groups, over = divmod(len(addends) + live, 3)
        want = [3 * (groups // lanes + (lane < groups % lanes)) for lane in range(lanes)]
        want[0] += over
        waiting = [n - h for n, h in zip(want, self.held, strict=True)]
        self._need_slots(max(want))
        given = iter(addends)
        while any(waiting):
            # The lanes with most to come first: no other order needs fewer turns.
            turn = sorted((lane for lane in range(lanes) if waiting[lane]), key=lambda lane: -waiting[lane])
            turn = turn[: min(at_once, lanes)]
            for position, lane in enumerate(turn):
                word, label = next(given)
                self.mark("copy", f"{label} -> lane {lane}", 0 if position else cycles)
                self.crossbar.write(self.slots[self.held[lane]], lane, word)
                self.held[lane] += 1
                waiting[lane] -= 1
            self.copy_turns += 1

    def reduce(self, move_cycles: int) -> None:
        """Stages of 3:2 steps until at most two rows are left, in lane 0."""
        while (total := sum(self.held) + len(self.strays)) > 2:
            groups = total // 3
            lanes = self.crossbar.lanes
            formed = [groups // lanes + (lane < groups % lanes) for lane in range(lanes)]
            self.stages += 1
            self._move(formed, move_cycles)
            self._rounds(formed)

    def result(self) -> list[int]:
        """The rows of lane 0 that hold what is left."""
        assert not self.strays
        return self.slots[: self.held[0]]

    def _need_slots(self, count: int) -> None:
        while len(self.slots) < count:
            self.slots.append(self.rows.take())

    def _move(self, formed: list[int], cycles: int) -> None:
        """Give every lane the addends of its groups: strays first, then from the last lanes that have too many."""
        self._need_slots(3 * max(formed))
        givers = list(self.strays)
        for lane in reversed(range(len(formed))):
            extra = range(self.held[lane] - 1, 3 * formed[lane] - 1, -1)
            givers += [(lane, self.slots[slot]) for slot in extra]
        strays = len(self.strays)
        taken = 0
        for lane, groups in enumerate(formed):
            while self.held[lane] < 3 * groups:
                giver, row = givers[taken]
                self.mark("lane_moves", f"lane {giver} row {row} -> lane {lane}", cycles)
                self.crossbar.write(self.slots[self.held[lane]], lane, self.crossbar.read(row, giver))
                self.held[lane] += 1
                if taken >= strays:
                    self.held[giver] -= 1
                taken += 1
        self.moves += taken
        gone = {row for _, row in self.strays[:taken]} - {row for _, row in self.strays[taken:]}
        self.rows.free += sorted(gone)
        self.strays = self.strays[taken:]

    def _rounds(self, formed: list[int]) -> None:
        """The groups of a stage, one a lane at a time; their sums and carries become the next slots."""
        made: list[int] = []
        for turn in range(max(formed)):
            active = [lane for lane, groups in enumerate(formed) if groups > turn]
            inputs = self.slots[3 * turn : 3 * turn + 3]
            outputs = [self.rows.take(), self.rows.take()]
            bind = self.rows.bind | dict(zip(("a", "b", "c", "sum", "carry"), inputs + outputs, strict=True))
            where = "lane 0" if len(active) == 1 else f"lanes 0 to {active[-1]}"
            self.mark("reduce", f"stage {self.stages}, round {turn + 1}: 3:2 step in {where}", 0)
            self.crossbar.run(self.step, bind, self.crossbar.lanes_mask(active))
            made += outputs
            self.steps += len(active)
            self._release(inputs, formed)
        self.rounds += max(formed)
        self._next_slots(formed, made)

    def _release(self, rows: list[int], formed: list[int]) -> None:
        """Free the rows of a round that nothing over stands in."""
        over = {row for _, row in self.strays}
        for lane, groups in enumerate(formed):
            over.update(self.slots[3 * groups : self.held[lane]])
        self.rows.free += [row for row in rows if row not in over]

    def _next_slots(self, formed: list[int], made: list[int]) -> None:
        """Addends over follow the sums and carries of the fullest lanes where all are theirs; else they are strays."""
        most = max(formed)
        over = [
            (lane, row)
            for lane, groups in enumerate(formed)
            for row in self.slots[3 * groups : self.held[lane]]
        ]
        stay = not self.strays and all(formed[lane] == most for lane, _ in over)
        kept = [row for row in self.slots[3 * most :] if stay and any(row == other for _, other in over)]
        self.strays += [] if stay else over
        standing = {*kept, *(row for _, row in self.strays)}
        self.rows.free += [row for row in self.slots[3 * most :] if row not in standing]
        self.slots = made + kept
        self.held = [2 * groups for groups in formed]
        for lane, _ in over if stay else []:
            self.held[lane] += 1
