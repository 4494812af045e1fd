"""Who was refused for a time that is ahead of ours: when our clock is set, they can tell as well whether that is right.

It is in memory and no part of the state of the fold: no window depends on it.
"""

from collections.abc import Mapping
from typing import Final

MAX_WITNESSES: Final = 4096
"""Of a graph, each source its share; beyond it the one of the source that was refused longest ago is forgotten."""


class Unbelieved:
    """Source to entity, with how far the last reading of it that was refused was ahead, and when it came."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, tuple[int, int]]] = {}

    def note(self, source: str, entity: str, event_ns: int, arrived_ns: int, *, most: int) -> None:
        """Note a reading that is refused; of its source so many entities are remembered at most."""
        last = self._last.setdefault(source, {})
        last.pop(entity, None)
        if len(last) >= most:
            del last[next(iter(last))]
        last[entity] = event_ns - arrived_ns, arrived_ns

    def forget(self) -> None:
        """Forget all: the clock that they were held against is set, and may say that they come in a year."""
        self._last.clear()

    def leads_ns(self, since_ns: int) -> Mapping[str, Mapping[str, int]]:
        """Return source to entity to how far it was ahead, of those that were refused since a moment."""
        return {
            source: {entity: lead_ns for entity, (lead_ns, arrived_ns) in last.items() if arrived_ns >= since_ns}
            for source, last in self._last.items()
        }
