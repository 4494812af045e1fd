"""Probes, status, metrics and the page, over HTTP; on loopback unless told otherwise: strangers need not know."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
from aiohttp import web

from edgeglm_agent.health.host import refuse_other_names
from edgeglm_agent.health.metrics import exposition
from edgeglm_agent.health.status import ConfigStatus, Status, to_json

DEFAULT_LISTEN: Final = "127.0.0.1:9464"
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Probes(msgspec.Struct, frozen=True):
    """Where the answers come from."""

    alive: Callable[[], bool]
    ready: Callable[[], bool]
    status: Callable[[], Awaitable[Status | None]]
    """None while there is no site yet."""
    config: Callable[[], ConfigStatus]


class Server:
    """Serves until closed."""

    def __init__(self, probes: Probes, routes: Iterable[web.RouteDef] = ()) -> None:
        self._probes = probes
        self._routes = list(routes)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one."""
        app = web.Application(middlewares=[refuse_other_names])
        app.add_routes(
            [
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/status", self._status),
                web.get("/metrics", self._metrics),
                *self._routes,
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        return _verdict(self._probes.alive(), "the fold has not moved for a minute; see the log")

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _verdict(self._probes.ready(), self._why_no_site())

    async def _status(self, _request: web.Request) -> web.Response:
        status = await self._probes.status()
        if status is None:
            return _verdict(False, self._why_no_site())
        return web.Response(body=to_json(status), content_type="application/json")

    async def _metrics(self, _request: web.Request) -> web.Response:
        status = await self._probes.status()
        body = exposition(self._probes.config(), status)
        return web.Response(body=body, headers={"Content-Type": METRICS_TYPE})

    def _why_no_site(self) -> str:
        config = self._probes.config()
        told = (config.bundle.reason, config.bundle.message, config.source.failure)
        return "; ".join(["no bundle is applied yet", *filter(None, told)])


def _verdict(well: bool, why_not: str) -> web.Response:  # noqa: FBT001 - the one thing that it is about
    return web.Response(text="ok\n" if well else f"{why_not}\n", status=200 if well else 503)
