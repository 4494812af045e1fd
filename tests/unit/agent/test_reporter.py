"""Reports from the agent's side: what they say, when they go out, and what happens while nobody takes them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from edgeglm_agent.config.freshness import SourceState
from edgeglm_agent.config.pins import RefusedGraph
from edgeglm_agent.config.problem import BadSetup
from edgeglm_agent.config.watch import Applied
from edgeglm_agent.health.metrics import exposition
from edgeglm_agent.health.status import (
    BooksStatus,
    BrokerStatus,
    ConfigStatus,
    DeadLetterStatus,
    ReportingStatus,
    SourceBook,
    SpoolStatus,
    Status,
)
from edgeglm_agent.main import _parser
from edgeglm_agent.report.make import make_report
from edgeglm_agent.report.options import sender_from
from edgeglm_agent.report.outages import Outages
from edgeglm_agent.report.reporter import Issue, Pauses, Reporter
from edgeglm_agent.report.sender import NotDelivered, Sender
from edgeglm_api.report import MAX_BYTES, MAX_REFUSED_GRAPHS, BookTotals, Report, decode, encode
from tests.cluster.pki import Authority, make_authority

PATH = "/v1/sites/plant/edge-1/uid/report"
HOUR_NS = 3_600_000_000_000
PATIENCE_SECONDS = 60
AT_ONCE = Pauses(interval=0.01, apart=0.0, most=0.01)

CONFIG = ConfigStatus(
    bundle=Applied(generation=3, sha256="a" * 64, verdict="Applied", reason="Applied"),
    source=SourceState(),
    rejections={},
    refused_graphs=[],
    reports=None,
)


def a_source_book(**counts: Any) -> SourceBook:
    numbers = dict.fromkeys(("received", "windowed", "duplicate", "late", "passed_over", "dropped", "pending"), 0)
    rest: dict[str, Any] = {
        "dead": {},
        "dropped_from_spool": {},
        "refused_readings": {},
        "redriven": 0,
        "backfilled": 0,
        "missing": 0,
    }
    return SourceBook(**({"graph": "line", "source": "vibration"} | numbers | rest | counts))


def a_status(*books: SourceBook, **more: Any) -> Status:
    told = BooksStatus(
        sources=list(books),
        lost=1,
        balanced=True,
        windows={},
        answers={"line": {"Ok": 2, "Expired": 1}, "pumps": {"Ok": 3, "Abstained": 1}},
        escalated={},
        findings={},
        waiting_dropped={},
    )
    numbers: dict[str, Any] = dict.fromkeys(SpoolStatus.__struct_fields__, 0)
    dead = DeadLetterStatus(kept=0, payload_bytes=0, forgotten=0)
    spool = SpoolStatus(**(numbers | {"raw_bytes": 700, "ledger_bytes": 50, "cap_bytes": 1000, "blocked": ""}))
    fields: dict[str, Any] = {
        "version": "0.1.0",
        "namespace": "plant",
        "site": "edge-1",
        "site_uid": "uid",
        "ready": True,
        "bundle": CONFIG.bundle,
        "source": CONFIG.source,
        "rejections": {},
        "refused_graphs": [],
        "books": told,
        "findings": [],
        "spool": msgspec.structs.replace(spool, dead_letters=dead),
        "endpoints": [],
        "brokers": [],
        "reports": None,
        "faults": 0,
    }
    return Status(**(fields | more))


def a_broker(*, connected: bool, reason: str = "") -> BrokerStatus:
    fields: dict[str, Any] = dict.fromkeys(BrokerStatus.__struct_fields__, 0)
    return BrokerStatus(**(fields | {"connected": connected, "reason": reason}))


def made(status: Status | None = None, config: ConfigStatus = CONFIG, **more: Any) -> Report:
    issue: dict[str, Any] = {"version": "0.1.0", "boot_id": "0" * 16, "sequence": 1, "now_ns": HOUR_NS}
    return make_report(config, status, **(issue | more))


def test_a_report_adds_up_all_sources_and_graphs() -> None:
    books = (
        a_source_book(received=10, windowed=5, late=1, dropped=1, dead={"Malformed": 2}, pending=1),
        a_source_book(received=4, windowed=2, duplicate=1, dropped_from_spool={"SpoolFull": 1}),
    )
    report = made(a_status(*books, brokers=[a_broker(connected=True), a_broker(connected=False, reason="Refused")]))

    assert report.books == BookTotals(
        received=14, windowed=7, duplicate=1, late=1, dead=2, dropped=2, pending=1, lost=1
    )
    assert msgspec.to_builtins(report.answers) == {"ok": 5, "abstained": 1, "expired": 1}
    assert report.spool is not None
    assert (report.spool.used_bytes, report.spool.used_percent) == (750, 75)
    assert msgspec.to_builtins(report.brokers) == {"desired": 2, "connected": 1, "reason": "Refused"}
    assert report.sent_at_millis == 3_600_000


def test_before_there_is_a_site_the_configuration_is_told() -> None:
    rejected = Applied(verdict="Rejected", reason="Unsigned", message="nobody signed it")
    report = made(None, msgspec.structs.replace(CONFIG, bundle=rejected))
    assert (report.bundle.generation, report.bundle.verdict, report.bundle.reason) == (0, "Rejected", "Unsigned")
    assert (report.spool, report.books, report.brokers) == (None, None, None)


def test_whatever_the_agent_says_the_receiver_can_read() -> None:
    """The bounds of the contract hold at its source."""
    worst = "\x1b" * 3000
    config = msgspec.structs.replace(
        CONFIG,
        bundle=Applied(verdict="Rejected", reason=worst, message=worst),
        refused_graphs=[RefusedGraph("g" * 250 + f"{n:03}", worst, worst) for n in range(100)],
    )
    spool = msgspec.structs.replace(a_status().spool, blocked=worst)
    report = made(a_status(spool=spool, brokers=[a_broker(connected=False, reason=worst)]), config, version=worst)
    raw = encode(report)
    assert len(raw) < MAX_BYTES
    assert decode(raw).bundle.reason == "Other"
    assert len(report.refused_graphs) == MAX_REFUSED_GRAPHS


class Cloud:
    """A receiver of the test's: says what it is told to say, over TLS."""

    def __init__(self) -> None:
        self.answers: list[web.Response | None] = []
        """One for each request to come; None hangs up; then 204 for ever."""
        self.reports: list[dict[str, Any]] = []
        self.tokens: list[str] = []
        self.came = asyncio.Event()
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.tokens.append(request.headers["Authorization"])
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else web.Response(status=204)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if answer.status == 204:
            self.reports.append(json.loads(body))
        self.came.set()
        return answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def cloud(authority: Authority) -> AsyncIterator[Cloud]:
    cloud = Cloud()
    app = web.Application()
    app.router.add_post(PATH, cloud.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    pair = authority.issue("cloud", "127.0.0.1", hosts=["127.0.0.1"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(pair.cert, pair.key)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    cloud.url = f"https://127.0.0.1:{runner.addresses[0][1]}{PATH}"
    yield cloud
    await runner.cleanup()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("1.abc\n")
    return path


def a_reporter(sender: Sender, data: Path, clock: Callable[[], int], pauses: Pauses = AT_ONCE) -> Reporter:
    async def make(issue: Issue) -> Report:
        return made(None, boot_id=issue.boot_id, sequence=issue.sequence, now_ns=issue.now_ns, outage=issue.outage)

    return Reporter(sender, make, Outages(data), clock, pauses)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def running(reporter: Reporter, until: Callable[[], bool]) -> None:
    task = asyncio.create_task(reporter.run())
    try:
        await eventually(until)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_reports_go_out_again_and_again_and_count_up(
    cloud: Cloud, token: Path, authority: Authority, tmp_path: Path
) -> None:
    reporter = a_reporter(Sender(cloud.url, token, authority.cert), tmp_path, lambda: HOUR_NS)
    await running(reporter, lambda: reporter.status.delivered >= 3)
    assert [each["sequence"] for each in cloud.reports[:3]] == [1, 2, 3]
    assert len({each["bootID"] for each in cloud.reports}) == 1
    assert set(cloud.tokens) == {"Bearer 1.abc"}


async def test_a_renewed_token_is_used_without_a_restart(
    cloud: Cloud, token: Path, authority: Authority, tmp_path: Path
) -> None:
    reporter = a_reporter(Sender(cloud.url, token, authority.cert), tmp_path, lambda: HOUR_NS)
    await reporter.report()
    token.write_text("2.def")  # noqa: ASYNC240 - a test
    await reporter.report()
    assert cloud.tokens == ["Bearer 1.abc", "Bearer 2.def"]


async def test_news_does_not_wait_for_the_interval(
    cloud: Cloud, token: Path, authority: Authority, tmp_path: Path
) -> None:
    pauses = Pauses(interval=3600.0, apart=0.0)
    reporter = a_reporter(Sender(cloud.url, token, authority.cert), tmp_path, lambda: HOUR_NS, pauses)

    def told_twice() -> bool:
        if len(cloud.reports) == 1:
            reporter.wake()
        return len(cloud.reports) >= 2

    await running(reporter, told_twice)


async def test_what_was_missed_while_nobody_took_reports_is_told_after(
    cloud: Cloud, token: Path, authority: Authority, tmp_path: Path
) -> None:
    """The newest report stands for all; that there was an outage is kept, over restarts as well."""
    now = HOUR_NS

    def clock() -> int:
        return now

    cloud.answers = [web.Response(status=503), None, web.Response(status=503)]
    sender = Sender(cloud.url, token, authority.cert)
    reporter = a_reporter(sender, tmp_path, clock)
    for _ in range(2):
        await reporter.report()
        now += HOUR_NS
    reporter = a_reporter(sender, tmp_path, clock)
    await reporter.report()
    now += HOUR_NS
    await reporter.report()
    now += HOUR_NS
    await reporter.report()

    outage = {"since": "1970-01-01T01:00:00Z", "until": "1970-01-01T04:00:00Z", "missed": 3}
    assert [each["outage"] for each in cloud.reports] == [outage, outage]
    assert reporter.status.failed == {"Http503": 1}

    cloud.answers = [web.Response(status=401)]
    await reporter.report()
    await reporter.report()
    assert cloud.reports[-1]["outage"] == {
        "since": "1970-01-01T05:00:00Z",
        "until": "1970-01-01T05:00:00Z",
        "missed": 1,
    }


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff" * 5000, b'{"since_ns":"x","missed":1}'])
async def test_a_damaged_note_of_an_outage_stops_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last-outage.json").write_bytes(content)
    outages = Outages(tmp_path)
    assert outages.last(HOUR_NS) is None
    outages.missed(HOUR_NS)
    assert Outages(tmp_path).last(HOUR_NS) is not None


async def test_a_disk_that_is_full_stops_no_reports(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    outages = Outages(tmp_path / "data")
    outages.missed(HOUR_NS)
    assert outages.last(HOUR_NS) is not None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (web.Response(status=401, text="BadToken: no"), "Http401"),
        (web.Response(status=200, text="I am no receiver"), "Http200"),
        (web.Response(status=307, headers={"Location": "https://elsewhere.example/"}), "Http307"),
        (None, "Unreachable"),
    ],
    ids=["401", "200", "307", "hangs up"],
)
async def test_what_is_no_204_is_not_delivered_and_has_a_word(
    cloud: Cloud, token: Path, authority: Authority, answer: web.Response | None, reason: str
) -> None:
    cloud.answers = [answer]
    with pytest.raises(NotDelivered) as told:
        await Sender(cloud.url, token, authority.cert).send(b"{}")
    assert told.value.reason == reason
    assert "1.abc" not in str(told.value)


async def test_a_server_that_nobody_vouches_for_gets_no_token(cloud: Cloud, token: Path, tmp_path: Path) -> None:
    stranger = make_authority(tmp_path / "stranger")
    with pytest.raises(NotDelivered) as told:
        await Sender(cloud.url, token, stranger.cert).send(b"{}")
    assert told.value.reason == "Unreachable"
    assert cloud.tokens == []


async def test_without_a_token_nothing_is_sent(cloud: Cloud, authority: Authority, tmp_path: Path) -> None:
    with pytest.raises(NotDelivered) as told:
        await Sender(cloud.url, tmp_path / "none", authority.cert).send(b"{}")
    assert told.value.reason == "NoToken"


async def test_a_receiver_that_asks_for_patience_gets_it(
    cloud: Cloud, token: Path, authority: Authority, tmp_path: Path
) -> None:
    reporter = a_reporter(Sender(cloud.url, token, authority.cert), tmp_path, lambda: HOUR_NS)
    cloud.answers = [web.Response(status=429, headers={"Retry-After": "77"})]
    assert await reporter.report() == 77
    cloud.answers = [web.Response(status=503, headers={"Retry-After": "9" * 99})]
    assert await reporter.report() < 1, "an hour at most, and nothing that is no number"


async def test_a_bug_in_a_report_stops_no_reports(token: Path, tmp_path: Path) -> None:
    async def make(_: Issue) -> Report:
        raise ZeroDivisionError

    reporter = Reporter(Sender("https://127.0.0.1:1/", token, None), make, Outages(tmp_path), lambda: HOUR_NS, AT_ONCE)
    await running(reporter, lambda: reporter.status.failed.get("Fault", 0) >= 2)


def test_reports_are_counted_where_prometheus_looks() -> None:
    reports = ReportingStatus(delivered=7, failed={"Http401": 2}, last_delivered_at="", failure="")
    text = exposition(msgspec.structs.replace(CONFIG, reports=reports), None).decode()
    assert "edgeglm_agent_reports_delivered_total 7.0" in text
    assert 'edgeglm_agent_reports_failed_total{reason="Http401"} 2.0' in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["--report-url", "http://plain.example/"],
        ["--report-url", "https://me:secret@host/", "--report-token", "t"],
        ["--report-url", "https://host/path"],
    ],
)
def test_a_way_of_reports_that_would_not_do_is_refused_at_the_start(arguments: list[str]) -> None:
    options = _parser().parse_args(["run", "--bundle", "b", "--data", "d", *arguments])
    with pytest.raises(BadSetup):
        sender_from(options)


def test_without_an_address_nothing_is_reported() -> None:
    assert sender_from(_parser().parse_args(["run", "--bundle", "b", "--data", "d"])) is None
