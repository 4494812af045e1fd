"""The receiver over real TLS, with an API server of the test's: what it takes, and what it does not."""

import asyncio
import logging
import ssl
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edgeglm_api import report as reports
from edgeglm_api.report import API_VERSION, MAX_BYTES, AppliedBundle, Engine, RefusedGraph, Report, SpoolUse, encode
from edgeglm_api.reporting_site import ReportingSite, report_path, token_of
from edgeglm_operator.kube.client import Manifest
from edgeglm_operator.kube.errors import Conflict, Forbidden, KubeError, NotFound, Unavailable
from edgeglm_operator.kube.kinds import Kind
from edgeglm_operator.offline.crds import our_crds
from edgeglm_operator.receiver import server as server_module
from edgeglm_operator.receiver.caller import Keys, admit
from edgeglm_operator.receiver.connections import LONGEST_SECONDS, Connections
from edgeglm_operator.receiver.desk import MANAGER, TRIES, Desk
from edgeglm_operator.receiver.judge import REFRESH_SECONDS
from edgeglm_operator.receiver.memory import BURST, PAUSE_SECONDS, Memory
from edgeglm_operator.receiver.metrics import Metrics
from edgeglm_operator.receiver.refusal import Because, Refusal
from edgeglm_operator.receiver.server import Server
from edgeglm_operator.receiver.tls import Certificate
from tests.cluster.pki import Authority, make_authority

KEY = b"0123456789abcdef0123456789abcdef"
SITE = ReportingSite("plant", "box-1", "uid-1")
START = 1_767_225_600.0  # 2026-01-01T00:00:00Z
BOOT = "00000000000000aa"


class ApiServer:
    """EdgeSites by name, and faults on order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Manifest] = {}
        self.faults: list[KubeError | None] = []
        """One for each request to come; None lets it pass."""
        self.reads = 0
        self.writes: list[Manifest] = []
        self.make(SITE)

    def make(self, site: ReportingSite) -> None:
        metadata = {"namespace": site.namespace, "name": site.name, "uid": site.uid, "resourceVersion": "1"}
        self.objects[site.namespace, site.name] = {"metadata": metadata, "spec": {"nodeName": site.name}}

    async def get_status(self, _kind: Kind, namespace: str, name: str) -> Manifest:
        self.reads += 1
        self._fail()
        if (namespace, name) not in self.objects:
            raise NotFound(name)
        return self.objects[namespace, name]

    async def apply_status(self, manifest: Manifest, *, manager: str) -> Manifest:
        assert manager == MANAGER
        self._fail()
        metadata = manifest["metadata"]
        live = self.objects[metadata["namespace"], metadata["name"]]
        if metadata["resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise Conflict("another version")
        live["metadata"]["resourceVersion"] += "1"
        live["status"] = manifest["status"]
        self.writes.append(manifest)
        return live

    def report(self, site: ReportingSite = SITE) -> dict[str, Any]:
        written: dict[str, Any] = self.objects[site.namespace, site.name].get("status", {}).get("report", {})
        return written

    def _fail(self) -> None:
        if self.faults and (fault := self.faults.pop(0)):
            raise fault


class World:
    """A receiver, and a site that reports to it."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.api = ApiServer()
        self.now = START
        self.memory = Memory()
        self.metrics = Metrics(self.memory.__len__)
        self.port = 0
        self._server: Server | None = None

    async def begin(self, oldest_epoch: int = 1) -> None:
        """A new process: it remembers nothing."""
        await self.end()
        self.memory = Memory()
        pair = self.authority.issue("receiver", "127.0.0.1", hosts=["127.0.0.1"])
        desk, keys = Desk(self.api, self.clock), Keys(KEY, oldest_epoch)
        self._server = Server(desk, self.memory, keys, self.metrics, self.clock)
        self.port = await self._server.start("127.0.0.1", 0, Certificate(pair.cert, pair.key).context)

    @property
    def server(self) -> Server:
        assert self._server is not None
        return self._server

    async def end(self) -> None:
        if self._server is not None:
            await self._server.stop()

    def clock(self) -> float:
        return self.now

    async def post(
        self, body: Any, *, site: ReportingSite = SITE, token: str | None = None, encoding: str = "identity"
    ) -> tuple[int, str]:
        """The answer to anything."""
        token = token_of(site, KEY, epoch=1) if token is None else token
        tls = ssl.create_default_context(cafile=self.authority.cert)
        url = f"https://127.0.0.1:{self.port}{report_path(site)}"
        headers = {"Authorization": f"Bearer {token}", "Content-Encoding": encoding}
        async with (
            aiohttp.ClientSession() as http,
            http.post(url, data=body, ssl=tls, headers=headers) as response,
        ):
            return response.status, await response.text()

    async def report(self, sequence: int = 1, *, site: ReportingSite = SITE, boot: str = BOOT, **said: Any) -> int:
        """The status of the answer to a report, sent at pace."""
        self.now += PAUSE_SECONDS
        status, _ = await self.post(encode(self.made(sequence, boot, **said)), site=site)
        return status

    def made(self, sequence: int, boot: str = BOOT, **said: Any) -> Report:
        envelope: dict[str, Any] = {"api_version": API_VERSION, "sent_at_millis": round(self.now * 1000)}
        return Report(**(envelope | {"boot_id": boot, "sequence": sequence} | said))

    def counted(self, result: str) -> float:
        line = f'edgeglm_receiver_reports_total{{result="{result}"}} '
        found = [each for each in self.metrics.render().decode().splitlines() if each.startswith(line)]
        return float(found[0].rpartition(" ")[2])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def world(authority: Authority) -> AsyncIterator[World]:
    made = World(authority)
    await made.begin()
    yield made
    await made.end()


