"""The line to a server, which cuts, lies and refuses on demand, and keeps what was asked."""

import http.client
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

_OF_THE_LINE = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})


@dataclass
class Fault:
    """What is to go wrong with requests of a path, and how often."""

    path: str
    """Its end."""
    method: str = "GET"
    times: int = 1
    status: int = 0
    """Answered in place of the server; 0 lets it answer."""
    after_bytes: int | None = None
    """Of the body, before the line is cut."""
    instead: bytes | None = None
    """What comes in place of the body."""


@dataclass
class Asked:
    """One request that came through."""

    method: str
    path: str
    query: str
    headers: dict[str, str] = field(default_factory=dict)
    """Names in small letters."""


class Line:
    """To one port of this machine."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        handler = type("Handler", (_Handler,), {"line": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Where it begins."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def fetched(self, path: str) -> list[str]:
        """The ranges of each request for a file."""
        return [
            each.headers.get("range", "") for each in self.asked if each.method == "GET" and each.path.endswith(path)
        ]

    def fault_for(self, asked: Asked) -> Fault | None:
        """The first that fits, which is used up by it."""
        for fault in self.faults:
            if fault.times and asked.method == fault.method and asked.path.endswith(fault.path):
                fault.times -= 1
                return fault
        return None

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    line: Line
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, unquote(address.path), address.query, headers)
        self.line.asked.append(asked)
        fault = self.line.fault_for(asked) or Fault("")
        if fault.status:
            self._answer(fault.status, {"Content-Type": "application/xml"}, b"", fault)
            return
        far = http.client.HTTPConnection("127.0.0.1", self.line.port, timeout=60)
        far.request(self.command, self.path, headers=headers)
        answer = far.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_THE_LINE}
        if self.command == "HEAD":
            kept["Content-Length"] = answer.getheader("Content-Length", "0")
        self._answer(answer.status, kept, answer.read(), fault)
        far.close()

    do_HEAD = do_GET  # noqa: N815 - the base class asks for it

    def _answer(self, status: int, headers: dict[str, str], body: bytes, fault: Fault) -> None:
        body = body if fault.instead is None else fault.instead
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body if fault.after_bytes is None else body[: fault.after_bytes])
        if fault.after_bytes is not None:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells."""
