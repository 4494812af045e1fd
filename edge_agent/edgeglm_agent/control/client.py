"""The command line's end of the control socket."""

import asyncio
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
import msgspec

from edgeglm_agent.control.socket import SOCKET

_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)
T = TypeVar("T")


class NoAgent(OSError):  # noqa: N818 - names what is the case
    """Nobody answers at the socket, or what answers has no site yet."""


def ask_agent(data: Path, path: str, question: object, answer: type[T]) -> T:
    """Put a question to the agent that works in a data directory; raises NoAgent."""
    try:
        status, body = asyncio.run(_post(data / SOCKET, path, msgspec.json.encode(question)))
    except (OSError, aiohttp.ClientError, TimeoutError) as error:
        raise NoAgent(f"no agent answers at {data / SOCKET}: {error}; does it run, and are you its user?") from error
    if status != 200:
        raise NoAgent(body.decode("utf-8", "replace").strip() or f"the agent says {status}")
    return msgspec.json.decode(body, type=answer)


async def _post(socket: Path, path: str, body: bytes) -> tuple[int, bytes]:
    connector = aiohttp.UnixConnector(str(socket))
    async with (
        aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as http,
        http.post(f"http://agent{path}", data=body) as response,
    ):
        return response.status, await response.read()