async def test_the_first_report_of_a_site_stands_in_its_status(world: World) -> None:
    bundle = AppliedBundle(generation=3, sha256="a" * 64, verdict="Applied", reason="Applied")
    assert await world.report(7, bundle=bundle, agent_version="0.1.0", spool=SpoolUse(used_bytes=5)) == 204

    written = world.api.report()
    assert written["receivedAt"] == "2026-01-01T00:00:05Z"
    assert (written["bootID"], written["sequence"], written["agentVersion"]) == (BOOT, 7, "0.1.0")
    assert written["bundle"] == {"generation": 3, "sha256": "a" * 64, "verdict": "Applied", "reason": "Applied"}
    assert written["spool"]["usedBytes"] == 5
    assert written["spool"]["waiting"] == 0, "zeros are said, or server-side apply would take them for left out"
    assert written["clockSkewSeconds"] == 0
    assert world.counted("Written") == 1


async def test_numbers_are_written_every_five_minutes_and_news_at_once(world: World) -> None:
    for sequence in range(1, 12):
        assert await world.report(sequence, spool=SpoolUse(used_bytes=sequence)) == 204
    assert len(world.api.writes) == 1
    assert world.counted("Heard") == 10

    assert await world.report(12, spool=SpoolUse(blocked="the disk is full")) == 204
    assert len(world.api.writes) == 2

    world.now += REFRESH_SECONDS
    assert await world.report(13, spool=SpoolUse(used_bytes=99, blocked="the disk is full")) == 204
    assert len(world.api.writes) == 3
    assert world.api.report()["spool"]["usedBytes"] == 99


@pytest.mark.parametrize(
    "token",
    [
        "",
        "garbage",
        token_of(SITE._replace(uid="uid-0"), KEY, epoch=1),
        token_of(SITE._replace(name="box-2"), KEY, epoch=1),
        token_of(SITE._replace(namespace="hospital"), KEY, epoch=1),
        token_of(SITE, b"another key, of 32 bytes or more!", epoch=1),
        "9" * 4000,
    ],
)
async def test_without_the_site_s_own_token_nothing_is_read(world: World, token: str) -> None:
    status, text = await world.post(encode(world.made(1)), token=token)
    assert status == 401
    assert text.startswith("BadToken")
    assert (world.api.reads, len(world.memory), world.counted("BadToken")) == (0, 0, 1)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Basic Zm9vOmJhcg==", token_of(SITE, KEY, epoch=1), "\u00e9"])
