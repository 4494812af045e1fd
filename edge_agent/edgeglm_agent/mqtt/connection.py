"""One connection to a broker, from CONNECT to its end; never reused.

Paho's callbacks run on its network thread. Here they copy, hand over and return; nothing is decoded, stored or
awaited on that thread. The acknowledgement goes out later, from the writer's thread, in the order of receipt.
"""

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edgeglm_agent.clock import Clock
from edgeglm_agent.mqtt.address import Address
from edgeglm_agent.mqtt.credentials import CredentialFiles, Credentials
from edgeglm_agent.mqtt.dialect import Dialect, Publication
from edgeglm_agent.mqtt.drops import DROPPED_TOPIC, Drops
from edgeglm_agent.mqtt.failure import ConnectionFailed, Reason, failure_of, refusal
from edgeglm_agent.mqtt.receiver import CLIENTS, BatchClient, Receive
from edgeglm_agent.mqtt.sift import Sifted
from edgeglm_agent.spool.entry import Connected, Disconnected, Message
from edgeglm_agent.spool.handoff import Handed, Handoff

KEEPALIVE_SECONDS: Final = 30
HANDOFF_WAIT_SECONDS: Final = 10
"""Less than half the keepalive: a longer stop of the network thread would end the connection by itself."""
CONNECT_TIMEOUT_SECONDS: Final = 10.0
MAX_PAYLOAD_BYTES: Final = 256 * 1024
PREFIX_BYTES: Final = 1024
"""Kept of a payload that is too large, for people."""
DEFAULT_IN_FLIGHT: Final = 20
NO_MATCHING_SUBSCRIBERS: Final = 0x10

_GONE: Final = (OSError, ValueError, AttributeError)
"""What paho raises from its wake-up socket when its network thread closes the connection at the same moment."""

log = logging.getLogger(__name__)


class PublishFailed(OSError):  # noqa: N818 - names what happened
    """The broker did not take a publication over: connection lost, no answer in time, or refused."""


class Hello(msgspec.Struct, frozen=True):
    """All that is said when connecting."""

    address: Address
    broker: str
    """The url, as entries of the raw log name it."""
    client_id: str
    session_expiry_seconds: int
    files: CredentialFiles = CredentialFiles()
    will_topic: str = ""
    """Where the broker tells that we are lost; empty: nowhere."""
    will_payload: bytes = b""


class Opening(NamedTuple):
    """How a connection is opened: what is said, who says it, and in which version of the protocol."""

    hello: Hello
    credentials: Credentials
    dialect: Dialect
    drops: Drops
    receive: Receive


