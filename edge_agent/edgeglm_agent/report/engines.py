"""Asks the engines on this node how they are: the cloud cannot, where only KubeEdge reaches the node."""

import asyncio
from collections.abc import Sequence
from typing import Final

import aiohttp
import msgspec

from edgeglm_agent.reason.credentials import Access, access_to
from edgeglm_agent.reason.errors import NoSecret
from edgeglm_agent.report.engine_figures import as_fields
from edgeglm_api.bundle import Endpoint
from edgeglm_api.report import MAX_ENGINES, MAX_NOTE, Engine

TIMEOUT_SECONDS: Final = 5.0
_MOST_BYTES: Final = 1024 * 1024
_OK: Final = 200


async def look_at(endpoints: Sequence[Endpoint]) -> tuple[Engine, ...]:
    """How each engine is; those elsewhere have somebody else to look after them."""
    here = [endpoint for endpoint in endpoints if endpoint.place == "Edge"][:MAX_ENGINES]
    if not here:
        return ()
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http:
        return tuple(await asyncio.gather(*(_look(http, endpoint) for endpoint in here)))


async def _look(http: aiohttp.ClientSession, endpoint: Endpoint) -> Engine:
    api = endpoint.url.rstrip("/")
    root = api.removesuffix("/v1")
    engine = Engine(name=endpoint.name, model=endpoint.model[:MAX_NOTE])
    try:
        access = await access_to(endpoint)
    except NoSecret:
        return engine
    no_key = access._replace(headers={})
    listed, told = await asyncio.gather(_get(http, f"{api}/models", access), _get(http, f"{root}/metrics", no_key))
    return msgspec.structs.replace(engine, **as_fields(listed, told, endpoint.model))


async def _get(http: aiohttp.ClientSession, url: str, access: Access) -> bytes | None:
    """The body of a 200, up to a bound; None when there is none. Where an engine points on to, nobody follows."""
    try:
        async with http.get(url, headers=access.headers, ssl=access.tls, allow_redirects=False) as response:
            if response.status != _OK:
                return None
            body = b""
            while len(body) < _MOST_BYTES and (more := await response.content.read(_MOST_BYTES - len(body))):
                body += more
            return body
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
