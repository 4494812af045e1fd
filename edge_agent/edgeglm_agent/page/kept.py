"""What is kept of an answer for a moment: however many look on, it is made once."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

KEPT_SECONDS: Final = 1.0
MAX_KEPT: Final = 129
"""The site, its partitions, and their graphs."""


class Kept:
    """Owner of the bodies. One is made at a time: who looks on must not keep the agent from its work."""

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._bodies: dict[str, tuple[float, bytes]] = {}
        self._making = asyncio.Lock()

    async def body(self, name: str, make: Callable[[], Awaitable[bytes | None]]) -> bytes | None:
        """Return the body of that name, made now unless it was made a moment ago; None, which is not kept, for none."""
        async with self._making:
            made_at, body = self._bodies.get(name, (-KEPT_SECONDS, b""))
            if self._time() - made_at < KEPT_SECONDS:
                return body
            self._bodies.pop(name, None)
            if (new := await make()) is not None:
                if len(self._bodies) >= MAX_KEPT:
                    del self._bodies[next(iter(self._bodies))]
                self._bodies[name] = self._time(), new
            return new
