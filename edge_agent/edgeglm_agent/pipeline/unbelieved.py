"""Who was refused for a time that is ahead of ours: when our clock is set, they can tell as well whether that is right.

It is in memory and no part of the state of the fold: no window depends on it.
"""

from typing import Final

MAX_WITNESSES: Final = 4096
"""Of a graph; beyond it the one that was refused longest ago is forgotten."""


class Unbelieved:
    """Series, with how far the last reading of each that was refused was ahead, and when it came."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}

    def note(self, series: str, event_ns: int, arrived_ns: int) -> None:
        """Note a reading that is refused."""
        self._last.pop(series, None)
        if len(self._last) >= MAX_WITNESSES:
            del self._last[next(iter(self._last))]
        self._last[series] = event_ns - arrived_ns, arrived_ns

    def forget(self) -> None:
        """Forget all: the clock that they were held against is set, and may say that they come in a year."""
        self._last.clear()

    def leads_ns(self, since_ns: int) -> list[int]:
        """Return how far those were ahead that were refused since a moment."""
        return [lead_ns for lead_ns, arrived_ns in self._last.values() if arrived_ns >= since_ns]
