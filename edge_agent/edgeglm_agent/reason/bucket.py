"""A token bucket: what may be had in a minute comes in evenly, and a tenth of it may be had at once. Pure.

What is taken beforehand is an estimate, so it may come to owe; then nothing is had until that is paid back. Times are
of one monotonic clock, in seconds, and come in from outside.
"""

from typing import Final

AT_ONCE: Final = 0.1
"""The share of a minute's worth that may be had at once: so that in any one minute it is no more than 1.1 of it."""
_ABOUT: Final = 1e-9
"""What a sum of floats may be off by."""


class Bucket:
    """State of one allowance."""

    def __init__(self, per_minute: int) -> None:
        self._a_second = per_minute / 60
        self._room = max(per_minute * AT_ONCE, 1.0)
        self._level = self._room
        self._filled_at: float | None = None

    def whole(self, now: float) -> int:
        """Return how many may be had now, one by one; none while it owes."""
        return max(int(self._filled(now) + _ABOUT), 0)

    def holds(self, amount: float, now: float) -> bool:
        """Tell whether so much may be had; of more than it ever holds, whether it is full."""
        return self._filled(now) + _ABOUT >= min(amount, self._room)

    def take(self, amount: float, now: float) -> None:
        """Take so much, or give it back when it is below zero."""
        self._level = min(self._filled(now) - amount, self._room)

    def _filled(self, now: float) -> float:
        passed = 0.0 if self._filled_at is None else max(now - self._filled_at, 0.0)
        self._filled_at = now if self._filled_at is None else max(now, self._filled_at)
        self._level = min(self._level + passed * self._a_second, self._room)
        return self._level
