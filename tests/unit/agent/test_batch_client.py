"""A paho client behind the sieve, and a broker of a few lines at the other end, both taking turns."""

import asyncio
import itertools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from edgeglm_agent.mqtt.address import parse_address
from edgeglm_agent.mqtt.connection import Connection, Hello, Opening
from edgeglm_agent.mqtt.credentials import Credentials
from edgeglm_agent.mqtt.dialect import Mqtt5
from edgeglm_agent.mqtt.drops import Drops
from edgeglm_agent.mqtt.receiver import BatchClient
from edgeglm_agent.mqtt.sieve import MAX_WAITING_ACK_BYTES, Sieve
from edgeglm_agent.mqtt.sift import MAX_SIFTED_BYTES, Sifted
from edgeglm_agent.spool.handoff import Handed, Handoff
from tests.unit.agent.test_sieve import publication

KEEPALIVE_SECONDS = 30
FIXED_BYTES = 64 * 1024
"""Of what the network holds back: a size that was set the kernel leaves alone."""
PINGREQ = b"\xc0\x00"
EVERY_ID = range(1, 65_536)
SOME_IDS = range(1, 1001)


class Pair:
    """The client, connected, and the broker's end of the connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        for clock in ("paho.mqtt.client.time_func", "edgeglm_agent.mqtt.receiver.monotonic"):
            monkeypatch.setattr(clock, lambda: self.seconds)
        self.taken: list[int] = []
        self.client = BatchClient(CallbackAPIVersion.VERSION2, protocol=MQTTv311, manual_ack=True)
        self.client.on_batch = lambda batch: self.taken.extend(said.packet_id for said in batch)
        self.client.on_message = self._take
        with socket.create_server(("127.0.0.1", 0)) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, FIXED_BYTES)
            self.client.connect("127.0.0.1", door.getsockname()[1], keepalive=KEEPALIVE_SECONDS)
            self.broker, _ = door.accept()
        self.broker.settimeout(60)
        with socket.socket(fileno=os.dup(self.client.socket().fileno())) as ours:  # type: ignore[union-attr]
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, FIXED_BYTES)
        assert self.broker.recv(1000)[:1] == b"\x10"
        self.broker.sendall(b"\x20\x02\x00\x00")
        self.turn_until(self.client.is_connected)

    def say(self, *packet_ids: int, size: int = 1) -> None:
        """Send publications, and let the client take them."""
        said = (Sifted("a", bytes(size), number, dup=False, retained=False) for number in packet_ids)
        self.broker.sendall(b"".join(map(publication, said)))
        awaited = len(self.taken) + len(packet_ids)
        self.turn_until(lambda: len(self.taken) == awaited)

    def turn_until(self, condition: Callable[[], bool]) -> None:
        """Go around until it is so; the bound is only there so that a failure ends."""
        for _ in range(1000):
            if condition():
                return
            self.turn()
        pytest.fail("what was awaited does not come")

    def turn(self) -> MQTTErrorCode:
        """Once around paho's loop."""
        return self.client.loop(timeout=0.1)

    def heard(self, number: int) -> bytes:
        """So many bytes of the client's."""
        data = b""
        while len(data) < number:
            data += self.broker.recv(number - len(data))
        return data

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self.taken.append(message.mid)


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    pair = Pair(monkeypatch)
    yield pair
    pair.broker.close()
    pair.turn_until(lambda: pair.client.socket() is None)


def acks(*packet_ids: int) -> bytes:
    return b"".join(b"\x40\x02" + each.to_bytes(2) for each in packet_ids)


def test_what_is_too_large_for_a_batch_is_acknowledged_in_its_turn(pair: Pair) -> None:
    pair.say(1)
    pair.say(2, size=MAX_SIFTED_BYTES + 1)
    pair.say(3)
    assert pair.taken == [1, 2, 3]

    pair.client.acknowledge([1])
    pair.client.ack(2, 1)
    pair.client.acknowledge([3])

    assert pair.heard(12) == acks(1, 2, 3)


