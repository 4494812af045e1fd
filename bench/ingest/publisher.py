"""Publishes as fast as a broker takes it: whole chunks of PUBLISH packets in one write, then all their PUBACKs.

MQTT 3.1.1 by hand, as far as that takes: Python clients need more time for a message than brokers do.
"""

import itertools
import socket
import struct
from collections.abc import Iterable, Iterator
from typing import Final

from bench.ingest.load import Sent

CHUNK: Final = 1000
CONNECT: Final = b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05bench"
_PUBLISH_QOS_1: Final = 0x32
_PUBACK_BYTES: Final = 4


def publish(host: str, port: int, load: Iterable[Sent]) -> int:
    """Publish all of it with QoS 1, and return how many the broker has acknowledged."""
    done = 0
    with socket.create_connection((host, port), 60) as connection:
        connection.sendall(CONNECT)
        _receive(connection, 4)
        for chunk in _chunks(load):
            packets = (packet(at + 1, sent) for at, sent in enumerate(chunk))
            connection.sendall(b"".join(packets))
            _receive(connection, _PUBACK_BYTES * len(chunk))
            done += len(chunk)
        connection.sendall(b"\xe0\x00")
    return done


def _chunks(load: Iterable[Sent]) -> Iterator[list[Sent]]:
    messages = iter(load)
    while chunk := list(itertools.islice(messages, CHUNK)):
        yield chunk


def packet(packet_id: int, sent: Sent) -> bytes:
    """Return the bytes of one PUBLISH of QoS 1, as MQTT 3.1.1 has it."""
    return packet_head(sent.topic, len(sent.payload)) + struct.pack("!H", packet_id) + sent.payload


def packet_head(topic: str, payload_bytes: int) -> bytes:
    """Return what stands before the packet id."""
    name = topic.encode()
    length = 2 + len(name) + 2 + payload_bytes
    return bytes([_PUBLISH_QOS_1]) + _varint(length) + struct.pack("!H", len(name)) + name


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, digit = divmod(number, 128)
        out.append(digit | (0x80 if number else 0))
        if not number:
            return bytes(out)


def _receive(connection: socket.socket, number: int) -> None:
    while number:
        got = connection.recv(number)
        if not got:
            raise ConnectionError("the broker hung up")
        number -= len(got)
