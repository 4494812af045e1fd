"""Bundles over HTTPS: asked for sparingly, taken only whole, and never at the price of the one that runs."""

import datetime as dt
import ssl
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from edgeglm_agent.config.https import Https
from edgeglm_agent.config.https_source import JITTER, HttpsSource
from edgeglm_agent.config.problem import BadSetup
from edgeglm_agent.main import main
from edgeglm_api.bundle import Bundle, digest, encode
from edgeglm_api.packed import Files, pack
from edgeglm_operator.publish.sign import sign
from tests.cluster import pki
from tests.edge.bundles import a_bundle
from tests.edge.https_server import HttpsServer
from tests.unit.agent.watched import Watched

PATH = "/sites/edge-1.bundle"
KEY = SigningKey(bytes(range(32)))
PATIENCE_SECONDS = 60.0


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> pki.Authority:
    return pki.make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority: pki.Authority) -> Iterator[HttpsServer]:
    server = HttpsServer(authority)
    server.start()
    yield server
    server.stop()


def packed(bundle: Bundle, *keys: SigningKey) -> bytes:
    return pack(Files(encode(bundle), digest(bundle), sign(encode(bundle), keys)))


class At(Watched):
    """A site that asks a server."""

    def __init__(
        self, server: HttpsServer, data: Path, ca: Path, *keys: SigningKey, timeout_seconds: float = PATIENCE_SECONDS
    ) -> None:
        source = HttpsSource(server.url + PATH, Https(ca, timeout_seconds=timeout_seconds), poll_seconds=60)
        super().__init__(source, data, *keys)

    @property
    def source(self) -> tuple[str, str]:
        state = self.watch.source
        return state.state, state.failure


@pytest.fixture
def site(server: HttpsServer, authority: pki.Authority, tmp_path: Path) -> At:
    return At(server, tmp_path, authority.cert)


async def test_what_did_not_change_is_not_sent_again(server: HttpsServer, site: At) -> None:
    server.files[PATH] = packed(a_bundle())
    await site.watch.start()
    await site.watch.look()
    server.files[PATH] = packed(a_bundle(generation=2))
    await site.watch.look()
    await site.watch.look()
    assert [asked.status for asked in server.asked] == [200, 304, 200, 304]
    assert site.generations == [1, 2]
    assert site.source == ("Fresh", "")


async def test_a_refused_one_is_told_at_once_counted_once_and_not_fetched_again(server: HttpsServer, site: At) -> None:
    server.files[PATH] = packed(a_bundle(generation=5))
    await site.watch.start()
    server.files[PATH] = packed(a_bundle(generation=4))
    for _ in range(3):
        await site.watch.look()
    assert site.told == ("Rejected", "GenerationWentDown", 5)
    assert site.watch.rejections == {"GenerationWentDown": 1}
    assert [asked.status for asked in server.asked] == [200, 200, 304, 304]
    assert site.watch.source.state == "Stale", "what should be applied is not what is applied"


async def test_only_a_directory_may_name_a_new_site(server: HttpsServer, site: At) -> None:
    server.files[PATH] = packed(a_bundle())
    await site.watch.start()
    server.files[PATH] = packed(a_bundle(generation=9, site_uid="another"))
    await site.watch.look()
    assert site.told == ("Rejected", "OtherSite", 1)


async def test_with_keys_it_must_be_signed(server: HttpsServer, authority: pki.Authority, tmp_path: Path) -> None:
    site = At(server, tmp_path, authority.cert, KEY)
    server.files[PATH] = packed(a_bundle())
    await site.watch.start()
    assert site.told == ("Rejected", "Unsigned", 0)
    server.files[PATH] = packed(a_bundle(), KEY)
    await site.watch.look()
    assert site.told == ("Applied", "Applied", 1)


def answering(head: bytes, body: bytes = b"") -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 " + head + b"\r\n\r\n" + body)

    return answer


GOOD = packed(a_bundle(generation=2))


@pytest.mark.parametrize(
    ("spoil", "failure"),
    [
        (answering(b"500 Oops"), "answers 500"),
        (answering(b"503 Busy\r\nRetry-After: 0"), "answers 503"),
        (answering(b"404 Gone"), "answers 404"),
        (
            answering(b"302 Found\r\nLocation: https://elsewhere/x"),
            "points to 'https://elsewhere/x'; redirects are not",
        ),
        (answering(b"200 OK\r\nContent-Length: 90000", GOOD), "payload"),
        (answering(b"200 OK\r\nTransfer-Encoding: chunked", b"10\r\n" + GOOD[:16]), "payload"),
        (answering(b"nonsense"), "400"),
        (lambda _: None, "disconnected"),
    ],
)
async def test_without_a_whole_answer_all_stays(
    server: HttpsServer, site: At, spoil: Callable[[BaseHTTPRequestHandler], None], failure: str
) -> None:
    server.files[PATH] = packed(a_bundle())
    await site.watch.start()
    server.spoil = spoil
    site.now_ns += 90 * 10**9
    for _ in range(2):
        await site.watch.look()
    state = site.watch.source
    assert failure in state.failure.lower()
    assert (state.state, state.failures, state.stale_seconds) == ("Stale", 2, 90.0)
    assert site.told == ("Applied", "Applied", 1), "that the source is away is no verdict on the bundle"
    server.spoil = None
    server.files[PATH] = GOOD
    await site.watch.look()
    assert site.generations == [1, 2]
    assert site.source == ("Fresh", "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>Welcome to the hotel</html>", "Malformed"),
        (b"", "Malformed"),
        (GOOD[:-1], "Malformed"),
        (GOOD.replace(b'"tiny"', b'"huge"'), "DigestMismatch"),
        (b"x" * 200_000, "TooLarge"),
        (b"x\n" + b"[" * (128 * 1024 + 1), "TooLarge"),
    ],
)
async def test_what_is_no_bundle_is_refused(server: HttpsServer, site: At, body: bytes, reason: str) -> None:
    server.files[PATH] = packed(a_bundle())
    await site.watch.start()
    server.files[PATH] = body
    await site.watch.look()
    assert site.told == ("Rejected", reason, 1)


