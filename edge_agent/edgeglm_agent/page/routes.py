"""The routes of the page: its files, and the data that it draws. All of it can only be read.

/                               the page
/page/NAME                      its files
/page/v1/site                   the site: status, graphs with their partitions, findings
/page/v1/partitions/ID          one partition: its graph, drawn, and how its means have moved
/page/v1/partitions/ID/graph    that graph in JSON Graph Format
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from edgeglm_agent.health.status import ConfigStatus, Status
from edgeglm_agent.page.assets import PAGE, load_assets
from edgeglm_agent.page.desk import PageDesk
from edgeglm_agent.page.kept import Kept
from edgeglm_agent.page.site_view import site_view

HEADERS: Final = {
    # Nothing from elsewhere, nothing inline; and whatever a sensor calls itself is text, never markup.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
}
JSON: Final = "application/json"


class Sight(msgspec.Struct, frozen=True):
    """Where the data comes from."""

    config: Callable[[], ConfigStatus]
    status: Callable[[], Awaitable[Status | None]]
    desk: Callable[[], PageDesk | None]
    """None while there is no site."""


def page_routes(sight: Sight) -> list[web.RouteDef]:
    """Return the routes; called on the event loop."""
    assets = load_assets()
    kept = Kept(asyncio.get_running_loop().time)

    async def page(request: web.Request) -> web.Response:
        return _answer(request, assets[PAGE].body, assets[PAGE].type)

    async def file(request: web.Request) -> web.Response:
        asset = assets.get(request.match_info["name"])
        return _answer(request, asset.body, asset.type) if asset else _nothing("no such file\n")

    async def site(request: web.Request) -> web.Response:
        body = await kept.body("site", lambda: _site(sight))
        return _answer(request, body or b"", JSON)

    async def partition(request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        body = await kept.body(wanted, lambda: _partition(sight, wanted))
        return _answer(request, body, JSON) if body else _nothing("no window has closed in it\n")

    async def graph(request: web.Request) -> web.Response:
        wanted = request.match_info["id"]
        body = await kept.body(f"{wanted}/graph", lambda: _graph(sight, wanted))
        return _answer(request, body, JSON) if body else _nothing("no window has closed in it\n")

    return [
        web.get("/", page),
        web.get("/page/{name}", file),
        web.get("/page/v1/site", site),
        web.get("/page/v1/partitions/{id}", partition),
        web.get("/page/v1/partitions/{id}/graph", graph),
    ]


async def _site(sight: Sight) -> bytes:
    desk = sight.desk()
    looked = await desk.look() if desk else None
    view = site_view(sight.config(), await sight.status(), desk.graphs() if desk else (), looked)
    return msgspec.json.encode(view)


async def _partition(sight: Sight, wanted: str) -> bytes | None:
    desk = sight.desk()
    view = await desk.partition(wanted) if desk else None
    return msgspec.json.encode(view) if view else None


async def _graph(sight: Sight, wanted: str) -> bytes | None:
    desk = sight.desk()
    graph = await desk.graph(wanted) if desk else None
    return msgspec.json.encode(graph) if graph else None


def _answer(request: web.Request, body: bytes, kind: str) -> web.Response:
    """Return a body, or only that it is the one that the browser has."""
    mark = hashlib.sha256(body).hexdigest()[:32]
    if any(each.value in {mark, "*"} for each in request.if_none_match or ()):
        response = web.Response(status=304, headers=HEADERS)
    else:
        response = web.Response(body=body, content_type=kind, charset="utf-8", headers=HEADERS)
        # The way to a site may be thin, and names repeat.
        response.enable_compression()
    response.etag = mark
    return response


def _nothing(text: str) -> web.Response:
    return web.Response(status=404, text=text, headers=HEADERS)
