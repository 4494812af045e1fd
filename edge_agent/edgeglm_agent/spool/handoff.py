"""Between the network thread and the writer: bounded by count and by bytes, because brokers overshoot.

Mosquitto before 2.0.13 does not keep to Receive Maximum (eclipse/mosquitto #2306), so the window of the protocol is
no bound.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from edgeglm_agent.spool.entry import Entry, Message, Redriven

MAX_ENTRIES: Final = 4000
MAX_BYTES: Final = 16 * 1024 * 1024


class Handed(msgspec.Struct, frozen=True):
    """An entry, and what to do once it is on the disk."""

    entry: Entry
    committed: Callable[[], None] | None = None

    @property
    def bytes(self) -> int:
        """Its weight in memory, roughly."""
        message = self.entry.message if isinstance(self.entry, Redriven) else self.entry
        return len(message.payload) + len(message.topic) + 200 if isinstance(message, Message) else 200


class Handoff:
    """A queue that makes the producer wait, for a while, and tells it when it waited in vain."""

    def __init__(self, *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._queue: deque[Handed] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def put(self, handed: Handed, *, wait_seconds: float) -> bool:
        """Hand over; False when there was no room in time, or never will be."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._room(), wait_seconds) or self._closed:
                return False
            self._queue.append(handed)
            self._bytes += handed.bytes
            self._changed.notify_all()
            return True

    def take(self, *, most: int, linger_seconds: float, wait_seconds: float) -> list[Handed]:
        """Return what is there, waiting for the first and lingering for more; empty when none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._queue, wait_seconds)
            if self._queue and len(self._queue) < most and not self._closed:
                self._changed.wait_for(lambda: self._closed or len(self._queue) >= most, linger_seconds)
            taken = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            self._bytes -= sum(handed.bytes for handed in taken)
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
            return len(self._queue)

    def _room(self) -> bool:
        return len(self._queue) < self._max_entries and self._bytes < self._max_bytes
