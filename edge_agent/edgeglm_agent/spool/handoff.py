"""Between the network thread and the writer: bounded by count and by bytes, because brokers overshoot.

Mosquitto before 2.0.13 does not keep to Receive Maximum (eclipse/mosquitto #2306), so the window of the protocol is
no bound.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Entry, Message, Redriven

MAX_ENTRIES: Final = 4000
MAX_BYTES: Final = 16 * 1024 * 1024


class Handed(msgspec.Struct, frozen=True):
    """Entries that came together, and what to do once they are on the disk."""

    entries: Sequence[Entry]
    committed: Callable[[], None] | None = None

    @property
    def bytes(self) -> int:
        """Their weight in memory, roughly."""
        return sum(map(_bytes, self.entries))


class Handoff:
    """A queue that makes the producer wait, for a while, and tells it when it waited in vain.

    What came together is taken together: then it can be acknowledged at once.
    """

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._queue: deque[tuple[Handed, int]] = deque()
        """Each with its weight."""
        self._entries = 0
        self._bytes = 0
        self._wanted = 1
        """How many entries the consumer waits for; to be woken for fewer would cost it more than they do."""
        self._closed = False
        self._changed = threading.Condition()

    def put(self, handed: Handed, *, wait_seconds: float) -> bool:
        """Hand over; False when there was no room in time, or never will be."""
        weight = handed.bytes
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._room(), wait_seconds) or self._closed:
                return False
            self._queue.append((handed, weight))
            self._entries += len(handed.entries)
            self._bytes += weight
            if self._enough():
                self._changed.notify_all()
            return True

    def take(self, *, most: int, linger_seconds: float, wait_seconds: float) -> list[Handed]:
        """Return what is there, waiting for the first and lingering for more; empty when none came in time.

        No more entries than `most`, but that what came together comes together.
        """
        with self._changed:
            self._wait_for(1, wait_seconds)
            if self._queue:
                self._wait_for(most, linger_seconds)
            taken = self._taken(most)
            if taken:
                self._changed.notify_all()
            return taken

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until there is room again."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._room(), seconds)

    def close(self) -> None:
        """Take nothing more; what is in it can still be taken out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Whether nothing is in it, and nothing will be."""
        with self._changed:
            return self._closed and not self._queue

    @property
    def depth(self) -> int:
        """How many entries wait for their commit."""
        with self._changed:
            return self._entries

    def _room(self) -> bool:
        return self._entries < self._max_entries and self._bytes < self._max_bytes

    def _enough(self) -> bool:
        """Tell whether the consumer need not wait: all that it wants is there, or no more can come."""
        return self._entries >= self._wanted or not self._room()

    def _wait_for(self, entries: int, seconds: float) -> None:
        self._wanted = entries
        self._changed.wait_for(lambda: self._closed or self._enough(), seconds)

    def _taken(self, most: int) -> list[Handed]:
        taken: list[Handed] = []
        entries = 0
        while self._queue and (not taken or entries + len(self._queue[0][0].entries) <= most):
            handed, weight = self._queue.popleft()
            taken.append(handed)
            entries += len(handed.entries)
            self._bytes -= weight
        self._entries -= entries
        return taken


def _bytes(entry: Entry) -> int:
    message = entry.message if type(entry) is Redriven else entry
    return len(message.payload) + len(message.topic) + 200 if type(message) is Message else 200
