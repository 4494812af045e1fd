"""What waits is claimed in its turn, and a claim costs no more when more waits."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.reason.docket import Claim, Docket
from edgeglm_agent.reason.outcome import answer_to
from edgeglm_agent.reason.request import Request
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import forget_old, insert_requests

from .observations import SECOND
from .test_asker import a_request

NOW = 110 * SECOND
EVERY_STEPS = 10
"""How finely the steps of SQLite's machine are counted."""


class FullDisk(Ledger):
    """Fails as often as it is told to."""

    failures = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        if self.failures:
            self.failures -= 1
            raise sqlite3.OperationalError("database or disk is full")
        with super().transaction() as db:
            yield db


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[FullDisk]:
    ledger = FullDisk(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def one(partition: str, *, start: int = 100, expires: int = 200, anomalous: bool = True) -> Request:
    return msgspec.structs.replace(
        a_request("m1") if anomalous else a_request(),
        id=f"{partition}-{start}",
        partition=partition,
        start_ns=start * SECOND,
        end_ns=(start + 10) * SECOND,
        expires_ns=expires * SECOND,
    )


def store(ledger: Ledger, *requests: Request) -> None:
    with ledger.transaction() as db:
        insert_requests(db, requests)


def answer(docket: Docket, claim: Claim) -> None:
    docket.answer(claim, answer_to(claim.request, "Abstained", claim.spans))


def claimed(docket: Docket, most: int = 100) -> list[str]:
    claims, _expired = docket.claim(most)
    return [claim.request.id for claim in claims]


def steps_of_one(ledger: Ledger, waiting: int) -> int:
    """How many steps SQLite makes to claim and answer one more of many."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    store(ledger, *(one(f"p{number:04}") for number in range(waiting)))
    docket = Docket(ledger, lambda: NOW)
    (first,), _expired = docket.claim(1)
    answer(docket, first)
    ledger.db.set_progress_handler(count, EVERY_STEPS)
    (claim,), _expired = docket.claim(1)
    answer(docket, claim)
    ledger.db.set_progress_handler(None, 0)
    return counted * EVERY_STEPS


def test_what_one_costs_does_not_grow_with_what_waits(tmp_path: Path) -> None:
    few, many = Ledger(tmp_path / "few.db"), Ledger(tmp_path / "many.db")
    assert steps_of_one(many, 2000) <= 2 * steps_of_one(few, 20)
    few.close()
    many.close()


def test_when_one_is_answered_the_next_window_of_its_partition_has_its_turn(ledger: Ledger) -> None:
    store(ledger, one("p1"), one("p1", start=110))
    docket = Docket(ledger, lambda: NOW)
    (first,), _expired = docket.claim(5)
    assert claimed(docket) == []
    answer(docket, first)
    assert claimed(docket) == ["p1-110"]


def test_a_window_that_comes_later_is_told_together_with_the_one_that_waits(ledger: Ledger) -> None:
    store(ledger, one("p1", anomalous=False))
    docket = Docket(ledger, lambda: NOW)
    assert claimed(docket, most=0) == []
    store(ledger, one("p1", start=110, anomalous=False))
    (claim,), _expired = docket.claim(5)
    assert (claim.request.id, claim.spans) == ("p1-110", [(100 * SECOND, 110 * SECOND), (110 * SECOND, 120 * SECOND)])


def test_what_gets_too_old_in_the_line_expires_and_the_rest_of_its_partition_is_asked(ledger: Ledger) -> None:
    now = NOW
    store(ledger, one("p1", expires=120), one("p1", start=110, expires=300), one("p2", expires=300))
    docket = Docket(ledger, lambda: now)
    assert docket.claim(0) == ([], 0)
    now = 121 * SECOND
    claims, expired = docket.claim(5)
    assert expired == 1
    assert sorted(claim.request.id for claim in claims) == ["p1-110", "p2-100"]


def test_what_comes_after_all_else_was_answered_and_forgotten_is_seen(ledger: Ledger) -> None:
    """SQLite gives the number of a deleted newest row again."""
    store(ledger, *(one(f"p{number}") for number in range(3)))
    docket = Docket(ledger, lambda: NOW)
    for claim in docket.claim(5)[0]:
        answer(docket, claim)
    with ledger.transaction() as db:
        forget_old(db, keep=0)
    store(ledger, one("late"))
    assert claimed(docket) == ["late-100"]


def test_a_claim_that_fails_leaves_all_of_it_waiting(ledger: FullDisk) -> None:
    """The second has an older window to speak for, which has to be written down."""
    store(ledger, one("p1", start=90), one("p2", anomalous=False), one("p2", start=110, anomalous=False))
    docket = Docket(ledger, lambda: NOW)
    ledger.failures = 1
    with pytest.raises(sqlite3.OperationalError):
        docket.claim(5)
    assert claimed(docket) == ["p1-90", "p2-110"]


def test_an_expiry_that_fails_is_told_the_next_time_and_once(ledger: FullDisk) -> None:
    store(ledger, one("p1", expires=105), one("p2", expires=105))
    docket = Docket(ledger, lambda: NOW)
    ledger.failures = 1
    with pytest.raises(sqlite3.OperationalError):
        docket.claim(5)
    assert docket.claim(5) == ([], 2)
    assert docket.claim(5) == ([], 0)
