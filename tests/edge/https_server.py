"""A real HTTPS server for files: with ETags, as a web server has them, and with manners that can be spoilt."""

import hashlib
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.cluster.pki import Authority


class Asked(NamedTuple):
    """One request, and the answer's status; 0 when the answer was spoilt."""

    path: str
    if_none_match: str
    status: int


class HttpsServer:
    """Serves `files` by path on 127.0.0.1 until stopped; `start` again takes the same port."""

    def __init__(self, authority: Authority, *, certificate: str = "server") -> None:
        pair = authority.issue(certificate, "127.0.0.1", hosts=["127.0.0.1"])
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(pair.cert, pair.key)
        self.files: dict[str, bytes] = {}
        self.asked: list[Asked] = []
        self.spoil: Callable[[BaseHTTPRequestHandler], None] | None = None
        """Answers in the place of the server."""
        self.stopping = threading.Event()
        self.port = 0
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.stopping.clear()
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        # The handshake is made by the thread of the connection, not by the one that accepts.
        self._server.socket = self._tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked_for = handler.headers.get("If-None-Match", "")
        if self.spoil is not None:
            self.asked.append(Asked(handler.path, asked_for, 0))
            self.spoil(handler)
            return
        content = self.files.get(handler.path)
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"' if content is not None else ""
        status = 404 if content is None else 304 if etag == asked_for else 200
        self.asked.append(Asked(handler.path, asked_for, status))
        handler.send_response(status)
        if etag:
            handler.send_header("ETag", etag)
        if status == 200:
            handler.send_header("Content-Length", str(len(content or b"")))
        handler.end_headers()
        if status == 200:
            handler.wfile.write(content or b"")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up, or do not like the certificate, are what some tests are about."""


def _handler(server: HttpsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 60

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler
