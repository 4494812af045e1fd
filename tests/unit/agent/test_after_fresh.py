"""What becomes of windows that nobody was asked about in time, and how much of the engine they may have."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.findings import turns
from edgeglm_agent.reason import docket as docket_module
from edgeglm_agent.reason.check import Checked
from edgeglm_agent.reason.client import Client
from edgeglm_agent.reason.docket import MAX_SPANS, Claim, Docket
from edgeglm_agent.reason.gate import Gate
from edgeglm_agent.reason.late_share import LATE_TURNS, TURNS_A_ROUND, Lines
from edgeglm_agent.reason.outcome import answer_to, joined
from edgeglm_agent.reason.plan import Plan
from edgeglm_agent.reason.reasoner import Reasoner
from edgeglm_agent.reason.request import Request
from edgeglm_agent.reason.router import Router
from edgeglm_agent.reason.sends import FreeSends
from edgeglm_agent.reason.urgency import Urgency
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.quiet_windows import QuietWindow
from edgeglm_agent.spool.requests import count_late, count_waiting, insert_requests
from edgeglm_api.answer import Finding, ModelUse
from edgeglm_api.bundle import Endpoint
from edgeglm_api.sensor_graph import AfterFresh
from tests.edge.stub_engine import StubEngine

from .observations import SECOND, a_machine_graph
from .test_asker import a_request, patient

FRESH_SECONDS = 30
ENOUGH_SECONDS = 120.0


class Site:
    """A ledger, a docket and a clock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now = 0.0
        self.boot()

    def boot(self) -> None:
        self.ledger = Ledger(self._folder / "ledger.db")
        self.docket = Docket(self.ledger, lambda: round(self.now * SECOND))

    def ask_about(self, *requests: Request) -> None:
        with self.ledger.transaction() as db:
            insert_requests(db, requests)

    def claim(self, most: int = 1) -> list[Claim]:
        """After what is too late was seen to, which takes a look of its own."""
        while self.docket.claim(0)[1]:
            pass
        return self.docket.claim(most)[0]

    def answers(self) -> list[dict[str, Any]]:
        return [json.loads(body) for (body,) in self.ledger.db.execute("SELECT body FROM answer ORDER BY seq")]

    def book(self, entry: str) -> int:
        row = self.ledger.db.execute("SELECT n FROM book WHERE entry = ?", (entry,)).fetchone()
        return row[0] if row else 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.ledger.close()


def a_window(at: int, after: AfterFresh, *, broken: bool = False, partition: str = "l1") -> Request:
    """Of ten seconds, in which a limit was passed or not."""
    request = patient(a_request("m1"))
    return msgspec.structs.replace(
        request,
        id=f"{partition}-{at}",
        partition=partition,
        start_ns=at * SECOND,
        end_ns=(at + 10) * SECOND,
        expires_ns=(at + 10 + FRESH_SECONDS) * SECOND,
        subject=a_machine_graph("m1") if broken else a_machine_graph(),
        signature="m1" if broken else "",
        reasoning=msgspec.structs.replace(request.reasoning, after_fresh=after),
    )


def answered(site: Site, claim: Claim, *, finding: bool = False) -> None:
    found = Finding(
        key="Anomaly/m1/rms",
        kind="Anomaly",
        severity="Critical",
        statement="",
        node_ids=("m1",),
        evidence_ids=("e1",),
        confidence="High",
    )
    checked = Checked(verdict="Ok", findings=(found,) if finding else ())
    use = ModelUse(model="tiny", route="Edge", endpoint="engine")
    site.docket.answer(claim, answer_to(claim.request, "Ok", claim.spans, checked=checked, model=use))


def spans(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["start"][14:19], each["end"][14:19]) for each in answer["windows"]]


def test_skip_asks_about_none_of_them(site: Site) -> None:
    site.ask_about(*(a_window(at, "Skip", broken=True) for at in (0, 10, 20)))
    site.now = 100
    assert site.claim() == []
    (answer,) = site.answers()
    assert (answer["status"], spans(answer)) == ("Expired", [("00:00", "00:30")])


