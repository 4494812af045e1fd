"""What an endpoint may be asked in a minute, and how often who charges for it is sent the same question."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.reason.asker import ask
from edgeglm_agent.reason.bucket import AT_ONCE, Bucket
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.rate import Rate
from edgeglm_agent.reason.request import Disclosure, Request
from edgeglm_agent.reason.router import NobodyAnswers, Router
from edgeglm_agent.reason.sends import CountedSends, FreeSends
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import count_sends, insert_requests
from edgeglm_api.bundle import Endpoint
from tests.cluster.ports import free_ports
from tests.edge.stub_engine import Scripted, StubEngine

from .observations import SECOND
from .test_asker import GOOD, a_request, patient, says

WINDOW = [(100 * SECOND, 110 * SECOND)]


# The bucket.


@given(
    st.integers(1, 600),
    st.lists(st.tuples(st.floats(0, 30), st.integers(1, 20)), min_size=1, max_size=60),
)
def test_in_no_minute_more_is_had_than_is_allowed_and_a_tenth(per_minute: int, asks: list[tuple[float, int]]) -> None:
    bucket, now, had = Bucket(per_minute), 0.0, list[tuple[float, int]]()
    for pause, amount in asks:
        now += pause
        if bucket.holds(amount, now) and amount <= max(per_minute * AT_ONCE, 1):
            bucket.take(amount, now)
            had.append((now, amount))
    most = per_minute + max(per_minute * AT_ONCE, 1)
    for begin, _ in had:
        assert sum(amount for at, amount in had if begin <= at < begin + 60) <= most + 1e-6


@given(st.integers(1, 600))
def test_who_waits_gets_it_in_the_end(per_minute: int) -> None:
    """Little is lost to those that come one by one, so none waits for ever, however small the allowance."""
    bucket, had = Bucket(per_minute), 0
    for second in range(600):
        while bucket.whole(second):
            bucket.take(1, second)
            had += 1
    assert had >= per_minute * 9


def test_what_it_owes_is_paid_back_first() -> None:
    bucket = Bucket(60)
    assert bucket.holds(100, 0.0), "more than it ever holds may be had when it is full"
    bucket.take(100, 0.0)
    assert (bucket.whole(94.0), bucket.whole(95.0)) == (0, 1)
    bucket.take(-3, 95.0)
    assert bucket.whole(95.0) == 4


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    bucket = Bucket(60)
    bucket.take(6, 100.0)
    assert (bucket.whole(100.0), bucket.whole(50.0), bucket.whole(101.0)) == (0, 0, 1)


def test_tokens_are_taken_beforehand_and_made_good() -> None:
    rate = Rate(Endpoint(name="e", url="http://h/v1", model="m", place="Cloud", tokens_per_minute=6000))
    assert rate.takes(500, 0.0)
    assert not rate.takes(500, 0.0)
    assert rate.paced == 1
    rate.correct(500, 100, 0.0)
    assert rate.takes(500, 0.0)


# In the router.


class Site:
    """A ledger, and a router whose one endpoint charges."""

    def __init__(self, folder: Path, client: Client, url: str) -> None:
        self._folder = folder
        self._client = client
        self._endpoint = Endpoint(name="engine", url=url, model="big", place="Cloud", metered=True)
        self.boot()
        with self.ledger.transaction() as db:
            insert_requests(db, [asked()])

    def boot(self) -> None:
        self.ledger, self.desk = Ledger(self._folder / "ledger.db"), Desk()
        self.router = Router(self._client, Gate(b"key"), CountedSends(self.desk, self.ledger))
        self.router.set_endpoints([self._endpoint], ceiling=2)

    def close(self) -> None:
        self.desk.close()
        self.ledger.close()

    def sends(self) -> int:
        return count_sends(self.ledger.db, asked().id)


@pytest.fixture
def site(tmp_path: Path, client: Client, cloud: StubEngine) -> Iterator[Site]:
    site = Site(tmp_path, client, cloud.url)
    yield site
    site.close()


def asked(request: Request | None = None) -> Request:
    return msgspec.structs.replace(request or patient(a_request("m1")), disclosure=Disclosure("Allowed"))


@pytest.mark.parametrize(
    ("script", "request_"),
    [
        (Scripted("dead", status=500), asked()),
        (Scripted("slow", delay=600), asked(a_request("m1"))),
    ],
)
async def test_who_charges_is_sent_a_question_twice_at_most_over_restarts(
    site: Site, cloud: StubEngine, script: Scripted, request_: Request
) -> None:
    cloud.script = lambda _body: script
    for _ in range(4):
        with pytest.raises(NobodyAnswers):
            await ask(request_, WINDOW, site.router)
        site.close()
        site.boot()
    assert site.sends() == 2
    assert len(cloud.asked) <= 2, "one may be given up on the way"
    with pytest.raises(NobodyAnswers):
        await ask(request_, WINDOW, site.router)
    assert site.router.loads()["engine"].spent == 1


async def test_a_repair_is_the_second_send(site: Site, cloud: StubEngine) -> None:
    left = iter([says("normal"), says("anomaly", GOOD)])
    cloud.script = lambda _body: next(left)
    answer = await ask(asked(), WINDOW, site.router)
    assert (answer.status, site.sends()) == ("Ok", 2)


@pytest.mark.parametrize("status", [403, 429, 503])
async def test_what_is_turned_away_costs_nothing(site: Site, cloud: StubEngine, status: int) -> None:
    cloud.script = lambda _body: Scripted("no", status=status)
    try:
        answer = await ask(asked(), WINDOW, site.router)
        assert answer.status == "Invalid"
    except NobodyAnswers:
        assert status != 403
    assert (len(cloud.asked), site.sends()) == (1, 0)


async def test_a_link_that_is_cut_costs_nothing(tmp_path: Path, client: Client) -> None:
    site = Site(tmp_path, client, f"http://127.0.0.1:{free_ports(1)[0]}/v1")
    for _ in range(3):
        with pytest.raises(NobodyAnswers):
            await ask(asked(), WINDOW, site.router)
    assert site.sends() == 0
    site.close()


async def test_a_window_that_two_sends_did_not_answer_says_so_when_it_expires(site: Site, cloud: StubEngine) -> None:
    cloud.script = lambda _body: Scripted("dead", status=500)
    for _ in range(2):
        with pytest.raises(NobodyAnswers):
            await ask(asked(), WINDOW, site.router)
    Docket(site.ledger, lambda: 300 * SECOND).claim(1)
    (body,) = site.ledger.db.execute("SELECT body FROM answer").fetchone()
    answer = msgspec.json.decode(body)
    assert answer["status"] == "Expired"
    assert "charges for requests" in answer["reason"]


async def test_a_minute_s_worth_is_kept_to_and_the_rest_waits(cloud: StubEngine, client: Client) -> None:
    """Also in how much room there is said to be, so that nobody claims a question for it."""
    router = Router(client, Gate(b"key"), FreeSends())
    endpoint = Endpoint(name="engine", url=cloud.url, model="big", place="Cloud", requests_per_minute=1)
    router.set_endpoints([endpoint], ceiling=8)
    assert router.free() == {"engine": 1}
    await ask(asked(), WINDOW, router)
    assert router.free() == {"engine": 0}
    with pytest.raises(NobodyAnswers):
        await ask(asked(), WINDOW, router)
    assert len(cloud.asked) == 1
    assert router.states() == {"engine": "Closed"}


async def test_tokens_that_were_used_count_and_not_those_that_were_reckoned(cloud: StubEngine, client: Client) -> None:
    """The stub says 120 tokens a question, which is less than the prompt and the room for an answer come to."""
    router = Router(client, Gate(b"key"), FreeSends())
    endpoint = Endpoint(name="engine", url=cloud.url, model="big", place="Cloud", tokens_per_minute=3000)
    router.set_endpoints([endpoint], ceiling=8)
    await ask(asked(), WINDOW, router)
    assert router.free()["engine"] > 0
