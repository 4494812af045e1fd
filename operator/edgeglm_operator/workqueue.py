"""Which keys want a reconcile, and when.

The semantics are those of client-go's work queue. Events only say that something about a key changed, so a key waits at
most once however often it is added. No two workers ever have the same key: what is added meanwhile waits until the
worker is done with it. A failed key comes back later and later; a success forgets its failures.

Time and chance come from outside, so that tests need neither.
"""

import asyncio
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 300.0
JITTER: Final = 0.2
"""A retry comes up to this part later, so that what failed together does not return together."""
RETRIES_PER_SECOND: Final = 10.0
RETRY_BURST: Final = 100


class Key(NamedTuple):
    """What one reconcile is about."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(slots=True)
class _Entry:
    due: float
    added: float


class WorkQueue:
    """Keys that wait, keys at work, and the failures of each.

    It is bounded by `limit` distinct keys. Beyond it new keys are dropped and counted: the next resync adds them again.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        jitter: Callable[[], float] = random.random,
        limit: int = 100_000,
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._limit = limit
        self._waiting: dict[Key, _Entry] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._order = itertools.count()
        self._working: set[Key] = set()
        self._dirty: dict[Key, _Entry] = {}
        self._failures: dict[Key, int] = {}
        self._bucket = _Bucket(RETRIES_PER_SECOND, RETRY_BURST, clock())
        self._changed = asyncio.Event()
        self.dropped = 0

    def __len__(self) -> int:
        """Keys that wait, due or not."""
        return len(self._waiting) + len(self._dirty)

    @property
    def working(self) -> int:
        """Keys at work."""
        return len(self._working)

    @property
    def due(self) -> int:
        """Keys that wait for nothing but a worker."""
        now = self._clock()
        return sum(entry.due <= now for entry in self._waiting.values())

    def add(self, key: Key, *, after: float = 0) -> None:
        """Ask for a reconcile, at the earliest of the times asked for."""
        now = self._clock()
        entry = _Entry(now + after, now)
        if key in self._working:
            _keep_earliest(self._dirty, key, entry)
        elif key not in self._waiting and len(self) >= self._limit:
            self.dropped += 1
        elif _keep_earliest(self._waiting, key, entry):
            heapq.heappush(self._heap, (entry.due, next(self._order), key))
            self._changed.set()

    def retry(self, key: Key, *, at_least: float = 0) -> float:
        """Ask again after a failure; returns the delay."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is bounded: 2.0**1024 overflows, and nobody counts that far.
        backoff = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures, 32), LAST_RETRY_SECONDS)
        delay = max(backoff, at_least, self._bucket.take(self._clock())) * (1 + JITTER * self._jitter())
        self.add(key, after=delay)
        return delay

    def forget(self, key: Key) -> None:
        """The key succeeded: its next failure is a first one."""
        self._failures.pop(key, None)

    def failures(self, key: Key) -> int:
        """Failures in a row."""
        return self._failures.get(key, 0)

    async def get(self) -> tuple[Key, float]:
        """Take the next due key, and how long it has been due. Give it back with `done`."""
        while True:
            key = self._pop_due()
            if key is not None:
                return key
            await self._until_next()

    def done(self, key: Key) -> None:
        """The worker has finished with it; what was added meanwhile may go."""
        self._working.discard(key)
        again = self._dirty.pop(key, None)
        if again is not None:
            self._waiting[key] = again
            heapq.heappush(self._heap, (again.due, next(self._order), key))
            self._changed.set()

    def _pop_due(self) -> tuple[Key, float] | None:
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            entry = self._waiting.get(key)
            # An entry that was brought forward has left its later place in the heap behind.
            if entry is not None and entry.due == due:
                del self._waiting[key]
                self._working.add(key)
                return key, now - due
        return None

    async def _until_next(self) -> None:
        """Wait until the first key is due or something is added. Other workers may wake too and find nothing."""
        self._changed.clear()
        pause = max(0.0, self._heap[0][0] - self._clock()) if self._heap else None
        try:
            async with asyncio.timeout(pause):
                await self._changed.wait()
        except TimeoutError:
            return


class _Bucket:
    """Retries of all keys together pass at a steady rate, after a burst."""

    def __init__(self, per_second: float, burst: int, now: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._level = float(burst)
        self._filled = now

    def take(self, now: float) -> float:
        """Take one; returns the seconds to wait for it."""
        self._level = min(self._burst, self._level + (now - self._filled) * self._per_second) - 1
        self._filled = now
        return max(0.0, -self._level / self._per_second)


def _keep_earliest(entries: dict[Key, _Entry], key: Key, entry: _Entry) -> bool:
    """Keep the earlier of the two; True when that is the new one."""
    known = entries.get(key)
    if known is not None and known.due <= entry.due:
        return False
    entries[key] = entry
    return True
