"""How far it is, and when it will be whole."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta


class Progress:
    """Bytes that are there, of those that there are to be. `have` has the files that were begun before."""

    def __init__(self, total_bytes: int, have: Mapping[str, int], *, now: Callable[[], datetime]) -> None:
        self.total_bytes = total_bytes
        self._have = dict(have)
        self._bytes = self._began_with = sum(have.values())
        self._now = now
        self._began = now()

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 is all."""
        return 100 * self._bytes // self.total_bytes if self.total_bytes else 100

    @property
    def missing_bytes(self) -> int:
        """What is to come."""
        return max(0, self.total_bytes - self._bytes)

    @property
    def bytes_per_second(self) -> float:
        """Since this process began; 0 before anything came."""
        seconds = (self._now() - self._began).total_seconds()
        return max(0, self._bytes - self._began_with) / seconds if seconds > 0 else 0

    def reach(self, path: str, size: int) -> None:
        """A file is so large now."""
        self._bytes += size - self._have.get(path, 0)
        self._have[path] = size

    def whole_by(self) -> str:
        """RFC 3339, if it goes on like this; empty when nobody can tell."""
        if not self.bytes_per_second:
            return ""
        left = timedelta(seconds=round(self.missing_bytes / self.bytes_per_second))
        return (self._now() + left).strftime("%Y-%m-%dT%H:%M:%SZ")
