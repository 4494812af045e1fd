"""HTTP: one request at a time, what is worth another try and what is not."""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import (
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    TimeoutError,  # noqa: A004 - its own, and no other here
)

from edgeglm_operator.download.errors import Broken, Unreachable
from edgeglm_operator.download.refusal import refusal

TIMEOUT: Final = urllib3.Timeout(connect=10, read=60)
"""Seconds; for reading, of silence in the middle of a body."""
# Never tries again by itself: how long to wait is not the library's business, and a body cannot be tried again by it.
# A token goes to the hub alone: urllib3 drops it where a redirect leads elsewhere.
_REDIRECTS: Final = urllib3.Retry(total=None, connect=0, read=0, status=0, other=0, redirect=5)
_LONGEST_ANSWER_BYTES: Final = 64 * 1024 * 1024
_PARTIAL: Final = 206
_PAST_THE_END: Final = 416


@dataclass(frozen=True, slots=True)
class Body:
    """The rest of a file as it comes."""

    offset: int
    """Where it begins: 0 where the server does not go on in the middle."""
    chunks: Iterator[bytes]
    """Raises Broken where the line breaks."""


class Web:
    """Requests with the token of one hub, or signed for one store or registry."""

    def __init__(
        self,
        token: str = "",
        proxy: str = "",
        *,
        cookie: str = "",
        sign: Callable[[str, str, Mapping[str, str]], Mapping[str, str]] | None = None,
        is_known: bool | None = None,
        timeout: urllib3.Timeout = TIMEOUT,
    ) -> None:
        options: dict[str, Any] = {"timeout": timeout, "retries": _REDIRECTS}
        self._pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
        self._headers = {"User-Agent": "edgeglm-download", "Accept-Encoding": "identity"}
        self._sign = sign
        self._is_known = bool(token) or sign is not None if is_known is None else is_known
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        if token and cookie:
            self._headers["Cookie"] = f"{cookie}={token}"

    def json(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[Any, str]:
        """One answer, and the address of the next page, empty when there is none."""
        with self._open("GET", url, headers or {}) as response:
            text = _read(url, response, _LONGEST_ANSWER_BYTES)
            try:
                return json.loads(text), _next_page(url, response.headers.get("Link", ""))
            except ValueError as error:
                raise Unreachable(f"{_host(url)} answers with something that is no JSON; is it a hub?") from error

    def content(self, url: str, headers: Mapping[str, str] | None = None) -> bytes:
        """One answer, as it is."""
        with self._open("GET", url, headers or {}) as response:
            return _read(url, response, _LONGEST_ANSWER_BYTES)

    def challenge(self, url: str) -> str:
        """What a server wants to know of who asks, in its own words; empty when it answers everybody."""
        response = self._request("GET", url, {})
        response.close()
        return response.headers.get("WWW-Authenticate", "") if response.status == 401 else ""

    def head(self, url: str, headers: Mapping[str, str]) -> Mapping[str, str]:
        """What is said of something, without the thing itself; names in small letters."""
        with self._open("HEAD", url, headers) as response:
            return {name.lower(): value for name, value in response.headers.items()}

    @contextlib.contextmanager
    def body(
        self, url: str, *, offset: int, chunk_bytes: int, headers: Mapping[str, str] | None = None
    ) -> Iterator[Body]:
        """A file from an offset on. Raises Broken, or what is not worth another try."""
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        with self._open("GET", url, {**(headers or {}), **wanted}) as response:
            begins = offset if response.status == _PARTIAL else 0
            yield Body(begins, _chunks(url, response, chunk_bytes))

    @contextlib.contextmanager
    def _open(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        response = self._request(method, url, headers)
        try:
            if response.status == _PAST_THE_END:
                raise Broken(f"{_host(url)} has less of {url} than it said")
            if response.status >= 300:
                raise refusal(url, response, is_known=self._is_known)
            yield response
        finally:
            response.close()

    def _request(self, method: str, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, **headers}
        if self._sign is not None:
            headers = self._sign(method, url, headers)
        try:
            return self._pool.request(method, url, headers=headers, preload_content=False)
        except HTTPError as error:
            raise Broken(f"{_host(url)}: {_said(error)}") from error


def _chunks(url: str, response: urllib3.BaseHTTPResponse, chunk_bytes: int) -> Iterator[bytes]:
    try:
        # As it comes: a chunk that waits to be full is lost with the line.
        while chunk := response.read1(chunk_bytes):
            yield chunk
    except HTTPError as error:
        raise Broken(f"{_host(url)}: {_said(error)} in the middle of {url}") from error


def _read(url: str, response: urllib3.BaseHTTPResponse, limit: int) -> bytes:
    try:
        return response.read(limit)
    except HTTPError as error:
        raise Broken(f"{_host(url)}: {_said(error)}") from error


def _next_page(url: str, link: str) -> str:
    """RFC 8288, as the Hub writes it: `<https://…>; rel="next"`."""
    target, _, relation = link.partition(";")
    return urljoin(url, target.strip().strip("<>")) if 'rel="next"' in relation else ""


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _said(error: Exception) -> str:
    """The reason, without what changes from run to run: a message that changed would be written again each time."""
    match error:
        case MaxRetryError(reason=Exception() as reason):
            return _said(reason)
        case ProxyError(original_error=Exception() as reason):
            return f"the proxy: {_said(reason)}"
        case NewConnectionError():
            # "HTTPConnection(host=…, port=…): Failed to resolve …"; by its parents it is a timeout too.
            return str(error).partition(": ")[2]
        case TimeoutError():
            return "no answer in time"
        case ProtocolError():
            return "the line breaks"
    return str(error)
