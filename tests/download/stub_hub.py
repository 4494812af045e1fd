"""A hub on this machine: the part of the Hub's HTTP API that downloads need, with faults on demand.

Large files are redirected to a second server, as the Hub redirects to its CDN. tests/download/test_contract.py holds it
against the Hub's own client.
"""

import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

REPOSITORY = "owner/model"
PAGE = 3
"""Entries in a page of a listing; the Hub has 1000."""


@dataclass
class Fault:
    """What is to go wrong, and how often."""

    path: str
    """The end of the request's path."""
    times: int = 1
    status: int = 0
    """Answered in place of the file; 0 cuts the line."""
    headers: dict[str, str] = field(default_factory=dict)
    after_bytes: int = 0
    """Of the body, before the line is cut."""


@dataclass
class Model:
    """One repository: its branches, and the files of each commit."""

    branches: dict[str, str]
    commits: dict[str, dict[str, bytes]]


def a_commit(files: dict[str, bytes]) -> str:
    """A name for a set of files, as long as Git's."""
    whole = b"\0".join(name.encode() + b"\0" + content for name, content in sorted(files.items()))
    return hashlib.sha1(whole, usedforsecurity=False).hexdigest()


def a_model(files: dict[str, bytes]) -> Model:
    commit = a_commit(files)
    return Model({"main": commit}, {commit: files})


class StubHub:
    """The hub and its CDN. What was asked is kept; faults are used up."""

    def __init__(self, files: dict[str, bytes], *, token: str = "", host: str = "127.0.0.1") -> None:
        self.host = host
        self.models = {REPOSITORY: a_model(files)}
        self.token = token
        self.faults: list[Fault] = []
        self.lies: dict[str, bytes] = {}
        """By path: what comes in place of the content that was listed."""
        self.takes_ranges = True
        self.asked: list[tuple[str, str, str]] = []
        """Path, Range and Authorization of each request."""
        self.gate = threading.Event()
        """While it is closed, large files stop after their first half."""
        self.gate.set()
        self._servers = [_server(self, is_cdn=is_cdn) for is_cdn in (False, True)]

    @property
    def commit(self) -> str:
        """Of the branch main."""
        return self.models[REPOSITORY].branches["main"]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self._servers[0].server_port}"

    @property
    def cdn(self) -> str:
        """Another port is another server, to which a token must not go."""
        return f"http://{self.host}:{self._servers[1].server_port}"

    def paths(self, *, files_only: bool = True) -> list[str]:
        return [path for path, _, _ in self.asked if not files_only or not path.startswith("/api/")]

    def fault_for(self, path: str) -> Fault | None:
        for fault in self.faults:
            if path.endswith(fault.path) and fault.times:
                fault.times -= 1
                return fault
        return None

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _server(hub: StubHub, *, is_cdn: bool) -> ThreadingHTTPServer:
    handler = type("Handler", (_Handler,), {"hub": hub, "is_cdn": is_cdn})
    server = ThreadingHTTPServer((hub.host, 0), handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    hub: StubHub
    is_cdn: bool
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append((path, self.headers.get("Range", ""), self.headers.get("Authorization", "")))
        fault = self._fault(path)
        if fault and fault.status:
            self._answer(fault.status, b"no", fault.headers)
        elif not self.is_cdn and self.hub.token and self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            self._answer(401, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to it is restricted"})
        else:
            self._find(path, fault)

    do_HEAD = do_GET  # noqa: N815 - the base class asks for it

    def _fault(self, path: str) -> Fault | None:
        """A fault of a large file is one of the CDN, which serves it."""
        return self.hub.fault_for(path) if self.is_cdn or not _is_large(path) else None

    def _find(self, path: str, fault: Fault | None) -> None:
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._api("/".join(parts[2:4]), parts[4:])
        elif parts[2:3] == ["resolve"]:
            self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]), fault)
        else:
            self._answer(404, b"")

    def _api(self, repository: str, rest: list[str]) -> None:
        model = self.hub.models.get(repository)
        if model is None:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
            return
        what, *branch = rest or ["revision", "main"]
        revision = "/".join(branch)
        commit = model.branches.get(revision, revision)
        if commit not in model.commits:
            self._answer(404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
        elif what == "revision":
            siblings = [{"rfilename": path} for path in model.commits[commit]]
            self._json({"id": repository, "sha": commit, "siblings": siblings})
        else:
            self._tree(model.commits[commit])

    def _tree(self, files: dict[str, bytes]) -> None:
        query = dict(part.split("=") for part in urlsplit(self.path).query.split("&"))
        begin = int(query.get("cursor", 0))
        entries = [_listed(path, content) for path, content in sorted(files.items())]
        more = {}
        if begin + PAGE < len(entries):
            address = f"{self.hub.url}{urlsplit(self.path).path}?recursive=true&cursor={begin + PAGE}"
            more = {"Link": f'<{address}>; rel="next"'}
        self._json(entries[begin : begin + PAGE], more)

    def _file(self, repository: str, commit: str, path: str, fault: Fault | None) -> None:
        files = self.hub.models[repository].commits.get(commit, {})
        if path not in files:
            self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        about = {"X-Repo-Commit": commit, "ETag": f'"{_oid(path, files[path])}"', "Accept-Ranges": "bytes"}
        if _is_large(path) and not self.is_cdn:
            linked = {"X-Linked-Size": str(len(files[path])), "X-Linked-ETag": about["ETag"]}
            self._answer(302, b"", {"Location": self.hub.cdn + self.path, **about, **linked})
        else:
            self._body(self.hub.lies.get(path, files[path]), fault, about)

    def _body(self, content: bytes, fault: Fault | None, about: dict[str, str]) -> None:
        offset = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if offset and offset >= len(content):
            self._answer(416, b"")
            return
        offset = offset if self.hub.takes_ranges else 0
        rest, status = content[offset:], 206 if offset else 200
        if offset:
            about |= {"Content-Range": f"bytes {offset}-{len(content) - 1}/{len(content)}"}
        self._answer(status, rest[: fault.after_bytes] if fault else rest, about, length=len(rest))

    def _json(self, value: Any, headers: dict[str, str] | None = None) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        promised = len(body) if length is None else length
        self.send_header("Content-Length", str(promised))
        self.end_headers()
        if self.command == "GET":
            self._send(body)
        self.close_connection = self.close_connection or promised != len(body)

    def _send(self, body: bytes) -> None:
        half = len(body) // 2
        for piece in (body[:half], body[half:]):
            # Whoever has enough hangs up.
            with contextlib.suppress(ConnectionError):
                self.wfile.write(piece)
                self.wfile.flush()
            if self.is_cdn:
                self.hub.gate.wait(60)

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells."""


def _is_large(path: str) -> bool:
    return path.endswith((".safetensors", ".bin", ".gguf"))


def _oid(path: str, content: bytes) -> str:
    if _is_large(path):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _listed(path: str, content: bytes) -> dict[str, Any]:
    entry = {"type": "file", "path": path, "size": len(content), "oid": _oid(path, content)}
    if _is_large(path):
        entry |= {"oid": "0" * 40, "lfs": {"oid": _oid(path, content), "size": len(content), "pointerSize": 134}}
    return entry
