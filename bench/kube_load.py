"""A client that asks an API server for all it gives: the limit that an operator on the same machine is held against."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import msgspec

from tests.cluster.api import APPLY, MERGE, Api

Manifest = dict[str, Any]

WIDTH: Final = 32
"""Requests at once; as many connections as the operator may have."""
REQUEST_SECONDS: Final = 60


class KubeLoad:
    """Bare requests by a token, many at once: no cache, no comparison, no patience."""

    def __init__(self, api: Api) -> None:
        context = ssl.create_default_context(cafile=str(api.ca))
        self._server = api.server
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=WIDTH + 1),
            timeout=aiohttp.ClientTimeout(total=REQUEST_SECONDS),
            headers={"Authorization": f"Bearer {api.token}"},
        )

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._session.close()

    async def apply_all(self, manifests: Mapping[str, Manifest]) -> None:
        """Server-side apply each manifest to its path."""
        await self._all("PATCH", manifests.items())

    async def merge_all(self, patches: Mapping[str, Manifest]) -> None:
        """JSON merge patch each path."""
        await self._all("PATCH", patches.items(), MERGE)

    async def delete_all(self, paths: Iterable[str]) -> None:
        """Delete each object."""
        await self._all("DELETE", [(path, None) for path in paths])

    async def merge(self, path: str, patch: Manifest) -> Manifest:
        """JSON merge patch of one object."""
        return await self._send("PATCH", path, patch, MERGE)

    async def items(self, path: str) -> list[Manifest]:
        """Read a whole collection at once, from the server's cache."""
        found: list[Manifest] = (await self._send("GET", f"{path}?resourceVersion=0", None, ""))["items"]
        return found

    async def watch(self, path: str, version: str) -> AsyncIterator[Manifest]:
        """Yield the changes of a collection from a version on, for a minute at most."""
        query = f"watch=1&resourceVersion={version}&timeoutSeconds={REQUEST_SECONDS}"
        async with self._session.get(f"{self._server}{path}?{query}") as response:
            async for line in response.content:
                yield msgspec.json.decode(line)

    async def read(self, path: str) -> Manifest:
        """Read one object."""
        return await self._send("GET", path, None, "")

    async def version(self, path: str) -> str:
        """Read the version of a collection as of now."""
        listed = await self._send("GET", f"{path}?limit=1", None, "")
        return str(listed["metadata"]["resourceVersion"])

    async def _all(
        self, method: str, requests: Iterable[tuple[str, Manifest | None]], content_type: str = APPLY
    ) -> None:
        waiting = iter(list(requests))

        async def work() -> None:
            for path, body in waiting:
                query = "?fieldManager=bench&force=true" if content_type == APPLY and body else ""
                await self._send(method, path + query, body, content_type)

        async with asyncio.TaskGroup() as group:
            for number in range(WIDTH):
                group.create_task(work(), name=f"load {number}")

    async def _send(self, method: str, path: str, body: Manifest | None, content_type: str) -> Manifest:
        data = msgspec.json.encode(body) if body is not None else None
        headers = {"Content-Type": content_type} if body is not None else {}
        async with self._session.request(method, self._server + path, data=data, headers=headers) as response:
            raw = await response.read()
            if response.status >= 400:
                raise RuntimeError(f"{method} {path}: {response.status} {raw[:300].decode(errors='replace')}")
            return dict(msgspec.json.decode(raw))
