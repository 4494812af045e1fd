"""Whatever a broker sends, and however the network cuts it: publications come in batches, all else goes to paho."""

import socket
import ssl
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeglm_agent.mqtt.sieve import BATCH_MESSAGES, MAX_WAITING_ACK_BYTES, Sieve
from edgeglm_agent.mqtt.sift import MAX_SIFTED_BYTES, Malformed, Sifted, sift


def varint(number: int) -> bytes:
    """A length, as MQTT 5 writes it (1.5.5)."""
    digits = bytearray()
    while True:
        number, digit = divmod(number, 128)
        digits.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(digits)


def packet(first: int, body: bytes) -> bytes:
    return bytes([first]) + varint(len(body)) + body


def publication(said: Sifted, properties: bytes | None = None) -> bytes:
    topic = said.topic.encode()
    body = len(topic).to_bytes(2) + topic + said.packet_id.to_bytes(2)
    if properties is not None:
        body += varint(len(properties)) + properties
    return packet(0x32 | said.dup << 3 | said.retained, body + said.payload)


SAID = st.builds(
    Sifted,
    topic=st.text(max_size=20),
    payload=st.binary(max_size=300),
    packet_id=st.integers(1, 65_535),
    dup=st.booleans(),
    retained=st.booleans(),
)
OTHERS = st.builds(
    packet,
    # Any type of packet, and publications of other qualities.
    st.integers(0, 255).filter(lambda first: first & 0xF6 != 0x32),
    st.binary(max_size=300),
)
LARGE = Sifted("a", bytes(MAX_SIFTED_BYTES), 9, dup=False, retained=False)