def test_what_is_no_bearer_token_is_none(authorization: str) -> None:
    with pytest.raises(Refusal) as refused:
        admit(SITE, authorization, Keys(KEY, oldest_epoch=1))
    assert refused.value.because is Because.BAD_TOKEN


async def test_a_site_s_token_opens_no_other_site(world: World) -> None:
    other = SITE._replace(name="box-2", uid="uid-2")
    world.api.make(other)
    status, _ = await world.post(encode(world.made(1)), site=other, token=token_of(SITE, KEY, epoch=1))
    assert status == 401
    assert world.api.report(other) == {}


async def test_tokens_of_an_epoch_that_is_over_are_refused(world: World) -> None:
    await world.begin(oldest_epoch=2)
    status, text = await world.post(encode(world.made(1)))
    assert (status, text.partition(":")[0]) == (401, "OldEpoch")
    status, _ = await world.post(encode(world.made(1)), token=token_of(SITE, KEY, epoch=2))
    assert status == 204


async def test_a_sequence_does_not_come_again(world: World) -> None:
    assert await world.report(5) == 204
    assert await world.report(5) == 409
    assert await world.report(4, spool=SpoolUse(blocked="an old trouble")) == 409
    assert world.counted("Replayed") == 2
    assert "spool" not in world.api.report()


async def test_a_process_that_gave_way_to_another_is_not_heard_again(world: World) -> None:
    assert await world.report(5, boot="0" * 16) == 204
    assert await world.report(1, boot="1" * 16) == 204, "a new process counts anew"
    assert await world.report(6, boot="0" * 16) == 409
    assert world.api.report()["bootID"] == "1" * 16


async def test_a_new_receiver_knows_what_the_one_before_took(world: World) -> None:
    assert await world.report(5) == 204
    await world.begin()
    assert await world.report(5) == 409
    assert await world.report(6) == 204
    assert len(world.api.writes) == 1, "and writes nothing that stands there"


async def test_what_another_release_wrote_is_written_anew(world: World) -> None:
    world.api.objects["plant", "box-1"]["status"] = {"report": {"bootID": 7, "mood": "good"}}
    assert await world.report(1) == 204
    assert world.api.report()["bootID"] == BOOT


MALFORMED = {
    "NaN": b'{"apiVersion":"agent.edgeglm.io/v1","bootID":"00000000000000aa","sequence":1,"sentAtMillis":NaN}',
    "a huge count": b'{"apiVersion":"agent.edgeglm.io/v1","bootID":"00000000000000aa","sequence":1,"sentAtMillis":1,'
    b'"books":{"received":99999999999999999999999}}',
    "depth": b"[" * 30_000,
    "text": b"hello",
    "nothing": b"",
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_report_is_refused_and_the_next_one_taken(world: World, body: bytes) -> None:
    status, text = await world.post(body)
    assert (status, text.partition(":")[0]) == (400, "Malformed")
    assert world.counted("Malformed") == 1
    assert await world.report(1) == 204


async def test_what_is_too_large_is_not_read_to_its_end(world: World) -> None:
    status, _ = await world.post(b" " * (MAX_BYTES + 1))
    assert status == 413

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    try:
        status, _ = await world.post(endless())
    except aiohttp.ClientError:
        status = 413  # the receiver has hung up before all was sent
    assert status == 413
    assert world.counted("TooLarge") == 2
    assert await world.report(1) == 204


async def test_what_is_packed_is_not_unpacked(world: World) -> None:
    """Ten million blanks in ten thousand bytes are no report, and never ten million bytes."""
    status, text = await world.post(zlib.compress(b" " * 10_000_000), encoding="deflate")
    assert (status, text.partition(":")[0]) == (400, "Malformed")


async def test_a_report_that_does_not_come_to_its_end_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "BODY_SECONDS", 0.2)
    given_up = asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await given_up.wait()

    posted = asyncio.create_task(world.post(slow()))
    async with asyncio.timeout(60):
        while not world.counted("TooSlow"):  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.05)
    given_up.set()
    await asyncio.gather(posted, return_exceptions=True)


