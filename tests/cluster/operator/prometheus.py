"""As much of Prometheus as KEDA asks: one figure for each of our two queries."""

import http.server
import json
import threading
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.cluster.ports import LOOPBACK


class StubPrometheus:
    """Says how many requests are in flight in all replicas together, and how full their caches are."""

    def __init__(self) -> None:
        self.in_flight: int | None = 0
        """None while no replica is heard."""
        self.kv_cache_percent = 0
        self.asked: set[str] = set()
        self.times_asked = 0
        self._server = http.server.ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="prometheus", daemon=True)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{LOOPBACK}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=10)

    def answer(self, query: str) -> bytes:
        """The answer to an instant query."""
        self.asked.add(query)
        self.times_asked += 1
        figure = self.kv_cache_percent if "kv_cache" in query else self.in_flight
        result = [] if self.in_flight is None else [{"metric": {}, "value": [0, str(figure)]}]
        return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                body = stub.answer(parse_qs(url.query)["query"][0])
                self.send_response(200 if url.path == "/api/v1/query" else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
