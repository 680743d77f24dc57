"""What a neuron does, cycle by cycle, as events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapidnn.machine.micro.crossbar import Watcher


@dataclass(frozen=True)
class Event:
    """One thing done. ``start`` is its first cycle, from 0; ``cycles`` 0 where it is part of the event before it.

    ``rows_read`` and ``rows_written`` are rows of the crossbar's working area, ``columns`` how many columns take part,
    ``switched`` how many cells changed.
    """

    start: int
    cycles: int
    phase: str
    operation: str
    text: str
    rows_read: tuple[int, ...] = ()
    rows_written: tuple[int, ...] = ()
    columns: int = 0
    switched: int = 0


class Recorder:
    """Counts cycles by phase; keeps events where they are wanted."""

    def __init__(self, keep: bool) -> None:
        self.keep = keep
        self.events: list[Event] = []
        self.phases: dict[str, int] = {}
        self.crossbar_cycles: Callable[[], int] = lambda: 0
        self._phase = "deliver"
        self._text = ""
        self._now = 0
        self._seen = 0

    def mark(self, phase: str, text: str, cycles: int) -> None:
        """Begin something: cycles of gates until the next mark belong to its phase."""
        self._catch_up()
        self._phase, self._text = phase, text
        if self.keep:
            self.events.append(Event(self._now, cycles, phase, phase, text))
        self._spend(cycles)

    def watcher(self) -> Watcher | None:
        """What the crossbar should call, if events are kept."""
        return self._watch if self.keep else None

    def close(self) -> None:
        """Count the gates since the last mark."""
        self._catch_up()

    def _spend(self, cycles: int) -> None:
        self.phases[self._phase] = self.phases.get(self._phase, 0) + cycles
        self._now += cycles

    def _catch_up(self) -> None:
        now = self.crossbar_cycles()
        self._spend(now - self._seen)
        self._seen = now

    def _watch(
        self, operation: str, read: tuple[int, ...], written: tuple[int, ...], columns: int, switched: int
    ) -> None:
        gate = operation not in ("read", "write")
        if gate:
            self._catch_up()  # counts this cycle too, so it began one before
        start = self._now - 1 if gate else self._now
        self.events.append(
            Event(
                start,
                int(gate),
                self._phase,
                operation,
                self._text,
                read,
                written,
                columns.bit_count(),
                switched,
            )
        )
