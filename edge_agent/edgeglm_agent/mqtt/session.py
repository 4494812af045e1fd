"""A session at one broker: connects, stays, comes back. What the broker keeps for us meanwhile is bound to it."""

import asyncio
import logging
from typing import Final

from edgeglm_agent.clock import Clock
from edgeglm_agent.mqtt.backoff import Backoff
from edgeglm_agent.mqtt.connection import Connection, ConnectionFailed, Hello, Publication, PublishFailed
from edgeglm_agent.mqtt.subscriptions import Subscriptions
from edgeglm_agent.spool.handoff import Handoff

PUBLISH_TIMEOUT_SECONDS: Final = 10.0
ROOM_POLL_SECONDS: Final = 1.0

log = logging.getLogger(__name__)


class Session:
    """Owner of the one live connection, if there is one."""

    def __init__(self, hello: Hello, subscriptions: Subscriptions, handoff: Handoff, clock: Clock) -> None:
        self.hello = hello
        self._subscriptions = subscriptions
        self._handoff = handoff
        self._clock = clock
        self._wanted: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._connection: Connection | None = None
        self._connected = asyncio.Event()
        self.connects = 0
        self.sessions_lost = 0
        """Connections at which the broker had forgotten our session, and what it held for us."""
        self.failure = ""

    @property
    def connected(self) -> bool:
        """Whether there is a live connection."""
        return self._connected.is_set()

    @property
    def in_flight(self) -> int:
        """How many publications the broker takes before it has acknowledged one."""
        return self._connection.in_flight if self._connection else 1

    async def run(self) -> None:
        """Keep a connection up until cancelled."""
        backoff = Backoff()
        try:
            while True:
                await self._wait_for_room()
                if await self._connect():
                    backoff.succeeded()
                    await self._stay()
                await asyncio.sleep(backoff.next_seconds())
        finally:
            await self._leave()

    async def wait_connected(self) -> None:
        """Return once there is a live connection."""
        await self._connected.wait()

    async def publish(self, publication: Publication) -> None:
        """Publish on the live connection; raises PublishFailed."""
        if self._connection is None or not self.connected:
            raise PublishFailed(f"{self.hello.broker}: not connected")
        await self._connection.publish(publication, PUBLISH_TIMEOUT_SECONDS)

    def listen_to(self, filters: frozenset[str]) -> None:
        """Hear these topics and no others from now on."""
        self._wanted = filters
        self._changed.set()

    async def _wait_for_room(self) -> None:
        while not await asyncio.to_thread(self._handoff.wait_for_room, ROOM_POLL_SECONDS):
            pass

    async def _connect(self) -> bool:
        held = self._subscriptions.held(self.hello.broker)
        self._subscriptions.hold(self.hello.broker, held | self._wanted)
        connection = Connection(self.hello, self._wanted, self._handoff, self._clock)
        try:
            await connection.open()
        except ConnectionFailed as failure:
            self._note(str(failure))
            return False
        self._connection = connection
        self.connects += 1
        if not connection.resumed and held:
            self.sessions_lost += 1
            log.error("%s has lost our session, and what it held for us; is its persistence on?", self.hello.broker)
        self._note("")
        self._connected.set()
        log.info("connected to %s, session %s", self.hello.broker, "resumed" if connection.resumed else "new")
        return True

    async def _stay(self) -> None:
        connection = self._connection
        while connection is not None and not connection.closed.is_set():
            self._changed.clear()
            await self._agree(connection)
            await _first(connection.closed, self._changed)
        self._connected.clear()
        self._connection = None
        log.warning("disconnected from %s", self.hello.broker)

    async def _agree(self, connection: Connection) -> None:
        """Let the broker hold the filters that are wanted, and no others: it has kept those of an earlier bundle."""
        broker, wanted = self.hello.broker, self._wanted
        held = self._subscriptions.held(broker)
        self._subscriptions.hold(broker, held | wanted)
        connection.subscribe(wanted)
        stale = (held | connection.filters) - wanted
        if not stale or await connection.unsubscribe(stale):
            self._subscriptions.hold(broker, wanted)

    async def _leave(self) -> None:
        self._connected.clear()
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    def _note(self, failure: str) -> None:
        if failure and failure != self.failure:
            log.warning("cannot connect: %s", failure)
        self.failure = failure


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