class Connection:
    """Made on the event loop; its callbacks come from the network thread."""

    def __init__(
        self,
        opening: Opening,
        filters: frozenset[str],
        handoff: Handoff,
        clock: Clock,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        hello = opening.hello
        self._dialect = opening.dialect
        self._drops = opening.drops
        self._asked_drops: int | None = None
        """The packet id of a question that is not answered."""
        self._hello = hello
        self.opened_with = (hello, opening.credentials.mark)
        """What this connection stands on; when it changes, another one is due."""
        self.filters = filters
        self._unsubscribed = asyncio.Event()
        self._handoff = handoff
        self._clock = clock
        self._number = clock()
        self._live = threading.Event()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._published: dict[int, asyncio.Future[ReasonCode]] = {}
        self.closed = asyncio.Event()
        self.resumed: bool | None = None
        """Whether the broker had kept our session; None until it has let us in."""
        self.in_flight = DEFAULT_IN_FLIGHT
        self._client = self._make_client(opening.credentials, CLIENTS[opening.receive])

    async def open(self) -> None:
        """Connect and subscribe; raises ConnectionFailed."""
        address = self._hello.address
        connect = partial(
            self._client.connect,
            address.host,
            address.port,
            keepalive=KEEPALIVE_SECONDS,
            **self._dialect.connecting(self._hello.session_expiry_seconds),
        )
        try:
            # Paho bounds both the connection and the handshake. A thread that was left to itself could connect later,
            # and take the session from the connection that has it by then.
            await asyncio.to_thread(connect)
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                self._client.loop_start()
                await self._opened
        except (OSError, TimeoutError, ValueError) as error:
            self.abandon()
            raise failure_of(self._hello.broker, error) from error

    async def publish(self, publication: Publication, timeout_seconds: float) -> None:
        """Publish, and wait for the broker's word; raises PublishFailed."""
        info = self._send(publication)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise PublishFailed(f"{publication.topic}: {info.rc.name}")
        # No callback can come in between: they are run on this loop, too.
        word = self._published[info.mid] = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_seconds):
                reason = await word
        except TimeoutError as error:
            raise PublishFailed(f"{publication.topic}: no acknowledgement in {timeout_seconds:g} s") from error
        finally:
            self._published.pop(info.mid, None)
        if reason.is_failure:
            raise PublishFailed(f"{publication.topic}: the broker refused it: {reason}")

    def _send(self, publication: Publication) -> MQTTMessageInfo:
        try:
            return self._client.publish(
                publication.topic,
                publication.payload,
                qos=publication.qos,
                retain=publication.retain,
                **self._dialect.publishing(publication),
            )
        except _GONE as error:
            raise PublishFailed(f"{publication.topic}: the connection is gone") from error

    def subscribe(self, filters: frozenset[str]) -> None:
        """Listen to more."""
        new = filters - self.filters
        self.filters |= new
        if new:
            self._client.subscribe([self._dialect.subscription(each) for each in sorted(new)])

    async def unsubscribe(self, filters: frozenset[str]) -> bool:
        """Listen to less; False when the broker did not say that it will."""
        self.filters -= filters
        self._unsubscribed.clear()
        try:
            self._client.unsubscribe(sorted(filters))
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await self._unsubscribed.wait()
        except (TimeoutError, *_GONE):
            return False
        return True

    async def close(self, timeout_seconds: float = 3.0) -> None:
        """Say goodbye; the session stays at the broker."""
        self._live.clear()
        self._client.disconnect()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.closed.wait()
        except TimeoutError:
            log.warning("%s did not close the connection in time", self._hello.broker)

    def abandon(self) -> None:
        """Leave at once, from any thread: nothing of this connection is taken or acknowledged any more."""
        self._live.clear()
        with suppress(*_GONE):
            self._client.disconnect()

    def _make_client(self, credentials: Credentials, kind: type[Client]) -> Client:
        hello = self._hello
        client = self._dialect.client(kind, hello.client_id, hello.session_expiry_seconds)
        client.connect_timeout = CONNECT_TIMEOUT_SECONDS / 2
        if hello.will_topic:
            client.will_set(hello.will_topic, hello.will_payload, qos=1, retain=True)
        if credentials.username is not None:
            client.username_pw_set(credentials.username, credentials.password)
        if credentials.context is not None:
            client.tls_set_context(credentials.context)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        if isinstance(client, BatchClient):
            client.on_batch = partial(self._on_batch, client)
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        return client

    def _on_connect(
        self, client: Client, _data: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._call(self._set_opened, refusal(self._hello.broker, reason))
            return
        self.resumed = flags.session_present
        self.in_flight = min(DEFAULT_IN_FLIGHT, getattr(properties, "ReceiveMaximum", DEFAULT_IN_FLIGHT))
        entry = Connected(self._clock(), self._hello.broker, self._number, self.resumed)
        if not self._handoff.put(Handed((entry,)), wait_seconds=HANDOFF_WAIT_SECONDS):
            self.abandon()
            return
        self._live.set()
        if self.filters:
            client.subscribe([self._dialect.subscription(each) for each in sorted(self.filters)])
        else:
            self._call(self._set_opened, None)
        if self._drops.ask:
            _, self._asked_drops = client.subscribe(DROPPED_TOPIC, qos=0)

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        if message.qos == 0 and _topic(message) == DROPPED_TOPIC:
            self._drops.heard(bytes(message.payload))
            return
        acknowledge = partial(client.ack, message.mid, 1) if message.qos else None
        self._hand_over(lambda: [self._entry(_sifted(message))], acknowledge)

    def _on_batch(self, client: BatchClient, batch: list[Sifted]) -> None:
        self._hand_over(lambda: self._entries(batch), lambda: client.acknowledge([said.packet_id for said in batch]))

    def _hand_over(self, entries: Callable[[], list[Message]], acknowledge: Callable[[], object] | None) -> None:
        if not self._live.is_set():
            return
        try:
            committed = partial(self._acknowledge, acknowledge) if acknowledge else None
            if not self._handoff.put(Handed(entries(), committed), wait_seconds=HANDOFF_WAIT_SECONDS):
                log.warning("%s: the hand-off is full; leaving until there is room", self._hello.broker)
                self.abandon()
        except Exception:
            # An exception would end paho's thread and leave a connection that nobody serves.
            log.exception("%s: leaving after an error that nobody expected", self._hello.broker)
            self.abandon()

    def _acknowledge(self, acknowledge: Callable[[], object]) -> None:
        if not self._live.is_set():
            return
        try:
            acknowledge()
        except _GONE:
            # The connection is gone, or the broker takes no acknowledgement: leave, so that no later one overtakes it.
            log.debug("%s did not take an acknowledgement", self._hello.broker)
            self.abandon()

    def _entries(self, batch: list[Sifted]) -> list[Message]:
        """Return what came together; none of it is too large, since it was sifted."""
        now_ns, broker, number = self._clock(), self._hello.broker, self._number
        return [
            Message(now_ns, broker, number, said.packet_id, said.dup, said.topic, payload, len(payload), said.retained)
            for said in batch
            for payload in (said.payload,)
        ]

    def _entry(self, said: Sifted) -> Message:
        size = len(said.payload)
        return Message(
            arrived_ns=self._clock(),
            broker=self._hello.broker,
            connection=self._number,
            packet_id=said.packet_id,
            dup=said.dup,
            topic=said.topic,
            payload=said.payload if size <= MAX_PAYLOAD_BYTES else said.payload[:PREFIX_BYTES],
            size=size,
            retained=said.retained,
        )

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._call(self._set_published, mid, reason)

    def _on_subscribe(
        self, _client: Client, _data: object, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if mid == self._asked_drops:
            self._asked_drops = None
            return
        for reason in reasons:
            if reason.is_failure:
                log.error("%s refused a subscription: %s; see the broker's access rules", self._hello.broker, reason)
        self._call(self._set_opened, None)

    def _on_unsubscribe(
        self, _client: Client, _data: object, _mid: int, _reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._call(self._unsubscribed.set)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._live.clear()
        if self._asked_drops is not None:
            self._drops.ask = False
        if self.resumed is not None:
            entry = Disconnected(self._clock(), self._hello.broker, self._number)
            self._handoff.put(Handed((entry,)), wait_seconds=HANDOFF_WAIT_SECONDS)
        self._call(self._set_closed, reason)

    def _set_opened(self, failure: ConnectionFailed | None) -> None:
        if self._opened.done():
            return
        if failure is None:
            self._opened.set_result(None)
        else:
            self._opened.set_exception(failure)

    def _set_published(self, mid: int, reason: ReasonCode) -> None:
        word = self._published.get(mid)
        if word is not None and not word.done():
            word.set_result(reason)

    def _set_closed(self, reason: ReasonCode) -> None:
        self._set_opened(ConnectionFailed(Reason.CLOSED, f"{self._hello.broker} closed the connection: {reason}"))
        self._opened.exception()  # seen, even when nobody waits any more
        lost = PublishFailed(f"{self._hello.broker} closed the connection: {reason}")
        for word in self._published.values():
            if not word.done():
                word.set_exception(lost)
        self.closed.set()

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - passed through
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:  # the loop is closed: the process is about to end
            log.debug("the network thread outlived the loop")


def _sifted(message: MQTTMessage) -> Sifted:
    packet_id = message.mid if message.qos else 0
    return Sifted(_topic(message), bytes(message.payload), packet_id, message.dup, message.retain)


def _topic(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:  # the standard forbids it; brokers differ
        return ""