class Wire:
    """A network that has what it is given, cut as it is told, and takes as many bytes as it is told."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.sent = b""
        self.takes: list[int] = []
        """How many bytes each call of `send` takes; all of them once the list is used up, and 0 blocks."""

    def recv(self, buffer_size: int) -> bytes:
        if not self.pieces:
            raise BlockingIOError
        piece = self.pieces.pop(0)
        if len(piece) > buffer_size:
            self.pieces.insert(0, piece[buffer_size:])
        return piece[:buffer_size]

    def send(self, buffer: bytes | bytearray) -> int:
        most = self.takes.pop(0) if self.takes else len(buffer)
        if not most:
            raise BlockingIOError
        self.sent += bytes(buffer[:most])
        return min(most, len(buffer))

    def close(self) -> None:
        self.pieces = [b""]

    def fileno(self) -> int:
        return -1

    def setblocking(self, flag: bool) -> None: ...  # noqa: FBT001 - as sockets have it


def drained(sieve: Sieve, wire: Wire, asks: Iterator[int]) -> bytes:
    """Read as paho does, until nothing is there."""
    passed = b""
    while True:
        try:
            passed += sieve.recv(next(asks))
        except BlockingIOError:
            if not wire.pieces and not sieve.pending():
                return passed


def forever(sizes: list[int]) -> Iterator[int]:
    while True:
        yield from sizes


@given(
    st.lists(SAID | OTHERS, max_size=30),
    st.none() | st.binary(max_size=200),
    st.lists(st.integers(0, 5000), max_size=20),
    st.lists(st.integers(1, 400), min_size=1, max_size=5),
)
def test_each_publication_is_taken_and_every_other_byte_passed_on_in_order(
    sent: list[Sifted | bytes], properties: bytes | None, cuts: list[int], asks: list[int]
) -> None:
    stream = b"".join(publication(each, properties) if isinstance(each, Sifted) else each for each in sent)
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    wire = Wire(*(stream[begin:end] for begin, end in pairwise(borders) if begin < end))
    taken: list[Sifted] = []
    sieve = Sieve(wire, taken.extend, properties=properties is not None)

    passed = drained(sieve, wire, forever(asks))

    assert taken == [each for each in sent if isinstance(each, Sifted)]
    assert passed == b"".join(each for each in sent if isinstance(each, bytes))


@given(st.lists(st.binary(min_size=1, max_size=400), max_size=20), st.sampled_from([4, 5]))
def test_no_bytes_of_a_broker_do_more_than_end_the_connection(pieces: list[bytes], version: int) -> None:
    wire = Wire(*pieces)
    sieve = Sieve(wire, lambda _: None, properties=version == 5)
    try:
        drained(sieve, wire, forever([100]))
    except Malformed:
        return


def test_what_comes_before_a_packet_of_pahos_is_handed_over_before_it() -> None:
    """Else an order to leave, or the word that a session is new, could come before messages that it is about."""
    order: list[object] = []
    first, second = (Sifted("a", b"1", number, dup=False, retained=False) for number in (1, 2))
    wire = Wire(publication(first) + packet(0xD0, b"") + publication(second))
    sieve = Sieve(wire, order.extend, properties=False)
    order.append(sieve.recv(1) + sieve.recv(1))
    assert order == [first, b"\xd0\x00"]
    assert sieve.pending() > 0, "paho must come again without waiting"
    with pytest.raises(BlockingIOError):
        sieve.recv(1)
    assert order == [first, b"\xd0\x00", second]


def test_a_large_publication_is_left_to_paho_and_never_held_whole() -> None:
    stream = publication(LARGE)
    wire = Wire(stream)
    sieve = Sieve(wire, lambda _: pytest.fail("taken"), properties=False)
    assert drained(sieve, wire, forever([4096])) == stream


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00",
        b"\x00\x05a/b\x00\x01",  # a topic that is longer than the packet
        b"\x00\x01a",  # no packet id
        b"\x00\x01a\x00\x00\x00",  # the packet id that there is not
        b"\x00\x01a\x00\x01",  # no length of properties
        b"\x00\x01a\x00\x01\x02\x01",  # fewer properties than it says
        b"\x00\x01a\x00\x01\xff\xff\xff\xff\x01",  # a length that does not end
    ],
)
def test_a_malformed_publication_ends_the_connection(body: bytes) -> None:
    with pytest.raises(Malformed):
        sift(packet(0x32, body), 0, properties=True, most=10)


def test_what_came_before_a_malformed_publication_is_taken() -> None:
    taken: list[Sifted] = []
    wire = Wire(publication(ACKS[0]) + packet(0x32, b"\x00\x05a") + publication(ACKS[1]))
    sieve = Sieve(wire, taken.extend, properties=False)
    with pytest.raises(BlockingIOError):
        sieve.recv(1)
    assert sieve.pending() > 0, "paho must come again without waiting"
    with pytest.raises(Malformed):
        sieve.recv(1)
    assert taken == ACKS[:1]


def test_a_length_that_does_not_end_reaches_paho_with_the_byte_by_which_paho_knows() -> None:
    wire = Wire(b"\x32\xff\xff\xff\xff\x7f")
    assert Sieve(wire, lambda _: None, properties=True).recv(100) == b"\x32\xff\xff\xff\xff\x7f"


def test_a_topic_that_is_no_text_is_taken_under_none() -> None:
    (said,), _ = sift(packet(0x32, b"\x00\x02\xff\xfe\x00\x01x"), 0, properties=False, most=10)
    assert (said.topic, said.payload) == ("", b"x")


def test_the_end_of_a_connection_is_told() -> None:
    wire = Wire(b"")
    with pytest.raises(ConnectionResetError):
        Sieve(wire, lambda _: None, properties=True).recv(1)


def test_it_hands_over_one_batch_at_a_time() -> None:
    """Each may have to wait for room: paho must come to its keep-alive in between."""
    flood = [Sifted("a", b"1", number, dup=False, retained=False) for number in range(1, 3 * BATCH_MESSAGES)]
    batches: list[list[Sifted]] = []
    sieve = Sieve(Wire(b"".join(map(publication, flood))), batches.append, properties=False)
    for done in range(1, 4):
        with pytest.raises(BlockingIOError):
            sieve.recv(1)
        assert len(batches) == done
        assert (sieve.pending() > 0) == (done < 3), "paho comes again without waiting while there is more"
    assert [said for batch in batches for said in batch] == flood


IDS = [1, 2, 258]
ACKS = [Sifted("a", b"", number, dup=False, retained=False) for number in IDS]
AS_SENT = b"\x40\x02\x00\x01\x40\x02\x00\x02\x40\x02\x01\x02"


def test_a_batch_is_acknowledged_in_order_in_one_go() -> None:
    wire = Wire()
    Sieve(wire, lambda _: None, properties=True).acknowledge(IDS)
    assert wire.sent == AS_SENT


@given(st.lists(st.integers(0, 7), max_size=12))
def test_packets_are_never_sent_into_one_another(takes: list[int]) -> None:
    """The network takes what it likes; paho sends the rest of its packet, and acknowledgements wait for it."""
    wire = Wire()
    wire.takes = takes
    sieve = Sieve(wire, lambda _: None, properties=True)
    rest, in_the_middle = b"a packet of paho", IDS[1:2]
    sieve.acknowledge(IDS[:1])
    while rest:
        try:
            rest = rest[sieve.send(rest) :]
        except BlockingIOError:
            sieve.acknowledge([])
        if rest == b"ket of paho":
            sieve.acknowledge(in_the_middle)
            in_the_middle = []
    sieve.acknowledge(IDS[2:])
    wire.takes = []
    sieve.acknowledge([])

    alone = wire.sent.replace(b"a packet of paho", b"", 1)
    assert alone in {AS_SENT, AS_SENT[:4] + AS_SENT[8:]}


def test_a_broker_that_takes_no_acknowledgements_cannot_fill_the_memory() -> None:
    wire = Wire()
    sieve = Sieve(wire, lambda _: None, properties=True)
    batch = IDS[:1] * (MAX_WAITING_ACK_BYTES // 4 + 1)
    wire.takes = [0] * 10
    sieve.acknowledge(batch)
    with pytest.raises(OSError, match="takes no acknowledgements"):
        sieve.acknowledge(batch)


def test_real_sockets_do_what_it_wants_of_them() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    taken: list[Sifted] = []
    sieve = Sieve(ours, taken.extend, properties=False)
    theirs.sendall(publication(ACKS[0]) + b"\xd0\x00")
    assert sieve.recv(10) == b"\xd0\x00"
    assert taken == ACKS[:1]
    sieve.acknowledge(IDS[:1])
    assert theirs.recv(10) == AS_SENT[:4]
    assert issubclass(ssl.SSLSocket, socket.socket)
    sieve.close()
    theirs.close()
    with pytest.raises(OSError, match="file descriptor"):
        sieve.acknowledge(IDS)
