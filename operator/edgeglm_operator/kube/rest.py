"""The `KubeClient` that talks to a real API server.

Of the official client only the transport is used: its typed models are strict about what the server answers (a
Deployment without a selector raises), and its dynamic client keeps discovery in a file that goes stale.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio.client import ApiClient

from edgeglm_operator.kube.answer import decode_answer
from edgeglm_operator.kube.client import FIELD_MANAGER, PAGE_SIZE, Manifest
from edgeglm_operator.kube.connection import Connection
from edgeglm_operator.kube.errors import NotFound, Throttled, Unavailable, error_of
from edgeglm_operator.kube.kinds import Kind, kind_of

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml; charset=utf-8"
"""The server drops what follows the semicolon. By it the transport passes on a body that is encoded already, which is
faster than to have it encode the body, and fewer bytes for the server to read."""

REQUEST_TIMEOUT_SECONDS: Final = 15
"""A request is answered in milliseconds; the server itself gives up after 60 s."""
CONNECT_TIMEOUT_SECONDS: Final = 5
NEVER_A_VERSION: Final = "1"
"""As the version of what is applied: it makes what is not there, and is a conflict with all that is (measured for each
kind of child, Kubernetes 1.36). A store's first write is its second version, so that no object has it."""
UNCHECKED: Final = {"fieldValidation": "Ignore"}
"""Otherwise the server reads all that is written to it once more, to warn of what it drops, and nobody here reads its
warnings: 1 to 2 of the 6 ms of processor time that a Deployment took it (Kubernetes 1.36). What an apply says and the
schema does not know is refused all the same."""
THROTTLED_TRIES: Final = 3
LONGEST_PAUSE_SECONDS: Final = 30

