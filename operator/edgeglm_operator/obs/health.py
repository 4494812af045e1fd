"""The probes and the metrics, over HTTP.

/livez    the event loop turns and no worker has been on one key for too long; failing, the kubelet starts us again
/readyz   the first lists are in: what is told from now on rests on everything there is. A replica that does not lead is
          ready too
/metrics  for Prometheus
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web

BEAT_SECONDS: Final = 1.0
STALLED_SECONDS: Final = 30.0
"""A loop that has not turned for so long is not coming back."""


class Heartbeat:
    """Notes that the event loop turns, and by how much it was late."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self.lag_seconds = 0.0

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            before = self._clock()
            await asyncio.sleep(BEAT_SECONDS)
            self._last = self._clock()
            self.lag_seconds = max(0.0, self._last - before - BEAT_SECONDS)

    @property
    def age_seconds(self) -> float:
        """Time since the last beat."""
        return self._clock() - self._last


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold."""

    name: str
    holds: Callable[[], bool]


class Rendered(Protocol):
    """Metrics."""

    def render(self) -> bytes:
        """The text format of Prometheus."""
        ...


class HealthServer:
    """A small HTTP server on its own port."""

    def __init__(self, metrics: Rendered, *, alive: Sequence[Check], ready: Sequence[Check]) -> None:
        self._metrics = metrics
        self._alive = alive
        self._ready = ready
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chooses when 0 is asked for."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._render)
        # An idle kept-alive connection must not hold up the end of the process.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2, keepalive_timeout=5)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _livez(self, _: web.Request) -> web.Response:
        return _answer(self._alive)

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._ready)

    async def _render(self, _: web.Request) -> web.Response:
        return web.Response(body=self._metrics.render(), headers={"Content-Type": "text/plain; version=0.0.4"})


def _answer(checks: Sequence[Check]) -> web.Response:
    lines = [(check.name, check.holds()) for check in checks]
    text = "".join(f"[{'+' if holds else '-'}] {name}\n" for name, holds in lines)
    return web.Response(text=text, status=200 if all(holds for _, holds in lines) else 503)
