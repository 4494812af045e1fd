"""How many ConfigMaps with topologies are read of each namespace.

Whoever may label ConfigMaps could fill the operator's memory by them. So a namespace has its own bounds, and whoever
exceeds them takes nothing from others.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

MAX_MAPS: Final = 64
MAX_NAMESPACE_BYTES: Final = 4 * 1024 * 1024
"""Of data in all of them: thirty of the largest bundles."""


class TopologyRoom:
    """What one list may bring. In the order of the API server, that is of names, so a restart reads the same."""

    def __init__(self) -> None:
        self._maps: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self.crowded: set[str] = set()
        """Namespaces of which some are not read: those from the first on that found no room."""
        self.not_read = 0

    def takes(self, raw: Mapping[str, Any]) -> bool:
        """Whether there is room for one more."""
        namespace: str = raw["metadata"]["namespace"]
        self._maps[namespace] += 1
        self._bytes[namespace] += _bytes_of(raw)
        if self._maps[namespace] > MAX_MAPS or self._bytes[namespace] > MAX_NAMESPACE_BYTES:
            self.crowded.add(namespace)
            self.not_read += 1
        return namespace not in self.crowded


def _bytes_of(raw: Mapping[str, Any]) -> int:
    return sum(len(str(text).encode()) for text in (raw.get("data") or {}).values())
