"""One report over TLS at a time, bounded in bytes and seconds; nothing is followed, nothing taken from the environment.

Token and authorities are read anew each time: they may come, and change, while the agent runs.
"""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import aiohttp

TIMEOUT_SECONDS: Final = 30.0
_CONNECT_SECONDS: Final = 10.0
_MOST_SAID: Final = 512
_MOST_TOKEN_BYTES: Final = 4096
_MOST_PAUSE_SECONDS: Final = 3600
_DELIVERED: Final = 204


class NotDelivered(Exception):  # noqa: N818 - names what is the case
    """A report was not taken; `reason` is a stable word, for metrics."""

    def __init__(self, reason: str, message: str, *, retry_after_seconds: float = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Sender:
    """Knows where reports go, and with what."""

    def __init__(self, url: str, token: Path, ca: Path | None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._url = url
        self._token = token
        self._ca = ca
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds, sock_connect=_CONNECT_SECONDS)

    async def send(self, report: bytes) -> None:
        """Send one; raises NotDelivered."""
        try:
            tls, token = await asyncio.to_thread(self._secrets)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise NotDelivered("NoToken", f"what to report with cannot be read: {error}") from error
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, trust_env=False) as http,
                http.post(self._url, data=report, headers=headers, ssl=tls, allow_redirects=False) as response,
            ):
                said = await response.content.read(_MOST_SAID)
        except TimeoutError as error:
            raise NotDelivered("TimedOut", f"no answer within {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotDelivered("Unreachable", str(error)) from error
        if response.status != _DELIVERED:
            raise _refused(response, said)

    def _secrets(self) -> tuple[ssl.SSLContext, str]:
        with self._token.open("rb") as file:
            token = file.read(_MOST_TOKEN_BYTES).decode("ascii").strip()
        return ssl.create_default_context(cafile=self._ca), token


def _refused(response: aiohttp.ClientResponse, said: bytes) -> NotDelivered:
    after = response.headers.get("Retry-After", "")
    pause = min(_MOST_PAUSE_SECONDS, int(after)) if after.isascii() and after.isdecimal() and len(after) < 9 else 0
    text = " ".join(said.decode("utf-8", "replace").split())
    return NotDelivered(f"Http{response.status}", f"answers {response.status}: {text}", retry_after_seconds=pause)
