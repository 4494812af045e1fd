"""How fast it may go."""

from collections.abc import Callable
from typing import Final

_LARGEST_CHUNK_BYTES: Final = 1024 * 1024
_CHUNKS_A_SECOND: Final = 4


class Pace:
    """No more than so many bytes a second; None is as fast as it comes. What was not used is not saved up."""

    def __init__(self, limit: int | None, *, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._free_at = clock()

    @property
    def chunk_bytes(self) -> int:
        """How much to read at once, so that the flow is even."""
        return (
            _LARGEST_CHUNK_BYTES if self._limit is None else min(_LARGEST_CHUNK_BYTES, self._limit // _CHUNKS_A_SECOND)
        )

    def keep(self, count: int) -> None:
        """Wait until so many bytes were due."""
        if self._limit is None:
            return
        self._free_at = max(self._free_at, self._clock()) + count / self._limit
        self._sleep(max(0.0, self._free_at - self._clock()))