def test_summarise_asks_once_about_the_last_in_which_something_was_wrong(site: Site) -> None:
    site.ask_about(a_window(0, "Summarise"), a_window(10, "Summarise", broken=True), a_window(20, "Summarise"))
    site.now = 100
    (claim,) = site.claim(9)
    assert (claim.request.id, claim.late, claim.urgency) == ("l1-10", True, Urgency.LOW)
    answered(site, claim)
    (answer,) = site.answers()
    assert (answer["late"], spans(answer)) == (True, [("00:00", "00:30")])
    assert count_waiting(site.ledger.db) == 0


def test_a_day_without_an_engine_is_one_question_a_partition(site: Site) -> None:
    """However many windows: none is kept waiting for itself, also over restarts."""
    for at in range(0, 86_400, 600):
        site.now = at
        site.ask_about(*(a_window(at + each, "Summarise", broken=at == 0) for each in range(0, 600, 10)))
        site.docket.claim(0)
        if at == 43_200:
            site.ledger.close()
            site.boot()
        assert count_waiting(site.ledger.db) <= 2 * 60 + 1
    site.now = 100_000
    (claim,) = site.claim(9)
    assert claim.request.id == "l1-590"
    assert len(claim.spans) <= MAX_SPANS + 1
    assert joined(claim.spans) == [(0, 86_400 * SECOND)]
    assert site.answers() == []


def test_what_one_question_speaks_for_has_a_bound(site: Site) -> None:
    """Each window is alone in its hour, so none joins the one before: the oldest are told as one."""
    for hour in range(MAX_SPANS + 50):
        site.now = hour * 3600
        site.ask_about(a_window(hour * 3600, "Summarise", broken=True))
        site.docket.claim(0)
    site.now += 3600
    (claim,) = site.claim(9)
    rows = site.ledger.db.execute("SELECT count(*) FROM request").fetchone()[0]
    assert len(claim.spans) <= rows <= MAX_SPANS + 1
    assert claim.spans[0][0] == 0
    assert claim.spans[0][1] > 10 * SECOND
    assert claim.spans[-1] == (claim.request.start_ns, claim.request.end_ns)
    assert [end - start for start, end in claim.spans[-100:]] == [10 * SECOND] * 100


def test_answer_all_asks_about_each_after_the_fresh_ones(site: Site) -> None:
    site.ask_about(*(a_window(at, "AnswerAll", broken=True) for at in (0, 10, 20)))
    site.ask_about(a_window(95, "AnswerAll", broken=True))
    site.now = 100
    asked = []
    while claims := site.claim():
        asked += [(claims[0].request.id, claims[0].late)]
        answered(site, claims[0])
    assert asked == [("l1-95", False), ("l1-0", True), ("l1-10", True), ("l1-20", True)]
    assert [answer.get("late", False) for answer in site.answers()] == [False, True, True, True]


def test_what_is_late_and_alike_is_told_together(site: Site) -> None:
    site.ask_about(*(a_window(at, "AnswerAll") for at in (0, 10, 20)))
    site.now = 100
    (claim,) = site.claim()
    assert len(claim.spans) == 3


def test_quiet_windows_do_not_wait_behind_what_is_late(site: Site) -> None:
    site.ask_about(a_window(0, "AnswerAll", broken=True))
    quiet = QuietWindow(a_window(10, "AnswerAll"), since_ns=10 * SECOND, evidence=frozenset(), tell=True)
    with site.ledger.transaction() as db:
        assert turns.closed(db, quiet) == 0
    site.now = 100
    site.docket.claim(0)
    assert [(answer["status"], spans(answer)) for answer in site.answers()] == [("Normal", [("00:10", "00:20")])]