async def test_a_site_that_reports_too_often_is_held_back_alone(world: World) -> None:
    answers = [await world.post(encode(world.made(n))) for n in range(1, BURST + 3)]
    assert [status for status, _ in answers] == [204] * BURST + [429] * 2
    assert world.counted("TooOften") == 2
    other = SITE._replace(name="box-2", uid="uid-2")
    world.api.make(other)
    assert (await world.post(encode(world.made(1)), site=other))[0] == 204
    assert await world.report(99) == 204, "and is heard again after a while"


async def test_more_reports_at_once_than_can_be_held_come_again_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_AT_ONCE", 0)
    assert await world.report(1) == 503
    assert world.counted("Busy") == 1
    monkeypatch.undo()
    assert await world.report(1) == 204


async def test_a_site_that_is_gone_or_made_anew_is_not_written(world: World) -> None:
    del world.api.objects["plant", "box-1"]
    assert await world.report(1) == 404
    world.api.make(SITE._replace(uid="uid-new"))
    assert await world.report(1) == 404
    assert world.api.report() == {}
    assert world.counted("NoSuchSite") == 2


async def test_a_site_made_anew_while_its_old_agent_reports_is_not_written(world: World) -> None:
    """The version that was read no longer stands, and the next look shows another UID."""
    assert await world.report(1) == 204
    world.api.make(SITE._replace(uid="uid-new"))
    assert await world.report(2, spool=SpoolUse(blocked="news")) == 404
    assert world.api.report() == {}


@pytest.mark.parametrize("conflicts", range(1, TRIES))
async def test_the_operator_may_write_at_the_same_moment(world: World, conflicts: int) -> None:
    for _ in range(conflicts):
        world.api.faults += [None, Conflict("another version")]
    assert await world.report(1) == 204
    assert world.api.report()["sequence"] == 1


@pytest.mark.parametrize(
    ("fault", "status", "word"),
    [(Unavailable("down"), 503, "Busy"), (Forbidden("no"), 403, "NotAllowed"), (NotFound("gone"), 404, "NoSuchSite")],
)
async def test_a_report_that_could_not_be_written_may_come_again(
    world: World, fault: KubeError, status: int, word: str
) -> None:
    world.api.faults = [None, fault]
    assert await world.report(1) == status
    assert world.counted(word) == 1
    assert await world.report(1) == 204, "the same sequence, since it was not taken"


async def test_what_is_shown_moves_no_cursor_and_turns_no_writing_around(world: World) -> None:
    evil = "ok \x1b[2J\x1b]0;pwned\x07 \u202egnp.exe\u2066 \r\nConnected"
    graphs = (RefusedGraph(graph="line", reason="EndpointNotPinned", message=evil),)
    bundle = AppliedBundle(verdict="Rejected", reason="Invalid", message=evil)
    engines = (Engine(name="llm", model=evil),)
    spool = SpoolUse(blocked=evil)
    assert await world.report(1, bundle=bundle, refused_graphs=graphs, spool=spool, engines=engines) == 204
    written = world.api.report()
    for text in (
        written["engines"][0]["model"],
        written["bundle"]["message"],
        written["refusedGraphs"][0]["message"],
        written["spool"]["blocked"],
    ):
        assert text.isprintable()
        assert text.startswith("ok ")


async def test_engines_that_serve_their_model_are_counted(world: World) -> None:
    engines = (
        Engine(name="a", serving=True, model_present=True),
        Engine(name="b", serving=True),
        Engine(name="c", model_present=True),
    )
    assert await world.report(1, engines=engines) == 204
    assert world.api.report()["enginesServing"] == 1
    assert [each["name"] for each in world.api.report()["engines"]] == ["a", "b", "c"]


@pytest.mark.parametrize("ahead", [3600, -3600, -START])
async def test_a_clock_that_is_wrong_is_told(world: World, ahead: float) -> None:
    assert await world.report(1, sent_at_millis=max(0, round((START + ahead) * 1000))) == 204
    assert world.api.report()["clockSkewSeconds"] == pytest.approx(max(ahead, -10 * 366 * 86400), abs=10)


