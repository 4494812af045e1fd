"""One GET over TLS at a time, bounded in bytes and seconds.

Nothing is followed, nothing unpacked, and nothing taken from the environment.
"""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from edgeglm_agent.config.problem import BadSetup
from edgeglm_agent.config.source import SourceAway

TIMEOUT_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 10.0
_MAX_ETAG: Final = 256


class Fetched(msgspec.Struct, frozen=True):
    """An answer; the body of a 200 alone is read."""

    status: int
    body: bytes = b""
    """At most one byte more than was asked for."""
    etag: str = ""
    """Empty when there is none that can be sent back."""


class Https:
    """Asks servers that the given authorities vouch for, or the machine's own when none are given."""

    def __init__(self, ca: Path | None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        try:
            self._tls = ssl.create_default_context(cafile=ca)
        except (OSError, ssl.SSLError) as error:
            raise BadSetup(f"{ca}: {error.strerror or error}; authorities in PEM are needed") from error
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=_CONNECT_SECONDS)

    async def get(self, url: str, *, most_bytes: int, etag: str = "") -> Fetched:
        """Ask once; raises SourceAway when there is no whole answer in time, or one that points elsewhere."""
        headers = {"Accept-Encoding": "identity"} | ({"If-None-Match": etag} if etag else {})
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, auto_decompress=False, trust_env=False) as http,
                http.get(url, headers=headers, ssl=self._tls, allow_redirects=False) as response,
            ):
                try:
                    return await _fetched(url, response, most_bytes)
                finally:
                    _hang_up(response)
        except TimeoutError as error:
            raise SourceAway(f"{url}: no whole answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise SourceAway(f"{url}: {error}") from error


def check_url(url: str) -> str:
    """Return an address that can be asked; raises BadSetup."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise BadSetup(f"{url!r} is no address: {error}") from error
    if parts.scheme != "https" or not parts.hostname:
        raise BadSetup(f"{url!r} must be https://HOST[:PORT]/PATH")
    if parts.username is not None or parts.query or parts.fragment:
        raise BadSetup("an address on the command line has no user, query or fragment: others can read that")
    return url


async def _fetched(url: str, response: aiohttp.ClientResponse, most_bytes: int) -> Fetched:
    if response.status in {301, 302, 303, 307, 308}:
        to = response.headers.get("Location", "")[:200]
        raise SourceAway(f"{url}: answers {response.status} and points to {to!r}; redirects are not followed")
    if response.status != 200:
        return Fetched(response.status)
    body = await _at_most(most_bytes + 1, response.content)
    tag = response.headers.get("ETag", "")
    return Fetched(200, body, tag if len(tag) <= _MAX_ETAG else "")


async def _at_most(number: int, content: aiohttp.StreamReader) -> bytes:
    body = b""
    while len(body) < number and (more := await content.read(number - len(body))):
        body += more
    return body


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Let go of what was not read to its end: TLS's goodbye would wait for a server that may not have one."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
