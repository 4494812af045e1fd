"""The agent's end of the control socket: HTTP, on a file that only its owner may open."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from aiohttp import web

SOCKET: Final = "control.sock"
MAX_REQUEST_BYTES: Final = 256 * 1024
_OWNER_ONLY: Final = 0o177
T = TypeVar("T")


class ControlSocket:
    """Serves until closed."""

    def __init__(self, data: Path, routes: Iterable[web.RouteDef]) -> None:
        self._path = data / SOCKET
        self._routes = list(routes)
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen; the lock on the spool keeps a second agent from doing any harm."""
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.add_routes(self._routes)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        await asyncio.to_thread(self._make_room)
        before = os.umask(_OWNER_ONLY)
        try:
            await web.UnixSite(self._runner, self._path).start()
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _make_room(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)


async def question_of(request: web.Request, kind: type[T]) -> T:
    """Return what is asked, or let the asker know what is wrong with it."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error


def reply(value: object, status: int = 200) -> web.Response:
    """Return a value as JSON; no value is said by 503, since there is no site yet."""
    if value is None:
        return web.Response(text="the agent has no bundle yet\n", status=503)
    return web.Response(body=msgspec.json.encode(value), content_type="application/json", status=status)