def test_a_late_finding_opens_and_ends_nothing(site: Site) -> None:
    """What is asked about later than what came after it says nothing about now."""
    site.ask_about(a_window(0, "AnswerAll"), a_window(95, "AnswerAll", broken=True))
    site.now = 100
    for _ in range(2):
        (claim,) = site.claim()
        answered(site, claim, finding=not claim.late)
    opened, late = site.answers()
    assert [each["state"] for each in opened["findings"]] == ["Open"]
    assert late["late"]
    assert "findings" not in late


def test_more_than_may_wait_late_expire_and_are_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docket_module, "MAX_LATE", 5)
    site.ask_about(*(a_window(at, "AnswerAll", broken=True) for at in range(0, 80, 10)))
    site.now = 1000
    site.docket.claim(0)
    assert count_late(site.ledger.db) == 5
    (answer,) = site.answers()
    assert (answer["status"], spans(answer)) == ("Expired", [("00:00", "00:30")])
    assert site.book("waiting_dropped.requests.TooManyLate") == 3


# The share.


async def test_a_backlog_leaves_fresh_questions_seven_tenths_of_the_engine(site: Site) -> None:
    """Both wait all the time; the engine has two places."""
    site.ask_about(*(a_window(0, "AnswerAll", broken=True, partition=f"old-{number}") for number in range(40)))
    site.ask_about(*(a_window(95, "AnswerAll", broken=True, partition=f"new-{number}") for number in range(40)))
    site.now = 100
    engine, client, desk = StubEngine(), Client(), Desk()
    engine.start()
    router, answered = Router(client, Gate(b""), FreeSends()), asyncio.Event()
    router.set_endpoints([Endpoint(name="engine", url=engine.url, model="tiny", place="Edge")], ceiling=2)
    reasoner = Reasoner(site.docket, desk, router, answered.set)
    reasoner.limit = 2
    asking = asyncio.create_task(reasoner.run())
    async with asyncio.timeout(ENOUGH_SECONDS):
        while await desk.run(count_waiting, site.ledger.db):
            await answered.wait()
            answered.clear()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await client.close()
    desk.close()
    engine.stop()

    asked = [re.findall(r"Partition (old|new)", body["messages"][1]["content"])[0] for body in engine.asked]
    assert len(asked) == 80
    assert asked[:50].count("new") >= 34, "seven in ten, but for two under way that overtake each other"
    assert {answer["status"] for answer in site.answers()} == {"Ok"}


def plans(name: str, count: int, *, late: bool) -> list[Plan]:
    return [
        Plan(
            ("g", f"{name}{number}"),
            f"{name}{number}",
            (),
            expired=False,
            expires_ns=0,
            since_ns=number,
            urgency=Urgency.LOW,
            late=late,
        )
        for number in range(count)
    ]


def in_turn(*waiting: Plan, taken: int) -> list[Plan]:
    lines = Lines(taken=taken)
    for each in waiting:
        lines.enter(each)
    return list(iter(lambda: lines.next(lambda _graph: True), None))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 1000))
def test_fresh_ones_have_seven_turns_in_ten_and_late_ones_get_on(fresh: int, late: int, taken: int) -> None:
    waiting = plans("f", fresh, late=False) + plans("l", late, late=True)
    asked = in_turn(*waiting, taken=taken)
    assert sorted(each.request_id for each in asked) == sorted(each.request_id for each in waiting)
    assert {each.urgency for each in asked if each.late} <= {Urgency.LOW}, "in the engine's own queue, too"
    for at in range(len(asked) - TURNS_A_ROUND + 1):
        of_late = [each.late for each in asked[at : at + TURNS_A_ROUND]].count(True)
        if sum(not each.late for each in asked[at:]) >= TURNS_A_ROUND:
            assert of_late <= LATE_TURNS
        if sum(each.late for each in asked[at:]) >= TURNS_A_ROUND:
            assert of_late >= LATE_TURNS


def test_of_a_partition_one_is_asked_about_at_a_time() -> None:
    waiting = plans("p", 4, late=False) + plans("p", 6, late=True)
    assert [each.key[1] for each in in_turn(*waiting, taken=6)] == ["p0", "p1", "p2", "p3", "p4", "p5"]
