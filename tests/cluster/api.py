"""A Kubernetes API client of one page, for the lab itself: it must work before anything of the project is installed."""

import http.client
import json
import ssl
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.pki import KeyPair

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class ApiError(RuntimeError):
    """The server refused; `.status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Api:
    """One user's way to the API server: by client certificate, or by a token."""

    server: str
    ca: Path
    pair: KeyPair | None = None
    token: str | None = None
    timeout_seconds: float = 10

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
        """One request; JSON in, JSON out, text when it is no JSON."""
        headers = {"Content-Type": kind, "Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        url = urllib.parse.urlsplit(self.server)
        connection = http.client.HTTPSConnection(
            url.hostname or "", url.port, timeout=self.timeout_seconds, context=self._context()
        )
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return _content(response.status, response.read().decode(errors="replace"))
        finally:
            connection.close()

    def get(self, path: str) -> Any:
        """Read."""
        return self.call("GET", path)

    def create(self, path: str, manifest: Any) -> Any:
        """Create in a collection."""
        return self.call("POST", path, manifest)

    def apply(self, path: str, manifest: Any) -> Any:
        """Server-side apply, as the lab."""
        return self.call("PATCH", f"{path}?fieldManager=edgeglm-lab&force=true", manifest, APPLY)

    def delete(self, path: str) -> Any:
        """Delete."""
        return self.call("DELETE", path)

    def healthy(self) -> bool:
        """Tell whether the server says that it is ready."""
        try:
            return bool(self.get("/readyz") == "ok")
        except (ApiError, OSError, http.client.HTTPException):
            return False

    def exists(self, path: str) -> bool:
        """Tell whether an object is there."""
        try:
            self.get(path)
        except ApiError as error:
            if error.status == http.HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.ca))
        if self.pair:
            context.load_cert_chain(self.pair.cert, self.pair.key)
        return context


def _content(status: int, text: str) -> Any:
    try:
        content = json.loads(text)
    except json.JSONDecodeError:
        content = text
    if status >= http.HTTPStatus.BAD_REQUEST:
        raise ApiError(status, content.get("message", text) if isinstance(content, dict) else text)
    return content
