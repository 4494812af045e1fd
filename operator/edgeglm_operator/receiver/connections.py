"""Ends connections that last longer than any report does, so that strangers cannot hold them all.

An agent makes one for each report and is done within half a minute. Whoever connects and says nothing has shown no
token yet, so the bounds of a report do not reach them.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import web

LOOK_SECONDS: Final = 10.0
LONGEST_SECONDS: Final = 60.0
MOST: Final = 4096
"""Beyond that the oldest go first."""


class Connections:
    """Knows since when each is there."""

    def __init__(self, server: web.Server, on_end: Callable[[], None], *, most: int = MOST) -> None:
        self._server = server
        self._on_end = on_end
        self._most = most
        self._since: dict[web.RequestHandler, float] = {}

    async def follow(self) -> None:
        """Look, again and again, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look(clock())

    def look(self, now: float) -> None:
        """End what has been there for too long, or is too much."""
        self._since = {each: self._since.get(each, now) for each in self._server.connections}
        oldest_first = sorted(self._since, key=self._since.__getitem__)
        too_many = max(0, len(oldest_first) - self._most)
        for place, each in enumerate(oldest_first):
            if place < too_many or now - self._since[each] >= LONGEST_SECONDS:
                each.force_close()
                self._on_end()
