"""A small discrete-event kernel: processes are generators that wait for a time or for an event."""

from __future__ import annotations

import heapq
from collections.abc import Generator
from itertools import count


class Event:
    """Something that happens once; processes wait for it."""

    def __init__(self):
        self.happened = False
        self.waiting = []


Process = Generator  # yields a delay (a number) or an Event


class Simulation:
    """Runs processes in the order of time, and among equal times in the order they were scheduled."""

    def __init__(self):
        self.now = 0.0
        self._queue = []
        self._number = count()

    def start(self, process):
        """Begin a process now; its event happens when it ends."""
        done = Event()
        self._schedule(0.0, process, done)
        return done

    def fire(self, event):
        """Let an event happen."""
        event.happened = True
        for process, done in event.waiting:
            self._schedule(0.0, process, done)
        event.waiting.clear()

    def run(self):
        """Until nothing is left to do."""
        while self._queue:
            self.now, _, process, done = heapq.heappop(self._queue)
            try:
                wanted = next(process)
            except StopIteration:
                self.fire(done)
                continue
            if isinstance(wanted, Event) and not wanted.happened:
                wanted.waiting.append((process, done))
            else:
                self._schedule(0.0 if isinstance(wanted, Event) else wanted, process, done)

    def _schedule(self, delay, process, done):
        heapq.heappush(self._queue, (self.now + delay, next(self._number), process, done))