Observer = Callable[[str, int, float], None]
"""Told of each request: its verb, the HTTP status (0 when there was none), the seconds it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    verb: str
    """As RBAC calls it."""
    method: str
    path: str
    resource: str
    query: Mapping[str, str]
    body: Manifest | None = None
    content_type: str = JSON

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


class RestClient:
    """Requests with a bound on time, typed errors, and a pause of all of them when the server asks for patience."""

    def __init__(self, connection: Connection, *, observe: Observer = lambda _verb, _status, _seconds: None) -> None:
        self._api = ApiClient(connection.configuration)
        self._api.user_agent = FIELD_MANAGER
        self._observe = observe
        self._pause_ends = 0.0

    async def __aenter__(self) -> Self:
        """Nothing is opened before the first request."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Read one object."""
        return await self._send("get", "GET", kind, namespace, name)

    async def list(self, kind: Kind, namespace: str = "", *, selector: str = "") -> AsyncIterator[Manifest]:
        """Read all, page by page."""
        query = {"limit": str(PAGE_SIZE)} | ({"labelSelector": selector} if selector else {})
        while True:
            page = await self._send("list", "GET", kind, namespace, query=query)
            for item in page.get("items") or ():
                # The items of a list do not repeat what the list says.
                yield {"apiVersion": kind.api_version, "kind": kind.name, **item}
            following = page.get("metadata", {}).get("continue")
            if not following:
                return
            query = {**query, "continue": following}

    async def serves(self, kind: Kind) -> bool:
        """Discovery of one version of one group: a right of everybody who is logged in (`system:discovery`)."""
        try:
            if kind.plural:
                found = await self._discover(kind.api_version)
                return any(each["name"] == kind.plural for each in found.get("resources") or ())
            # Of a group the API server itself tells, even while the adapter behind it is away.
            found = await self._discover(kind.group)
            return any(each["version"] == kind.version for each in found.get("versions") or ())
        except NotFound:
            return False

    async def apply(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Server-side apply."""
        return await self._apply(manifest, "", manager)

    async def apply_new(self, manifest: Manifest) -> Manifest:
        """Server-side apply with a version that no object has."""
        metadata = {**manifest["metadata"], "resourceVersion": NEVER_A_VERSION}
        return await self._apply({**manifest, "metadata": metadata}, "", FIELD_MANAGER)

    async def apply_status(self, manifest: Manifest, *, manager: str = FIELD_MANAGER) -> Manifest:
        """Server-side apply on the status subresource."""
        return await self._apply(manifest, "status", manager)

    async def get_status(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Read one object by its status, for which the right to that alone is enough."""
        return await self._send("get", "GET", kind, namespace, name, "status")

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """JSON merge patch."""
        query = {"fieldManager": FIELD_MANAGER, **UNCHECKED}
        return await self._send(
            "patch", "PATCH", kind, namespace, name, query=query, body=patch, content_type=MERGE_PATCH
        )

    async def create(self, manifest: Manifest) -> Manifest:
        """POST."""
        kind, namespace, _ = _identity(manifest)
        query = {"fieldManager": FIELD_MANAGER, **UNCHECKED}
        return await self._send("create", "POST", kind, namespace, query=query, body=manifest)

    async def update(self, manifest: Manifest) -> Manifest:
        """PUT."""
        kind, namespace, name = _identity(manifest)
        query = {"fieldManager": FIELD_MANAGER, **UNCHECKED}
        return await self._send("update", "PUT", kind, namespace, name, query=query, body=manifest)

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """DELETE with a precondition."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        await self._send("delete", "DELETE", kind, namespace, name, body=options)

    async def _apply(self, manifest: Manifest, subresource: str, manager: str) -> Manifest:
        kind, namespace, name = _identity(manifest)
        query = {"fieldManager": manager, "force": "true", **UNCHECKED}
        return await self._send(
            "patch", "PATCH", kind, namespace, name, subresource, query=query, body=manifest, content_type=APPLY_PATCH
        )

    async def _discover(self, of: str) -> Manifest:
        request = _Request(verb="get", method="GET", path=f"/apis/{of}", resource="", query={})
        return await self._patiently(lambda: self._once(request))

    async def _send(  # noqa: PLR0913 - the parts of a request, the optional ones by name
        self,
        verb: str,
        method: str,
        kind: Kind,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = JSON,
    ) -> Manifest:
        request = _Request(
            verb=verb,
            method=method,
            path=kind.path(namespace, name, subresource),
            resource="/".join(part for part in (kind.plural, subresource) if part),
            query=query or {},
            body=body,
            content_type=content_type,
        )
        return await self._patiently(lambda: self._once(request))

    async def _patiently(self, send: Callable[[], Awaitable[Manifest]]) -> Manifest:
        """Repeat what the server refused for lack of capacity (it was not carried out), holding back all others too."""
        for _ in range(THROTTLED_TRIES):
            await asyncio.sleep(max(0.0, self._pause_ends - time.monotonic()))
            try:
                return await send()
            except Throttled as error:
                pause = min(error.retry_after_seconds, LONGEST_PAUSE_SECONDS)
                self._pause_ends = max(self._pause_ends, time.monotonic() + pause)
        return await send()

    async def _once(self, request: _Request) -> Manifest:
        started, status = time.monotonic(), 0
        try:
            status, retry_after, raw = await self._transfer(request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{request.method} {request.path}: {str(error) or type(error).__name__}") from error
        finally:
            self._observe(request.verb, status, time.monotonic() - started)
        body = decode_answer(raw)
        if status == 429:
            raise Throttled(str(body.get("message")), retry_after)
        if status >= 400:
            raise error_of(status, body, verb=request.verb, resource=request.resource)
        return body

    async def _transfer(self, request: _Request) -> tuple[int, float, bytes]:
        headers = {"Content-Type": request.content_type, "Accept": JSON, **self._api.default_headers}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], request.path, request.method, request.body)
        response = await self._api.rest_client.request(  # type: ignore[no-untyped-call]
            request.method,
            self._api.configuration.host + request.target,
            headers=headers,
            body=_encoded(request),
            _request_timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS, sock_connect=CONNECT_TIMEOUT_SECONDS),
        )
        return response.status, _seconds(response.headers.get("Retry-After")), await response.read()


def _identity(manifest: Manifest) -> tuple[Kind, str, str]:
    metadata = manifest["metadata"]
    kind = kind_of(manifest["apiVersion"], manifest["kind"])
    return kind, metadata.get("namespace", ""), metadata["name"]


def _encoded(request: _Request) -> Manifest | bytes | None:
    """An apply as bytes; all else is encoded by the transport."""
    return msgspec.json.encode(request.body) if request.content_type == APPLY_PATCH else request.body


def _seconds(retry_after: str | None) -> float:
    """The API server sends whole seconds; a proxy in between may send a date, for which a second has to do."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
