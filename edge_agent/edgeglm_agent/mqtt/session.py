"""A session at one broker: connects, stays, comes back. What the broker keeps for us meanwhile is bound to it.

A connection stands on what it was opened with. When the rules or the files at the site change, it goes on until the
broker is seen to take the new ones, and then makes way; what was not acknowledged comes again on the next one.
"""

import asyncio
import logging
from typing import Final

from edgeglm_agent.clock import Clock
from edgeglm_agent.mqtt.backoff import Backoff
from edgeglm_agent.mqtt.connection import Connection, Hello, Opening, PublishFailed
from edgeglm_agent.mqtt.credentials import mark_of, read_credentials
from edgeglm_agent.mqtt.dialect import Dialect, Mqtt5, Mqtt311, Publication
from edgeglm_agent.mqtt.drops import Drops
from edgeglm_agent.mqtt.failure import ConnectionFailed, ProtocolTooNew, Reason
from edgeglm_agent.mqtt.handshake import try_handshake
from edgeglm_agent.mqtt.receiver import DEFAULT_RECEIVE, Receive
from edgeglm_agent.mqtt.subscriptions import Subscriptions
from edgeglm_agent.spool.handoff import Handoff

PUBLISH_TIMEOUT_SECONDS: Final = 10.0
ROOM_POLL_SECONDS: Final = 1.0
FILES_POLL_SECONDS: Final = 4.0

log = logging.getLogger(__name__)


class Session:
    """Owner of the one live connection, if there is one."""

    def __init__(
        self,
        hello: Hello,
        subscriptions: Subscriptions,
        handoff: Handoff,
        clock: Clock,
        *,
        receive: Receive = DEFAULT_RECEIVE,
    ) -> None:
        self.hello = hello
        self._receive = receive
        self.dialect: Dialect = Mqtt5()
        """Once a broker has asked for the older one, it is kept for as long as we run."""
        self.drops = Drops(hello.broker)
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
        self.failures: dict[str, int] = {}
        """How often each Reason came."""
        self.reason = ""
        self.failure = ""
        """What is wrong now, in a word and a sentence; empty when all is well."""

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

    def greet_with(self, hello: Hello) -> None:
        """Open connections like this from now on; the live one makes way for one that is."""
        self.hello = hello
        self._changed.set()

    async def _wait_for_room(self) -> None:
        while not await asyncio.to_thread(self._handoff.wait_for_room, ROOM_POLL_SECONDS):
            pass

    async def _connect(self) -> bool:
        held = self._subscriptions.held(self.hello.broker)
        self._subscriptions.hold(self.hello.broker, held | self._wanted)
        try:
            connection = await self._opened()
        except ConnectionFailed as failure:
            self._failed(failure)
            return False
        self._connection = connection
        self.connects += 1
        if not connection.resumed and held:
            self.sessions_lost += 1
            log.error("%s has lost our session, and what it held for us; is its persistence on?", self.hello.broker)
        self._well()
        self._connected.set()
        log.info("connected to %s, session %s", self.hello.broker, "resumed" if connection.resumed else "new")
        return True

    async def _opened(self) -> Connection:
        hello = self.hello
        credentials = await asyncio.to_thread(read_credentials, hello.files, tls=hello.address.tls)
        opening = Opening(hello, credentials, self.dialect, self.drops, self._receive)
        connection = Connection(opening, self._wanted, self._handoff, self._clock)
        try:
            await connection.open()
        except ProtocolTooNew:
            if isinstance(self.dialect, Mqtt311):
                raise
            log.warning("%s does not know MQTT 5; going on with 3.1.1", hello.broker)
            self.dialect = Mqtt311()
            return await self._opened()
        except ConnectionFailed as failure:
            if credentials.context is not None and failure.reason is Reason.CLOSED:
                await asyncio.to_thread(try_handshake, hello.broker, hello.address, credentials.context)
            raise
        return connection

    async def _stay(self) -> None:
        connection, backoff = self._connection, Backoff(first_seconds=FILES_POLL_SECONDS)
        while connection is not None and not connection.closed.is_set():
            self._changed.clear()
            try:
                if await self._has_successor(connection):
                    await connection.close()
                    break
                backoff.succeeded()
            except ConnectionFailed as failure:
                self._failed(failure)
            await self._agree(connection)
            await _first(connection.closed, self._changed, seconds=backoff.next_seconds())
        self._connected.clear()
        self._connection = None
        log.warning("disconnected from %s", self.hello.broker)

    async def _has_successor(self, connection: Connection) -> bool:
        """Tell whether another connection is due and would be let in; raises ConnectionFailed when it would not be."""
        hello = self.hello
        if connection.opened_with == (hello, await asyncio.to_thread(mark_of, hello.files)):
            self._well()
            return False
        credentials = await asyncio.to_thread(read_credentials, hello.files, tls=hello.address.tls)
        if credentials.context is not None:
            await asyncio.to_thread(try_handshake, hello.broker, hello.address, credentials.context)
        log.info("%s: the way to it has changed; connecting anew", hello.broker)
        return True

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

    def _failed(self, failure: ConnectionFailed) -> None:
        if str(failure) != self.failure:
            kept = "; the connection of before goes on" if self.connected else ""
            log.warning("cannot connect (%s): %s%s", failure.reason, failure, kept)
        self.failures[failure.reason] = self.failures.get(failure.reason, 0) + 1
        self.reason, self.failure = failure.reason, str(failure)

    def _well(self) -> None:
        self.reason = self.failure = ""


async def _first(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of them is set, but not for ever."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