async def test_a_flood_is_not_read_to_its_end(server: HttpsServer, site: At) -> None:
    def flood(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not server.stopping.is_set():
            handler.wfile.write(b"x" * 65_536)

    server.spoil = flood
    await site.watch.start()
    assert site.told == ("Rejected", "TooLarge", 0)


async def test_a_server_that_does_not_come_to_an_end_is_left(
    server: HttpsServer, authority: pki.Authority, tmp_path: Path
) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not server.stopping.wait(0.05):
            handler.wfile.write(b"x")
            handler.wfile.flush()

    server.spoil = drip
    site = At(server, tmp_path, authority.cert, timeout_seconds=1.0)
    await site.watch.start()
    assert "no whole answer within 1 s" in site.watch.source.failure


async def test_a_certificate_must_be_valid_and_of_our_authority(
    authority: pki.Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "VALID", dt.timedelta(minutes=-30))
    server = HttpsServer(authority, certificate="expired")
    server.start()
    server.files[PATH] = packed(a_bundle())
    try:
        for ca, why in ((authority.cert, "certificate has expired"), (_another(tmp_path), "CERTIFICATE_VERIFY_FAILED")):
            site = At(server, tmp_path / "data", ca)
            await site.watch.start()
            assert why in site.watch.source.failure
            assert site.applied == []
    finally:
        server.stop()


def _another(folder: Path) -> Path:
    return pki.make_authority(folder / "another").cert


async def test_with_the_server_away_it_begins_with_the_last_good_one_and_says_how_old_it_is(
    server: HttpsServer, authority: pki.Authority, tmp_path: Path
) -> None:
    server.files[PATH] = packed(a_bundle(generation=3))
    before = At(server, tmp_path, authority.cert)
    await before.watch.start()
    server.stop()

    site = At(server, tmp_path, authority.cert)
    site.now_ns = before.now_ns + 3600 * 10**9
    await site.watch.start()
    assert site.generations == [3]
    state = site.watch.source
    assert (state.state, state.stale_seconds, state.confirmed_at) == ("Stale", 3600.0, "2023-11-14T22:13:20Z")
    assert "Cannot connect" in state.failure

    server.start()
    server.files[PATH] = packed(a_bundle(generation=2))
    await site.watch.look()
    assert site.told == ("Rejected", "GenerationWentDown", 3), "also over a restart"
    server.files[PATH] = packed(a_bundle(generation=4))
    await site.watch.look()
    assert site.generations == [3, 4]
    assert site.source == ("Fresh", "")


def test_it_never_asks_more_often_than_it_was_told(authority: pki.Authority) -> None:
    source = HttpsSource("https://127.0.0.1/x", Https(authority.cert), poll_seconds=60)
    pauses = {source.pause_seconds() for _ in range(200)}
    assert 60 * (1 - JITTER) <= min(pauses) < max(pauses) <= 60 * (1 + JITTER)


@pytest.mark.usefixtures("root_log")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--bundle", "http://host/x"], "'http://host/x' must be https://HOST[:PORT]/PATH"),
        (["--bundle", "https:///x"], "must be https://HOST"),
        (["--bundle", "https://host:port/x"], "is no address"),
        (["--bundle", "https://me:secret@host/x"], "has no user, query or fragment"),
        (["--bundle", "https://host/x?token=1"], "has no user, query or fragment"),
        (["--bundle", "https://host/x", "--bundle-ca", "/nowhere"], "/nowhere: No such file or directory"),
    ],
)
def test_an_address_that_cannot_be_used_ends_the_start(
    options: list[str], says: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--data", str(tmp_path / "data"), *options]) == 2
    told = capfd.readouterr().err
    assert says in told
    assert "secret" not in told


@pytest.mark.parametrize("seconds", ["4", "86401", "x", "-1"])
def test_a_pace_that_is_too_hot_or_asleep_is_a_usage_error(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--bundle", "x", "--data", "y", "--bundle-poll-seconds", seconds])
    assert ended.value.code == 2
    assert "is not within 5 and 86400" in capsys.readouterr().err


def test_authorities_that_are_none_are_told(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("none")
    with pytest.raises(BadSetup, match="authorities in PEM are needed") as told:
        Https(ca)
    assert isinstance(told.value.__cause__, ssl.SSLError)
