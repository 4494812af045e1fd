"""Answers that come while the disk is busy share one sync, and none suffers for another."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from edgeglm_agent.reason.docket import Claim, Docket
from edgeglm_agent.reason.intake import Intake
from edgeglm_agent.reason.outcome import answer_to
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger
from edgeglm_agent.spool.requests import count_waiting, insert_requests

from .observations import SECOND
from .test_asker import a_request

MANY = 20
ENOUGH_SECONDS = 120


class CountedLedger(Ledger):
    transactions = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.transactions += 1
        with super().transaction() as db:
            yield db


class Scene:
    """Claims that all have their answer, and a desk that is busy until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.desk = CountedLedger(folder / "ledger.db"), Desk()
        with self.ledger.transaction() as db:
            insert_requests(
                db, (msgspec.structs.replace(a_request("m1"), id=f"r{n}", partition=f"p{n:02}") for n in range(MANY))
            )
        self.docket = Docket(self.ledger, lambda: 110 * SECOND)
        self.claims, _expired = self.docket.claim(MANY)
        self.ledger.transactions = 0
        self._let_go = threading.Event()

    async def store_all(self) -> list[BaseException | None]:
        intake = Intake(self.docket, self.desk)
        busy = asyncio.create_task(self.desk.run(self._let_go.wait, ENOUGH_SECONDS))
        await asyncio.sleep(0)
        stores = [asyncio.create_task(self._store(intake, claim)) for claim in self.claims]
        await asyncio.sleep(0)
        self._let_go.set()
        await busy
        return await asyncio.gather(*stores, return_exceptions=True)

    async def _store(self, intake: Intake, claim: Claim) -> None:
        status = "Abstained" if claim.request.id != "r7" else self.ill
        await intake.store(claim, answer_to(claim.request, status, claim.spans))  # type: ignore[arg-type]

    ill: object = "Abstained"
    """What is answered to one of them."""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.desk.close()
    scene.ledger.close()


async def test_those_that_wait_for_the_disk_are_stored_together(scene: Scene) -> None:
    assert await scene.store_all() == [None] * MANY
    assert scene.ledger.transactions == 1
    assert count_waiting(scene.ledger.db) == 0


async def test_one_that_cannot_be_stored_keeps_no_other_from_it(scene: Scene) -> None:
    scene.ill = object()  # no JSON can be made of it
    failed = [outcome for outcome in await scene.store_all() if outcome is not None]
    assert [type(each) for each in failed] == [TypeError]
    assert count_waiting(scene.ledger.db) == 1
    told = {request_id for (request_id,) in scene.ledger.db.execute("SELECT request_id FROM answer")}
    assert told == {f"r{number}" for number in range(MANY) if number != 7}
