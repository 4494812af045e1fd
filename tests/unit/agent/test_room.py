"""What is dropped when the spool is full, or when something waits for too long; that, in what order, and counted."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeglm_agent.pipeline.room import Room
from edgeglm_agent.reason.docket import Docket
from edgeglm_agent.spool.answers import count_undelivered
from edgeglm_agent.spool.disk import Disk
from edgeglm_agent.spool.entry import Entry
from edgeglm_agent.spool.requests import MAX_WAITING, count_waiting, waiting
from edgeglm_api.bundle import Bundle, Graph, Limits
from edgeglm_api.sensor_graph import Priority, Question
from tests.edge.bundles import GRAPH_UID, a_bundle, a_graph, a_source

from .machine import Machine
from .observations import SECOND, a_message

CAP = 1 << 30
ALWAYS = a_graph(question=Question())
"""Every window asks."""


class Full(Disk):
    """A disk that is full when a test says so."""

    full = False
    raw = CAP
    """Bytes of the raw log."""

    def refusal(self) -> str:
        return "full" if self.full else ""

    @property
    def roomy(self) -> bool:
        return not self.full


class Site:
    """A machine, and what makes room in it."""

    def __init__(self, folder: Path, bundle: Bundle | None = None, **limits: Any) -> None:
        if bundle is None:
            bundle = a_bundle(ALWAYS, limits=Limits(spool_max_bytes=CAP, max_concurrency=1, **limits))
        self.machine = Machine(folder, bundle)
        self.disk = Full(
            folder,
            raw_bytes=lambda: self.disk.raw,
            ledger_bytes=lambda: self.machine.ledger.size_bytes,
        )
        self._furnish()

    def _furnish(self) -> None:
        machine = self.machine
        self.docket = Docket(machine.ledger, lambda: machine.now)
        self.room = Room(self.disk, machine.ledger, machine.pipeline, self.docket, lambda: machine.now)
        self.room.apply(machine.bundle.limits)

    def hear(self, *entries: Entry) -> None:
        self.machine.hear(*entries)
        self.machine.now = entries[-1].arrived_ns

    def crash(self) -> None:
        self.machine.crash()
        self._furnish()

    def book(self, entry: str, source: str = "vibration") -> int:
        return self.machine.books().get((GRAPH_UID, source, entry), 0)

    def ledger_book(self, entry: str) -> int:
        row = self.machine.ledger.db.execute("SELECT n FROM book WHERE entry = ?", (entry,)).fetchone()
        return row[0] if row else 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path, spool_on_full="DropOldest")
    yield site
    site.machine.ledger.close()
    site.machine.raw_log.close()


def readings(start: int, count: int, **changes: Any) -> list[Entry]:
    return [a_message(at=100.0 + second, **changes) for second in range(start, start + count)]


def test_a_full_spool_drops_readings_when_no_question_holds_the_fold_up(site: Site) -> None:
    site.hear(*readings(0, 50))
    site.disk.full = True
    while site.machine.pipeline.backlog:
        assert site.room.make() is not None

    assert site.book("dropped.SpoolFull") == site.book("received") == 50
    assert site.machine.requests() == {}


def test_what_was_dropped_stays_dropped_after_a_crash_and_the_fold_goes_on_behind_it(site: Site) -> None:
    site.hear(*readings(0, 50))
    site.disk.full = True
    site.room.make()
    site.disk.full = False
    site.crash()
    site.hear(*readings(50, 5))
    site.machine.fold_all()

    assert site.book("dropped.SpoolFull") == 50
    assert site.book("received") == 55
    assert [span for _, span in sorted(site.machine.requests().items())], "later windows are asked about"


def test_a_redelivery_of_what_was_dropped_is_a_duplicate(site: Site) -> None:
    first = a_message(at=100.0, packet_id=7)
    site.hear(first)
    site.disk.full = True
    site.room.make()
    site.hear(msgspec.structs.replace(first, dup=True, connection=2))
    site.room.make()

    assert (site.book("received"), site.book("duplicate"), site.book("dropped.SpoolFull")) == (2, 1, 1)


def test_what_holds_until_it_changes_is_folded_in_all_the_same(tmp_path: Path) -> None:
    mode = a_source(name="mode", kind="State", topic="plant/{line}/{machine}/mode")
    site = Site(tmp_path, spool_on_full="DropOldest")
    site.machine.bundle = msgspec.structs.replace(site.machine.bundle, graphs=(a_graph(sources=(a_source(), mode)),))
    site.crash()
    site.hear(a_message(at=100.0), a_message(at=100.5, topic="plant/l1/m1/mode"))
    site.disk.full = True
    site.room.make()

    assert site.book("dropped.SpoolFull") == 1
    assert site.book("dropped.SpoolFull", "mode") == 0
    assert site.machine.pipeline.fold.graphs[GRAPH_UID].partitions["l1"].holders.keys() == {"l1/m1"}


def test_questions_go_before_readings_and_are_told_as_expired_once_a_partition(site: Site) -> None:
    site.hear(*readings(0, MAX_WAITING + 10), *readings(0, 10, line="l2", arrived=100.0 + MAX_WAITING))
    site.machine.fold_all()
    before = count_waiting(site.machine.ledger.db)
    assert before >= MAX_WAITING
    site.disk.full = True
    progress = site.room.make()

    assert progress is not None
    assert count_waiting(site.machine.ledger.db) == before - progress.answers
    assert site.ledger_book("waiting_dropped.requests.SpoolFull") == progress.answers > 0
    answers = site.machine.answers()
    assert {answer["status"] for answer in answers} == {"Expired"}
    assert len(answers) == len({answer["partition"] for answer in answers})
    assert site.room.make() is None, "the fold has room to go on"
    assert site.book("dropped.SpoolFull") == 0


def two_graphs(low: Priority, high: Priority) -> Bundle:
    """Both ask in each window; `line-1` is of the one priority, `line-2` of the other."""

    def of(name: str, priority: Priority) -> Graph:
        reasoning = msgspec.structs.replace(a_graph().reasoning, priority=priority)
        return a_graph(name=name, uid=name, question=Question(), reasoning=reasoning)

    limits = Limits(spool_max_bytes=CAP, max_concurrency=1, spool_on_full="DropLowestPriority")
    return a_bundle(of("line-1", low), of("line-2", high), limits=limits)


def waiting_of(site: Site) -> Counter[str]:
    return Counter(row.graph for row in waiting(site.machine.ledger.db))


def test_questions_of_the_lowest_priority_go_first_and_no_other_with_them(tmp_path: Path) -> None:
    """A quarter goes at once, but for what is more urgent; then the next priority, and within one the oldest."""
    site = Site(tmp_path, two_graphs("Low", "High"))
    site.hear(*readings(0, MAX_WAITING // 2 + 10))
    site.machine.fold_all()
    site.disk.full = True
    before = waiting_of(site)
    first = site.room.make()
    assert first is not None
    assert waiting_of(site) == before - Counter({"line-1": first.answers})
    assert {answer["graph"] for answer in site.machine.answers()} == {"line-1"}
    kept = [row.start_ns for row in waiting(site.machine.ledger.db) if row.graph == "line-1"]
    assert min(kept) == (100 + first.answers) * SECOND, "the oldest went"

    site.disk.raw = 0
    while waiting_of(site)["line-1"]:
        assert waiting_of(site)["line-2"] == before["line-2"], "none goes while there are less urgent ones"
        assert site.room.make() is not None
    site.room.make()
    assert waiting_of(site)["line-2"] < before["line-2"]
    gone = before.total() - waiting_of(site).total()
    counted = site.machine.ledger.db.execute(
        "SELECT graph, n FROM book WHERE entry = 'waiting_dropped.requests.SpoolFull'"
    ).fetchall()
    assert dict(counted) == before - waiting_of(site)
    assert gone == sum(n for _, n in counted)


def test_of_equal_priority_the_oldest_go(tmp_path: Path) -> None:
    site = Site(tmp_path, two_graphs("Normal", "Normal"))
    site.hear(*readings(0, MAX_WAITING // 2 + 10))
    site.machine.fold_all()
    site.disk.full = True
    told = site.room.make()
    assert told is not None
    assert {answer["graph"] for answer in site.machine.answers()} == {"line-1", "line-2"}


def test_a_question_that_is_being_asked_is_not_dropped(site: Site) -> None:
    site.hear(*readings(0, 10))
    site.machine.fold_all()
    (claim,), _ = site.docket.claim(1)
    assert site.docket.drop_oldest(100, before_ns=2**63 - 1, entry="x") == 0
    site.docket.release(claim)
    assert site.docket.drop_oldest(100, before_ns=2**63 - 1, entry="x") > 0


def test_answers_that_no_broker_takes_go_last(site: Site) -> None:
    site.hear(*readings(0, 20))
    site.machine.fold_all()
    site.disk.full = True
    while site.room.make():
        pass

    assert count_undelivered(site.machine.ledger.db) == 0
    assert site.ledger_book("waiting_dropped.answers.SpoolFull") == len(
        site.machine.ledger.db.execute("SELECT 1 FROM answer").fetchall()
    )


def test_reject_drops_nothing(tmp_path: Path) -> None:
    site = Site(tmp_path, spool_on_full="Reject")
    site.hear(*readings(0, 50))
    site.disk.full = True

    assert site.room.make() is None
    site.machine.fold_all()
    assert site.book("dropped.SpoolFull") == 0
    site.disk.raw = 0
    told = site.room.make()
    assert told is not None
    assert told.crowded, "the fold waits while questions fill the spool"
    assert count_waiting(site.machine.ledger.db) > 0


def test_what_has_waited_for_too_long_is_dropped_whatever_room_there_is(tmp_path: Path) -> None:
    """An hour passes between two halves of a stream that nobody folded, as while the site was without power."""
    site = Site(tmp_path, spool_max_age_seconds=3000)
    site.hear(*readings(0, 20))
    site.hear(*readings(3600, 20))
    site.machine.fold_all()

    assert (site.book("received"), site.book("dropped.TooOld")) == (40, 20)
    asked = {msgspec.json.decode(body)["start_ns"] for body in site.machine.requests().values()}
    assert min(asked) == 3700 * SECOND


def test_questions_and_answers_that_wait_for_too_long_are_dropped(tmp_path: Path) -> None:
    site = Site(tmp_path, spool_max_age_seconds=3000)
    site.hear(*readings(0, 20))
    site.machine.fold_all()
    waiting = count_waiting(site.machine.ledger.db)
    assert site.room.make() is None, "nothing is too old yet"

    site.machine.now += 3600 * SECOND
    site.room.make()
    assert count_waiting(site.machine.ledger.db) == 0
    assert site.ledger_book("waiting_dropped.requests.TooOld") == waiting
    site.machine.now += 2 * SECOND
    site.room.make()
    assert count_undelivered(site.machine.ledger.db) == 0
    assert site.ledger_book("waiting_dropped.answers.TooOld") == 1


def test_a_full_spool_gets_back_what_the_ledger_no_longer_needs(tmp_path: Path) -> None:
    """Else one that was full of questions stays full when they are answered, and nothing is acknowledged any more."""
    site = Site(tmp_path)
    site.disk.full = True
    site.hear(*readings(0, MAX_WAITING + 10))
    site.machine.fold_all()
    before = site.machine.ledger.size_bytes
    site.docket.drop_oldest(MAX_WAITING, before_ns=2**63 - 1, entry="x")
    site.machine.now += 10 * SECOND
    site.room.make()
    assert site.machine.ledger.size_bytes < before / 2
