"""Sends what is stored and not delivered, oldest first, and notes what the broker has taken over.

A crash between the broker's word and the note sends an answer again: the same bytes, with the same request id as MQTT
correlation data, so a reader can tell.
"""

import asyncio
import logging
import sqlite3
from typing import Final

from edgeglm_agent.mqtt.backoff import Backoff
from edgeglm_agent.mqtt.connection import PublishFailed
from edgeglm_agent.mqtt.dialect import Publication
from edgeglm_agent.mqtt.session import Session
from edgeglm_agent.spool.answers import StoredAnswer, mark_delivered, undelivered
from edgeglm_agent.spool.desk import Desk
from edgeglm_agent.spool.ledger import Ledger

POLL_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class Publisher:
    """One for each broker."""

    def __init__(self, session: Session, ledger: Ledger, desk: Desk) -> None:
        self._session = session
        self._ledger = ledger
        self._desk = desk
        self._wake = asyncio.Event()
        self.sent = 0
        self.failed = 0

    def wake(self) -> None:
        """There may be something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        backoff = Backoff()
        while True:
            await self._session.wait_connected()
            self._wake.clear()
            try:
                sent = await self._send_some()
            except (PublishFailed, sqlite3.Error) as error:
                log.warning("not delivered, will try again: %s", error)
                self.failed += 1
                await asyncio.sleep(backoff.next_seconds())
                continue
            backoff.succeeded()
            if not sent:
                await self._rest()

    async def _send_some(self) -> int:
        batch = await self._desk.run(self._next)
        outcomes = await asyncio.gather(*(self._send(answer) for answer in batch), return_exceptions=True)
        delivered = [answer.seq for answer, outcome in zip(batch, outcomes, strict=True) if outcome is None]
        if delivered:
            await self._desk.run(self._note, delivered)
            self.sent += len(delivered)
        for outcome in outcomes:
            if outcome is not None:
                raise outcome
        return len(batch)

    async def _send(self, answer: StoredAnswer) -> None:
        await self._session.publish(
            Publication(
                topic=answer.topic,
                payload=answer.body,
                qos=answer.qos,
                retain=answer.retain,
                correlation=answer.request_id.encode(),
            )
        )

    def _next(self) -> list[StoredAnswer]:
        return undelivered(self._ledger.db, self._session.hello.broker, after=0, limit=self._session.in_flight)

    def _note(self, seqs: list[int]) -> None:
        with self._ledger.transaction() as db:
            mark_delivered(db, seqs)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return
