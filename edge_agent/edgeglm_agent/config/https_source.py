"""A packed bundle on an HTTPS server, asked for again and again; unchanged, it costs a few hundred bytes."""

import random
from typing import Final

from edgeglm_agent.config.https import Https
from edgeglm_agent.config.problem import BundleRejected, Problem, Verdict
from edgeglm_agent.config.source import SourceAway
from edgeglm_agent.config.verify import Received
from edgeglm_api.packed import MAX_PACKED_BYTES, unpack

JITTER: Final = 0.2
"""So that a fleet that was switched on at once does not ask at once for ever."""


class HttpsSource:
    """Remembers what it was given last, and its ETag."""

    mounted: Final = False

    def __init__(self, url: str, https: Https, *, poll_seconds: float) -> None:
        self.address: Final = url
        self._https = https
        self._poll_seconds = poll_seconds
        self._last: Received | None = None
        self._etag = ""

    def pause_seconds(self) -> float:
        """Return how long to wait, also after a failure: never less than when all is well."""
        return jittered(self._poll_seconds)

    async def read(self) -> Received:
        """Ask the server."""
        fetched = await self._https.get(self.address, most_bytes=MAX_PACKED_BYTES, etag=self._etag)
        if fetched.status == 304 and self._last is not None:
            return self._last
        if fetched.status != 200:
            raise SourceAway(f"{self.address}: answers {fetched.status}")
        self._etag, self._last = "", None
        received = _received(fetched.body)
        self._etag, self._last = fetched.etag, received
        return received


def jittered(seconds: float) -> float:
    """Return about as many seconds."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, keeps no secret


def _received(body: bytes) -> Received:
    if len(body) > MAX_PACKED_BYTES:
        message = f"has more than {MAX_PACKED_BYTES} bytes, which is the most that is read"
        raise BundleRejected(Verdict.TOO_LARGE, [Problem("", message)])
    return Received(*unpack(body))
