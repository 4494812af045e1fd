"""From ModelScope into a cache, over real HTTP, to a stub of what its own client asks for.

The stub sends the fields that modelscope-hub 0.4 reads (`Data.Files[]` with `Path`, `Type`, `Size`, `Sha256`), and has
not been held against modelscope.cn itself.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from edgeglm_api.download import LastMessage, Outcome
from edgeglm_operator.download.download import Means, Wish, download
from edgeglm_operator.download.errors import (
    ChecksumMismatch,
    CredentialsMissing,
    DiskFull,
    DownloadError,
    Forbidden,
    NotFound,
    Unreachable,
)
from edgeglm_operator.download.modelscope import COOKIE, ModelScope
from edgeglm_operator.download.pace import Pace
from edgeglm_operator.download.patience import Patience
from edgeglm_operator.download.web import Web

WEIGHTS = "model.safetensors"
FILES = {"config.json": b"{}", "a b/tokenizer.json": b"{}" * 99, WEIGHTS: bytes(range(256)) * 2000}
ROOT = "/api/v1/models/owner/model/repo"


class Stub:
    """One repository; a `status` is answered to all, `cuts` are used up."""

    def __init__(self) -> None:
        self.files = dict(FILES)
        self.lies: dict[str, bytes] = {}
        self.more: list[dict[str, object]] = []
        """Entries of the listing that no file stands for."""
        self.status = 0
        self.cuts = 0
        self.asked: list[tuple[str, str]] = []
        """Range and Cookie of each request for a file."""
        handler = type("Handler", (_Handler,), {"stub": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True

    def listing(self) -> bytes:
        files = [
            {"Path": path, "Type": "blob", "Size": len(body), "Sha256": hashlib.sha256(body).hexdigest()}
            for path, body in self.files.items()
        ]
        tree = {"Path": "a b", "Type": "tree", "Size": 0, "Sha256": ""}
        return json.dumps({"Code": 200, "Success": True, "Data": {"Files": [tree, *files, *self.more]}}).encode()


class _Handler(BaseHTTPRequestHandler):
    stub: Stub

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        if self.stub.status:
            self._answer(self.stub.status, b"")
        elif query.get("Revision") != "master" or not address.path.startswith(ROOT):
            self._answer(404, b"")
        elif address.path == f"{ROOT}/files":
            self._answer(200, self.stub.listing())
        else:
            self._file(query["FilePath"])

    def _file(self, path: str) -> None:
        asked = self.headers.get("Range", "")
        self.stub.asked.append((asked, self.headers.get("Cookie", "")))
        offset = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        rest = self.stub.lies.get(path, self.stub.files[path])[offset:]
        is_cut = path == WEIGHTS and self.stub.cuts > 0
        self.stub.cuts -= is_cut
        self._answer(206 if offset else 200, rest[:100_000] if is_cut else rest, length=len(rest))

    def _answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test tells."""


@pytest.fixture
def stub() -> Iterator[Stub]:
    stub = Stub()
    threading.Thread(target=stub.server.serve_forever, args=(0.05,), daemon=True).start()
    yield stub
    stub.server.shutdown()
    stub.server.server_close()


def run(
    stub: Stub,
    place: Path,
    *,
    token: str = "",
    revision: str = "master",
    until: int = 100,
    limit: int | None = None,
    allowed: int | None = None,
) -> LastMessage:
    """One container."""
    patience = Patience(lambda _: None)
    way = ModelScope(
        web=Web(token, cookie=COOKIE),
        patience=patience,
        repository="owner/model",
        revision=revision,
        endpoint=f"http://127.0.0.1:{stub.server.server_port}",
    )
    pace = Pace(limit, clock=lambda: 0.0, sleep=lambda _: None)
    wish = Wish(
        revision=revision, cache=place / "cache", link=place / "pod", until_percent=until, allowed_bytes=allowed
    )
    means = Means(source=way, pace=pace, patience=patience, now=lambda: datetime(2026, 11, 28, tzinfo=UTC))
    return download(wish, means)


def served(place: Path) -> dict[str, bytes]:
    root = (place / "pod").resolve()
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_model_comes_whole_and_only_once(stub: Stub, tmp_path: Path) -> None:
    assert run(stub, tmp_path).outcome is Outcome.WHOLE
    assert served(tmp_path) == FILES
    stub.asked.clear()
    assert run(stub, tmp_path).outcome is Outcome.WHOLE
    assert stub.asked == []


def test_a_cut_is_gone_on_with_where_it_broke(stub: Stub, tmp_path: Path) -> None:
    stub.cuts = 1
    run(stub, tmp_path)
    assert served(tmp_path) == FILES
    assert "bytes=100000-" in [asked for asked, _ in stub.asked]


def test_shares_add_up(stub: Stub, tmp_path: Path) -> None:
    assert run(stub, tmp_path, until=50, limit=100_000).outcome is Outcome.DOWNLOADING
    assert run(stub, tmp_path).outcome is Outcome.WHOLE
    assert served(tmp_path) == FILES


def test_the_token_goes_as_a_cookie_too(stub: Stub, tmp_path: Path) -> None:
    run(stub, tmp_path, token="mine")  # noqa: S106 - a stub's
    assert {cookie for _, cookie in stub.asked} == {"m_session_id=mine"}


def test_a_wrong_checksum_is_told(stub: Stub, tmp_path: Path) -> None:
    stub.lies = {WEIGHTS: b"x" * len(FILES[WEIGHTS])}
    with pytest.raises(ChecksumMismatch, match=WEIGHTS):
        run(stub, tmp_path)


def test_a_branch_that_moves_meanwhile_is_told(stub: Stub, tmp_path: Path) -> None:
    run(stub, tmp_path, until=50, limit=100_000)
    stub.files["config.json"] = b'{"newer": 1}'
    with pytest.raises(NotFound, match="has moved on"):
        run(stub, tmp_path)


def test_a_model_larger_than_its_cache_may_be_is_refused(stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(DiskFull):
        run(stub, tmp_path, allowed=1000)
    assert stub.asked == []


@pytest.mark.parametrize(
    ("status", "token", "error"),
    [
        (401, "", CredentialsMissing),
        (403, "mine", Forbidden),
        (404, "", NotFound),
        (503, "", Unreachable),
    ],
)
def test_each_refusal_has_its_word(
    stub: Stub, tmp_path: Path, status: int, token: str, error: type[DownloadError]
) -> None:
    stub.status = status
    with pytest.raises(error):
        run(stub, tmp_path, token=token)


def test_an_unknown_revision_is_told(stub: Stub, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        run(stub, tmp_path, revision="v9")


SHA256 = "0" * 64


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ([{"Path": "../x", "Type": "blob", "Size": 1, "Sha256": SHA256}], "another shape"),
        ([{"Path": "x", "Type": "blob", "Size": 1, "Sha256": ""}], "another shape"),
        ([{"Path": f"{n}", "Type": "blob", "Size": 1, "Sha256": SHA256} for n in range(3000)], "lists no more than"),
    ],
    ids=["leads out", "without a checksum", "cut off by the server"],
)
def test_a_listing_that_cannot_be_trusted_is_refused(
    stub: Stub, tmp_path: Path, more: list[dict[str, object]], says: str
) -> None:
    stub.more = more
    with pytest.raises(Unreachable, match=says):
        run(stub, tmp_path)