async def test_whom_nobody_has_heard_for_longest_is_forgotten_first() -> None:
    memory = Memory(most=2)
    sites = [SITE._replace(name=f"box-{n}") for n in range(3)]
    first, second = (memory.of(site, 0) for site in sites[:2])
    assert memory.of(sites[0], 0) is first
    memory.of(sites[2], 0)
    assert len(memory) == 2
    assert memory.of(sites[0], 0) is first
    assert memory.of(sites[1], 0) is not second


async def test_who_connects_and_says_nothing_is_sent_away(world: World, authority: Authority) -> None:
    tls = ssl.create_default_context(cafile=authority.cert)
    silent, writer = await asyncio.open_connection("127.0.0.1", world.port, ssl=tls)
    connections = world.server._connections
    assert connections is not None
    async with asyncio.timeout(60):
        while not connections._server.connections:  # noqa: ASYNC110 - the server has no event for it
            await asyncio.sleep(0.01)
    connections.look(100.0)
    connections.look(100.0 + LONGEST_SECONDS - 1)
    assert not silent.at_eof()
    connections.look(100.0 + LONGEST_SECONDS)
    async with asyncio.timeout(60):
        assert await silent.read() == b""
    writer.close()
    assert b"edgeglm_receiver_connections_ended_total 1.0" in world.metrics.render()
    assert await world.report(1) == 204


async def test_of_too_many_connections_the_oldest_go_first() -> None:
    ended: list[str] = []

    class Held:
        def __init__(self, name: str) -> None:
            self.name = name

        def force_close(self) -> None:
            ended.append(self.name)

    class Holder:
        connections = [Held("first")]

    holder: Any = Holder()
    connections = Connections(holder, lambda: None, most=2)
    connections.look(0)
    holder.connections = [Held("second"), *holder.connections]
    connections.look(1)
    assert ended == []
    holder.connections = [Held("third"), *holder.connections]
    connections.look(2)
    assert ended == ["first"]


async def test_nothing_else_is_served(world: World, authority: Authority) -> None:
    tls = ssl.create_default_context(cafile=authority.cert)
    async with aiohttp.ClientSession() as http:
        for method, path, status in (("GET", report_path(SITE), 405), ("GET", "/metrics", 404), ("POST", "/", 404)):
            async with http.request(method, f"https://127.0.0.1:{world.port}{path}", ssl=tls) as response:
                assert response.status == status


async def test_no_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "edgeglm_operator")
    token = token_of(SITE, KEY, epoch=1)
    world.api.faults = [Unavailable("down")]
    await world.report(1)
    await world.report(1)
    assert token not in caplog.text
    assert KEY.decode() not in repr(Keys(KEY, 1))


def test_a_renewed_certificate_is_taken_and_a_broken_one_is_not(tmp_path: Path, authority: Authority) -> None:
    one, other = (authority.issue(name, "127.0.0.1", hosts=["127.0.0.1"]) for name in ("one", "other"))
    files = tmp_path / "tls.crt", tmp_path / "tls.key"

    def put(cert: Path, key: Path) -> None:
        for source, to in zip((cert, key), files, strict=True):
            to.write_bytes(source.read_bytes())

    put(one.cert, one.key)
    certificate = Certificate(*files)
    assert not certificate.renew()
    put(other.cert, other.key)
    assert certificate.renew()
    put(one.cert, other.key)
    with pytest.raises(ssl.SSLError):
        certificate.renew()
    put(one.cert, one.key)
    assert certificate.renew()


def test_each_bound_of_a_report_is_the_crd_s_own() -> None:
    """What the receiver takes the API server takes, too."""
    status = our_crds()["EdgeSite"].schema["properties"]["status"]["properties"]["report"]["properties"]
    graphs = status["refusedGraphs"]
    assert graphs["maxItems"] == reports.MAX_REFUSED_GRAPHS
    assert graphs["items"]["properties"]["message"]["maxLength"] == reports.MAX_NOTE
    assert status["engines"]["maxItems"] == reports.MAX_ENGINES
    assert status["engines"]["items"]["properties"]["model"]["maxLength"] == reports.MAX_NOTE
    assert status["bundle"]["properties"]["message"]["maxLength"] == reports.MAX_SENTENCE
    assert status["spool"]["properties"]["blocked"]["maxLength"] == reports.MAX_SENTENCE