def test_a_broker_that_stops_reading_gets_its_acknowledgements_as_soon_as_it_reads_again(pair: Pair) -> None:
    """Not with the next ping only: until it has them it may send nothing."""
    sent = itertools.takewhile(lambda _: not pair.client.want_write(), itertools.repeat(EVERY_ID))
    rounds = 0
    for ids in sent:
        pair.client.acknowledge(ids)
        rounds += 1
        assert rounds < 1000, "the network takes all"

    left = rounds * 4 * len(EVERY_ID)
    while pair.client.want_write():
        left -= len(pair.broker.recv(1 << 20))
        assert pair.turn() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert left > 0
    assert pair.heard(left)[-8:] == acks(65_534, 65_535)


def test_a_flood_needs_no_pings_and_silence_does(pair: Pair) -> None:
    """The answer to a ping comes behind all that the broker has sent: whoever is slow would leave again and again."""
    for number in range(1, 7):
        pair.seconds += KEEPALIVE_SECONDS / 2
        pair.say(number)
        pair.client.acknowledge([number])
        assert pair.turn() == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert pair.heard(6 * 4) == acks(*range(1, 7))

    pair.seconds += KEEPALIVE_SECONDS
    pair.turn()
    pair.turn()
    assert pair.heard(2) == PINGREQ
    pair.seconds += KEEPALIVE_SECONDS
    assert pair.turn() == MQTTErrorCode.MQTT_ERR_CONN_LOST
    with pytest.raises(OSError, match="file descriptor"):
        pair.client.acknowledge([1])


def test_acknowledgements_that_nobody_takes_are_no_sign_of_life(pair: Pair) -> None:
    while not pair.client.want_write():
        pair.client.acknowledge(SOME_IDS)
    for _ in range(60):  # whatever room the network may find later
        pair.client.acknowledge(SOME_IDS)
    pair.seconds += KEEPALIVE_SECONDS - 1
    pair.client.acknowledge([1])
    pair.seconds += 1
    pair.turn()
    assert pair.client.want_write(), "the ping waits behind them"
    pair.seconds += KEEPALIVE_SECONDS
    assert pair.turn() == MQTTErrorCode.MQTT_ERR_CONN_LOST


async def talk(left: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let a client of MQTT 5 in, take its subscription, say one thing, and listen until it leaves."""
    await reader.read(1000)
    writer.write(b"\x20\x03\x00\x00\x00")
    subscription = await reader.read(1000)
    said = Sifted("a", b"{}", 7, dup=False, retained=False)
    writer.write(b"\x90\x04" + subscription[2:4] + b"\x00\x01" + publication(said, b""))
    while await reader.read(1000):
        pass
    writer.close()
    await writer.wait_closed()
    left.set()


async def test_a_connection_that_takes_no_acknowledgements_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later acknowledgement must not overtake one that failed; what was not acknowledged comes again on the next."""
    monkeypatch.setattr(Sieve, "acknowledge", refuse)
    handoff, left = Handoff(), asyncio.Event()
    async with await asyncio.start_server(partial(talk, left), "127.0.0.1", 0) as broker:
        port = broker.sockets[0].getsockname()[1]
        hello = Hello(parse_address(f"mqtt://127.0.0.1:{port}"), "broker", "agent", session_expiry_seconds=60)
        opening = Opening(hello, Credentials(), Mqtt5(), Drops("broker"), "Batches")
        connection = Connection(opening, frozenset({"a"}), handoff, lambda: 0)
        await connection.open()
        taken: list[Handed] = []
        while len(taken) < 2:  # the word that it is connected, and what was said
            taken += await asyncio.to_thread(lambda: handoff.take(most=1, linger_seconds=0, wait_seconds=1))

        committed = taken[-1].committed
        assert committed is not None
        await asyncio.to_thread(committed)

        async with asyncio.timeout(60):
            await connection.closed.wait()
    for thread in threading.enumerate():
        if thread.name.startswith("paho"):
            await asyncio.to_thread(thread.join, 60)
    connection._client._reset_sockets()  # as paho does when it is collected, which here may come after its sockets
    async with asyncio.timeout(60):
        await left.wait()  # else what it holds is found open by another test


def refuse(_sieve: Sieve, _ids: object) -> None:
    raise OSError(f"more than {MAX_WAITING_ACK_BYTES} bytes wait")
